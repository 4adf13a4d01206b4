"""A forest plot: what a claim comes to on each data set, one below the other."""

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
    heights = [len(part) + 2.6 for _, _, part in shown]
    drawing = figure.Figure(figsize=(WIDTH, 0.24 * sum(heights) + 0.3), layout="constrained")
    grid = drawing.subplots(len(shown), 1, squeeze=False, height_ratios=heights)
    for axes, (claim, own, part) in zip(grid[:, 0], shown, strict=True):
        _draw_claim(axes, claim, own, part)
    sentences = " ".join(text.describe_verdict(row) for _, _, part in shown for row in part)
    return Drawing(drawing, f"Differences with their intervals by data set. {sentences}")


def _draw_claim(axes: Axes, claim: Claim, own: Sequence[Row], part: Sequence[Row]) -> None:
    """The rows of one comparison, a data set each, under what is claimed and what it comes to."""
    first = part[0]
    factor = 100 if metrics.find(first["metric"]).share else 1
    verdict = verdict_of(claim, own)
    title = f"{text.describe_claim(first)}: {verdict}, {describe_across(claim, own)}"
    axes.set_title(title, loc="left", fontsize=SMALL, color=INK, wrap=True)
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
    names = [f"{row['dataset']}: {row['verdict']}" for row in part]
    axes.set_yticks(range(len(part)), names, fontsize=SMALL)
    axes.set_ylim(len(part) - 0.4, -0.6)
    unit = text.unit(first["metric"], difference=True).strip()
    label = metrics.find(first["metric"]).label
    axes.set_xlabel(f"Difference in {label}{f' ({unit})' if unit else ''}")
