"""A forest plot: what a claim comes to on each data set, one below the other."""

import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib import figure
from matplotlib.axes import Axes

from cnnjax.report import text
from cnnjax.report.drawing import INK, SMALL, VERDICT_COLORS, WIDTH, Drawing
from cnnjax.study import metrics
from cnnjax.study.claims import Claim
from cnnjax.study.judge import Judgement, describe_across, verdict_of

Row = dict[str, Any]  # of verdicts.json
COLUMNS = 58  # letters of a title's line
TOP, LINE, ROW, AXIS = 0.05, 0.18, 0.3, 0.7  # inches


def draw_forest(judgement: Judgement) -> Drawing | None:
    """Headlines and parts of claims on each data set; None where there is one data set, or none.

    There is no mean over the sets: they are a list, and no sample.
    """
    shown = []
    for claim in judgement.study.claims:
        own = [row for row in judgement.verdicts if row["claim"] == claim.id]
        heads = [row for row in own if row["role"] != "secondary"]
        if describe_across(claim, own):
            parts = [heads[part :: claim.parts] for part in range(claim.parts)]
            shown += [(claim, own, part) for part in parts]
    if not shown:
        return None
    titles = [_title(*own) for own in shown]
    # In inches, from above: a title's lines, data sets, and the axis below them.
    heights = [
        LINE * (title.count("\n") + 1) + ROW * len(part) + AXIS
        for title, (_, _, part) in zip(titles, shown, strict=True)
    ]
    whole = sum(heights) + TOP
    drawing = figure.Figure(figsize=(WIDTH, whole))
    names = max(len(_name(row)) for _, _, part in shown for row in part)
    left = min(0.1 + 0.075 * names, WIDTH / 2)
    bottom = whole - TOP
    for title, height, (_, _, part) in zip(titles, heights, shown, strict=True):
        drawing.text(0.1 / WIDTH, bottom / whole, title, fontsize=SMALL, color=INK, va="top")
        bottom -= height
        place = (left / WIDTH, (bottom + AXIS - 0.1) / whole)
        size = ((WIDTH - left - 0.15) / WIDTH, ROW * len(part) / whole)
        _draw_part(drawing.add_axes((*place, *size)), part)
    sentences = " ".join(text.describe_verdict(row) for _, _, part in shown for row in part)
    return Drawing(drawing, f"Differences with their intervals by data set. {sentences}")


def _title(claim: Claim, own: Sequence[Row], part: Sequence[Row]) -> str:
    """What is claimed and what it comes to, in lines that fit the figure."""
    found = f"{verdict_of(claim, own)}, {describe_across(claim, own)}"
    return textwrap.fill(f"{text.describe_claim(part[0])}: {found}", COLUMNS)


def _name(row: Row) -> str:
    return f"{row['dataset']}: {row['verdict']}"


def _draw_part(axes: Axes, part: Sequence[Row]) -> None:
    """The rows of one comparison, a data set each."""
    first = part[0]
    factor = 100 if metrics.find(first["metric"]).share else 1
    axes.axvline(0, color=INK, lw=0.8)
    if first["threshold"]:
        axes.axvline(factor * first["threshold"], color=INK, lw=1, ls=":")
    elif first["margin"]:
        margin = factor * first["margin"]
        axes.axvspan(-margin, margin, color=VERDICT_COLORS["equivalent"], alpha=0.13, lw=0)
    for place, row in enumerate(part):
        color = VERDICT_COLORS[row["verdict"]]
        if text.is_known(row["interval"][0]):
            bounds = [factor * bound for bound in row["interval"]]
            axes.plot(bounds, [place, place], color=color, lw=2.4, solid_capstyle="round")
        if text.is_known(row["difference"]):
            axes.plot(factor * row["difference"], place, "o", color=color, ms=7)
    axes.set_yticks(range(len(part)), [_name(row) for row in part], fontsize=SMALL)
    axes.set_ylim(len(part) - 0.4, -0.6)
    unit = text.unit(first["metric"], difference=True).strip()
    label = metrics.find(first["metric"]).label
    axes.set_xlabel(f"Difference in {label}{f' ({unit})' if unit else ''}")
