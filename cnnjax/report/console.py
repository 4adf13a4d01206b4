"""How every table of the terminal looks. Imports no JAX."""

from rich import box
from rich.markup import escape
from rich.table import Table

STYLES = {"supported": "green", "refuted": "red", "equivalent": "blue", "inconclusive": "yellow"}


def start_table(title: str, first_column: str) -> Table:
    """A table with its first column, of words that may fold."""
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first_column, overflow="fold")
    return table
