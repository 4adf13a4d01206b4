"""How every table of the terminal looks. Imports no JAX."""

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
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

    Cells of the first column wrap at blanks, others not at all. Columns that do not fit follow
    below, beside the first column again.
    """
    words = [word for line in _lines(table, 0) for word in line.split(" ")]
    least, most = _width(words), _width(_lines(table, 0))
    widths = [_width(_lines(table, place)) + GAP for place in range(len(table.columns))]
    parts: list[list[int]] = [[]]
    for place in range(1, len(table.columns)):
        taken = EDGES + least + sum(widths[other] for other in parts[-1])
        if parts[-1] and taken + widths[place] > console.width:
            parts.append([])
        parts[-1].append(place)
    for number, part in enumerate(parts):
        shown = _select(table, part, with_title=number == 0)
        others = EDGES + sum(widths[place] for place in part)
        first = max(least, min(most, console.width - others))
        for column, place in zip(shown.columns, (0, *part), strict=True):
            column.min_width = column.max_width = first if place == 0 else widths[place] - GAP
            column.no_wrap = place > 0
        shown.width = first + others  # wider than the terminal where a single word is
        console.print(shown, crop=False)


def _lines(table: Table, place: int) -> list[str]:
    column = table.columns[place]
    cells = [column.header, *column.cells]
    return [line for cell in cells for line in Text.from_markup(str(cell)).plain.split("\n")]


def _width(texts: list[str]) -> int:
    return max(map(cell_len, texts), default=0)


def _select(table: Table, places: list[int], with_title: bool) -> Table:
    """The table with its first column and those at `places`."""
    shown = Table(box=table.box, pad_edge=table.pad_edge, title_justify=table.title_justify)
    shown.title = table.title if with_title else None
    columns = [table.columns[place] for place in (0, *places)]
    for column in columns:
        shown.add_column(column.header, justify=column.justify)
    cells = [list(column.cells) for column in columns]
    for row, style in zip(zip(*cells, strict=True), table.rows, strict=True):
        shown.add_row(*row, end_section=style.end_section)
    return shown
