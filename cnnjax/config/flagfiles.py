"""Files of flags, one a line: what --flagfile names, in its place. Imports no JAX."""

import codecs
import os
import re
from collections.abc import Sequence

from cnnjax.config import installed
from cnnjax.config.errors import ConfigError

FLAG_FILE = re.compile(r"--?flagfile(?:=(?P<path>.*))?", re.DOTALL)


def read(arguments: Sequence[str], within: tuple[str, ...] = ()) -> list[str]:
    """`arguments` with the lines of each --flagfile in its place. Raises ConfigError."""
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
        place = os.path.realpath(installed.find_recipe(path))
        if place in within:
            raise ConfigError(f"--flagfile={path} reads itself: remove that line from it")
        found += read(read_file(path), (*within, place))
    return found


def read_file(path: str) -> list[str]:
    """The flags of a file, one a line, without comments (# or //) and empty lines.

    A recipe of ours is found from any folder. It is UTF-8, with or without a byte-order mark, or
    UTF-16 with one. Raises ConfigError, naming file and line, on other text.
    """
    try:
        with open(installed.find_recipe(path), "rb") as file:
            content = file.read()
    except OSError as error:
        raise ConfigError(f"--flagfile={path} cannot be read: {error.strerror}") from None
    content = content.removeprefix(codecs.BOM_UTF8)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        content = content.decode("utf-16", errors="replace").encode()
    lines = []
    for number, line in enumerate(content.splitlines(), start=1):
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
