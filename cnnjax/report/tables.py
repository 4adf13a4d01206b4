"""Tables as CSV, LaTeX (booktabs), Markdown and HTML."""

import csv
import io
import re
from collections.abc import Sequence
from html import escape as escape_html
from typing import Any

from cnnjax.config.words import printable

ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "−": "$-$", "–": "--", "×": r"$\times$",
}  # fmt: skip

# By what a line of Markdown begins that is a quote, a heading, an item, or a rule below another.
BLOCK = r"^(\d*)(>|[-+=#](?=[-=#\s]|$)|(?<=\d)[.)](?=\s|$))"
WORDS = r">{\raggedright\arraybackslash}X"  # a column that breaks its lines
WIDE = 16  # characters, beyond which a column is one of words


def write_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Rows with the same keys as CSV text; a number that is none is left empty."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: "" if value != value else value for name, value in row.items()})
    return buffer.getvalue()


def escape(value: object) -> str:
    """A value as LaTeX text."""
    return "".join(ESCAPES.get(character, character) for character in printable(str(value)))


def write_latex(rows: Sequence[dict[str, Any]]) -> str:
    """Rows with the same keys as a LaTeX table as wide as the page's text.

    It needs the packages booktabs, tabularx and array. Columns of words share the width and break
    their lines; those of figures are as wide as these.
    """
    names = list(rows[0])
    lines = [[*map(escape, names)], *([escape(row[name]) for name in names] for row in rows)]
    widths = [max(len(str(row[name])) for row in rows) for name in names]
    columns = [WORDS if width > WIDE else "r" for width in widths]
    columns[0] = WORDS
    head, *body = [_guard(" & ".join(line)) + r" \\" for line in lines]
    return "\n".join(
        [r"\begingroup\small\setlength{\tabcolsep}{3pt}%",
         rf"\begin{{tabularx}}{{\textwidth}}{{{''.join(columns)}}}", r"\toprule", head, r"\midrule",
         *body, r"\bottomrule", r"\end{tabularx}%", r"\endgroup", ""]
    )  # fmt: skip


def _guard(line: str) -> str:
    """A row that the end of the row before does not take for its own star or length."""
    return "{}" + line if line.lstrip().startswith(("*", "[")) else line


def write_markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Rows with the same keys as a Markdown table, whose cells are text."""
    names = list(rows[0])
    head, *body = [[*map(escape_markdown, names)],
                   *([escape_markdown(row[name]) for name in names] for row in rows)]  # fmt: skip
    lines = [head, ["---"] * len(names), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def escape_markdown(value: object) -> str:
    """A value as text of one line of Markdown: nothing in it is markup, and no tag is one."""
    shown = re.sub(r"[\\`*_\[<|~$&]", r"\\\g<0>", printable(str(value)).strip())
    return re.sub(BLOCK, r"\1\\\2", shown)


def write_html(rows: Sequence[dict[str, Any]]) -> str:
    """Rows with the same keys as an HTML table."""
    head = "".join(f"<th>{escape_html(str(name))}</th>" for name in rows[0])
    body = "".join(
        f"<tr>{''.join(f'<td>{escape_html(str(cell))}</td>' for cell in row.values())}</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
