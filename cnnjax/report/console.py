"""How every table of the terminal looks. Imports no JAX."""

import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from rich import box
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from cnnjax.config import words
from cnnjax.config.knobs import format_value

STYLES = {
    "supported": "green", "refuted": "red", "equivalent": "blue", "inconclusive": "yellow",
    "in part": "magenta", "depends": "cyan",
}  # fmt: skip
GAP, EDGES = 3, 2  # blanks of that box between columns, and beside the table
ENDLESS = 100_000  # columns of what is no terminal: a pipe or a file, in which nothing wraps


def open_console() -> Console:
    """Standard output: as wide as the terminal, or, where it is none, as wide as need be."""
    return Console(width=words.find_width(sys.stdout) or ENDLESS)


def print_text(text: str, console: Console, style: str = "") -> None:
    """Prints lines as wide as the console, broken at blanks alone."""
    for line in words.fold(text, console.width):
        console.print(Text(line, style=style), soft_wrap=True, crop=False, highlight=False)


def start_table(title: str, *keys: str) -> Table:
    """A table with its first columns, of words; print it with `print_table`."""
    table = Table(title=escape(title), box=box.SIMPLE_HEAD, pad_edge=False)
    for key in keys:
        table.add_column(key)
    return table


class _Column(NamedTuple):
    """A column as plain data."""

    header: str
    cells: Sequence[str]
    justify: JustifyMethod = "left"

    @property
    def width(self) -> int:
        return _width(_lines([self.header, *self.cells]))


def print_table(table: Table, console: Console, keys: int = 1) -> None:
    """Prints a table without breaking a word or a number, however narrow the terminal.

    Cells of an only first column wrap at blanks, others not at all. Where columns do not fit, their
    headers wrap too; those that still do not follow below, beside the first `keys` columns again.
    Keys that leave no room for another column become one, of words such as 'pool=max'.
    """
    columns = [
        _Column(str(column.header), [str(cell) for cell in column.cells], column.justify)
        for column in table.columns
    ]
    heads, others = columns[:keys], columns[keys:]
    folded = [column._replace(header=_fold(column)) for column in others]
    widest = max((column.width for column in folded), default=0)
    if keys > 1 and _take(heads) + GAP + widest > console.width:
        heads = [_join(heads)]
    # An only first column has room for its longest word at least.
    least = EDGES + _width(_words(heads[0])) if len(heads) == 1 else _take(heads)
    if least + sum(column.width + GAP for column in others) > console.width:
        others = folded
    if table.title:
        print_text(Text.from_markup(str(table.title)).plain, console, style="italic")
    parts: list[list[_Column]] = [[]]
    for column in others:
        taken = least + sum(GAP + other.width for other in parts[-1])
        if parts[-1] and taken + GAP + column.width > console.width:
            parts.append([])
        parts[-1].append(column)
    for part in parts:
        _print_part(table, heads, part, console)


def _print_part(
    table: Table, heads: Sequence[_Column], part: Sequence[_Column], console: Console
) -> None:
    """Prints some of a table's columns beside its first ones."""
    beside = EDGES + sum(GAP + column.width for column in part)
    rooms = [head.width for head in heads]
    if len(heads) == 1:
        rooms = [max(_width(_words(heads[0])), min(rooms[0], console.width - beside))]
    shown = Table(box=table.box, pad_edge=False)
    # Wider than the terminal where a single word is.
    shown.width = beside + sum(rooms) + GAP * (len(rooms) - 1)
    for head, room in zip(heads, rooms, strict=True):
        shown.add_column(head.header, min_width=room, max_width=room, vertical="bottom")
    for column in part:
        shown.add_column(
            column.header, justify=column.justify, no_wrap=True, min_width=column.width,
            vertical="bottom",
        )  # fmt: skip
    cells = [column.cells for column in (*heads, *part)]
    for row, style in zip(zip(*cells, strict=True), table.rows, strict=True):
        shown.add_row(*row, end_section=style.end_section)
    console.print(shown, crop=False)


def _take(columns: Sequence[_Column]) -> int:
    """How wide columns are beside each other, with the table's edges."""
    return EDGES + sum(column.width for column in columns) + GAP * (len(columns) - 1)


def _join(heads: Sequence[_Column]) -> _Column:
    """The first columns as one of words: 'pool=max padding=SAME'."""
    rows = zip(*(head.cells for head in heads), strict=True)
    cells = [
        " ".join(f"{head.header}={cell}" for head, cell in zip(heads, row, strict=True) if cell)
        for row in rows
    ]
    return _Column("arm", cells)


def _fold(column: _Column) -> str:
    """A column's header in lines that are no wider than its cells, if its words are not."""
    least = max(_width(_lines(column.cells)), _width(column.header.split()))
    return "\n".join(
        textwrap.wrap(column.header, least, break_long_words=False, break_on_hyphens=False)
    )


def _words(column: _Column) -> list[str]:
    return [word for line in _lines([column.header, *column.cells]) for word in line.split(" ")]


def _lines(cells: Iterable[object]) -> list[str]:
    return [line for cell in cells for line in Text.from_markup(str(cell)).plain.split("\n")]


def _width(texts: Iterable[str]) -> int:
    return max(map(cell_len, texts), default=0)


def tell_apart(arms: Mapping[str, Mapping[str, Any]]) -> tuple[list[str], dict[str, list[str]]]:
    """The first columns of a table of arms, one a knob in which they differ, and each arm's cells.

    An arm that leaves such a knob as it is has an empty cell. A single arm is told by its name.
    """
    knobs = list(dict.fromkeys(name for arm in arms.values() for name in arm))
    shown = {
        knob: [format_value(arm[knob]) if knob in arm else "" for arm in arms.values()]
        for knob in knobs
    }
    varied = [knob for knob in knobs if len(set(shown[knob])) > 1]
    if not varied:
        return ["arm"], {name: [escape(name or "all")] for name in arms}
    rows: Sequence[tuple[str, ...]] = list(zip(*(shown[knob] for knob in varied), strict=True))
    return varied, {
        name: [escape(cell) for cell in row] for name, row in zip(arms, rows, strict=True)
    }
