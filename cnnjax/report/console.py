"""How every table of the terminal looks. Imports no JAX."""

import textwrap
from collections.abc import Iterable

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

STYLES = {
    "supported": "green", "refuted": "red", "equivalent": "blue", "inconclusive": "yellow",
    "in part": "magenta",
}  # fmt: skip
GAP, EDGES = 3, 2  # blanks of that box between columns, and beside the table


def start_table(title: str, first_column: str) -> Table:
    """A table with its first column, of words; print it with `print_table`."""
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first_column)
    return table


def print_table(table: Table, console: Console) -> None:
    """Prints a table without breaking a word or a number, however narrow the terminal.

    Cells of the first column wrap at blanks, others not at all. Where columns do not fit, their
    headers wrap too; those that still do not follow below, beside the first column again.
    """
    first, *others = table.columns
    names = _lines([first.header, *first.cells])
    least = _width([word for line in names for word in line.split(" ")])
    headers = [str(column.header) for column in others]
    widths = [_width(_lines([column.header, *column.cells])) for column in others]
    if EDGES + least + sum(widths) + GAP * len(widths) > console.width:
        headers = [_fold(column) for column in others]
        widths = [
            _width(_lines([header, *column.cells]))
            for header, column in zip(headers, others, strict=True)
        ]
    parts: list[list[int]] = [[]]
    for place, width in enumerate(widths):
        taken = EDGES + least + sum(widths[other] + GAP for other in parts[-1])
        if parts[-1] and taken + width + GAP > console.width:
            parts.append([])
        parts[-1].append(place)
    for part in parts:
        beside = EDGES + sum(widths[place] + GAP for place in part)
        room = max(least, min(_width(names), console.width - beside))
        shown = Table(box=table.box, pad_edge=False, title_justify=table.title_justify)
        shown.title = table.title if part is parts[0] else None
        shown.width = room + beside  # wider than the terminal where a single word is
        shown.add_column(first.header, min_width=room, max_width=room)
        for place in part:
            shown.add_column(
                headers[place], justify=others[place].justify, no_wrap=True,
                min_width=widths[place], vertical="bottom",
            )  # fmt: skip
        cells = [list(column.cells) for column in (first, *(others[place] for place in part))]
        for row, style in zip(zip(*cells, strict=True), table.rows, strict=True):
            shown.add_row(*row, end_section=style.end_section)
        console.print(shown, crop=False)


def _fold(column: Column) -> str:
    """A column's header in lines that are no wider than its cells, if its words are not."""
    header = str(column.header)
    least = max(_width(_lines(column.cells)), _width(header.split()))
    return "\n".join(textwrap.wrap(header, least, break_long_words=False, break_on_hyphens=False))


def _lines(cells: Iterable[object]) -> list[str]:
    return [line for cell in cells for line in Text.from_markup(str(cell)).plain.split("\n")]


def _width(texts: Iterable[str]) -> int:
    return max(map(cell_len, texts), default=0)
