"""Files of flags, one a line: what --flagfile names, in its place. Imports no JAX."""

import codecs
import os
import re
from collections.abc import Sequence

from cnnjax.config import installed
from cnnjax.config.errors import ConfigError

FLAG_FILE = re.compile(r"--?flagfile(?:=(?P<path>.*))?", re.DOTALL)
MOST_FILES = 100  # that one command line may read, each time that a line names one
MOST_BYTES = 2**20  # of a file


def read(arguments: Sequence[str]) -> list[str]:
    """`arguments` with the lines of each --flagfile in its place. Raises ConfigError."""
    return _read(arguments, (), [])


def _read(arguments: Sequence[str], within: tuple[str, ...], opened: list[str]) -> list[str]:
    """As `read`, of lines that stand `within` files, where some were `opened` already."""
    found, rest = [], list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            return [*found, argument, *rest]
        match = FLAG_FILE.fullmatch(argument)
        if match is None:
            found.append(argument)
            continue
        path = match["path"] or (rest.pop(0) if rest and match["path"] is None else "")
        if not path:
            raise ConfigError("--flagfile names no file: give --flagfile=FILE")
        if "\0" in path:
            raise ConfigError(f"--flagfile={path} cannot be read: no path has a zero byte")
        place = os.path.realpath(installed.find_recipe(path))
        if place in within:
            raise ConfigError(f"--flagfile={path} reads itself: remove that line from it")
        if len(opened) == MOST_FILES:
            raise ConfigError(
                f"--flagfile={path} is not read: files of flags name each other {MOST_FILES} times"
                " already"
            )
        opened.append(place)
        found += _read(read_file(path), (*within, place), opened)
    return found


def read_file(path: str) -> list[str]:
    """The flags of a file, one a line, without comments (# or //) and empty lines.

    A recipe of ours is found from any folder. It is UTF-8, with or without a byte-order mark, or
    UTF-16 with one. Raises ConfigError, naming file and line, on other text.
    """
    try:
        with open(installed.find_recipe(path), "rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"--flagfile={path} cannot be read: {error.strerror}") from None
    if len(content) > MOST_BYTES:
        raise ConfigError(
            f"--flagfile={path} has more than {MOST_BYTES // 2**20} MiB: it is no file of flags"
        )
    content = content.removeprefix(codecs.BOM_UTF8)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            content = content.decode("utf-16").encode()
        except UnicodeDecodeError as error:
            raise ConfigError(
                f"--flagfile={path} is no whole UTF-16 ({error.reason}): save it as UTF-8"
            ) from None
    lines = []
    for number, line in enumerate(content.splitlines(), start=1):
        if b"\0" in line:
            raise ConfigError(
                f"--flagfile={path}, line {number}: byte 0x0 is no text: save the file as UTF-8"
            )
        if not line.strip() or line.lstrip().startswith((b"#", b"//")):
            continue
        try:
            lines.append(line.decode().strip())
        except UnicodeDecodeError as error:
            raise ConfigError(
                f"--flagfile={path}, line {number}: byte {line[error.start]:#x} is no UTF-8: save"
                " the file as UTF-8"
            ) from None
    return lines
