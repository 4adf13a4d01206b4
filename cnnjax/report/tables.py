"""Tables as CSV and as LaTeX (booktabs)."""

import csv
import io
from collections.abc import Sequence
from typing import Any

ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "−": "$-$", "–": "--", "×": r"$\times$",
}  # fmt: skip


def write_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Rows with the same keys as CSV text."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def escape(value: Any) -> str:
    """A value as LaTeX text."""
    return "".join(ESCAPES.get(character, character) for character in str(value))


def write_latex(rows: Sequence[dict[str, Any]]) -> str:
    """Rows with the same keys as a LaTeX table; the first column is text, the others figures."""
    names = list(rows[0])
    lines = [[*map(escape, names)], *([escape(row[name]) for name in names] for row in rows)]
    head, *body = [" & ".join(line) + r" \\" for line in lines]
    return "\n".join(
        [rf"\begin{{tabular}}{{l{'r' * (len(names) - 1)}}}", r"\toprule", head, r"\midrule",
         *body, r"\bottomrule", r"\end{tabular}", ""]
    )  # fmt: skip


def write_markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Rows with the same keys as a Markdown table."""
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([row[name] for name in names] for row in rows)]
    return "".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )
