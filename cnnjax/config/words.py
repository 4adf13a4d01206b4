"""Lines for a terminal and for a pipe, and numbers with their nouns. Imports no JAX."""

import contextlib
import os
import sys
import textwrap
import unicodedata
from collections.abc import Collection, Iterable
from typing import TextIO

from cnnjax.config import installed


def find_width(stream: TextIO) -> int | None:
    """Columns of the terminal that a stream writes to; None where it is none."""
    if not stream.isatty():
        return None
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80


def printable(text: str) -> str:
    r"""`text` with each control character, and each byte of a path that is no UTF-8, as \xff."""
    return "".join(
        _escape(character) if unicodedata.category(character) in ("Cc", "Cs") else character
        for character in text
    )


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python carries such a byte (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"


def fold(text: str, width: int | None, indent: str = "  ") -> list[str]:
    """`text` in lines of `width`, broken at blanks alone; without a width each line as it is.

    What is broken goes on below its own margin, `indent` further in. No terminal obeys a line:
    control characters, which a name may have, are shown.
    """
    lines = []
    for line in map(printable, text.split("\n")):
        margin = line[: len(line) - len(line.lstrip())]
        lines += (
            textwrap.wrap(
                line, width, subsequent_indent=margin + indent, break_long_words=False,
                break_on_hyphens=False,
            )
            if width and len(line) > width
            else [line]
        )  # fmt: skip
    return lines


def say(text: str, stream: TextIO | None = None) -> None:
    """Prints `text`, on a terminal in lines that break no word, elsewhere as it stands.

    Commands in it are named as this installation has them. What stderr does not take, as on a full
    disk, is let go, and all that follows: it ends no work.
    """
    where = sys.stdout if stream is None else stream
    lines = fold(installed.name_commands(text), find_width(where))
    try:
        print("\n".join(lines), file=where, flush=True)
    except OSError:
        if where is not sys.stderr:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), where.fileno())


MOST_SAID = 2000  # characters of a message; of a longer one both ends are shown


def shorten(text: str) -> str:
    """A text with its middle left out where it is too long to be read, as a value without end."""
    if len(text) <= MOST_SAID:
        return text
    return f"{text[: MOST_SAID // 2]} ... {text[-MOST_SAID // 2 :]}"


def read_integer(text: str) -> int:
    """A whole number, written 1000, 1e3 or 1000.0. Raises ValueError on any other text."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            number = kind(text)
            if number == number // 1:  # neither a NaN nor infinite
                return int(number)
    raise ValueError(f"{text} is no whole number")


def count(number: int, noun: str, several: str = "") -> str:
    """A number with its noun: '1 seed', '2,000 seeds'."""
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"


def list_first(items: Collection[object], most: int, between: str = ", ") -> str:
    """The first few, and how many more there are: 'a, b and 3 more'."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return between.join(map(str, [*items][:most])) + more


def join(items: Iterable[object]) -> str:
    """'a, b and c'."""
    *head, last = map(str, items)
    return f"{', '.join(head)} and {last}" if head else last
