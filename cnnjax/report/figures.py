"""The figures of a report, each with what it shows in words."""

import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib import figure, ticker
from matplotlib.axes import Axes

from cnnjax.config import register
from cnnjax.config.knobs import format_value
from cnnjax.records.record import Record
from cnnjax.report import scope, slices, text
from cnnjax.report.drawing import (
    INK,
    LINE_COLORS,
    SMALL,
    STYLE,
    VERDICT_COLORS,
    WIDTH,
    Drawing,
    add_legend,
    draw_band,
    pick_colors,
)
from cnnjax.report.forest import draw_forest
from cnnjax.study import claims, metrics
from cnnjax.study.judge import Judgement
from cnnjax.study.summary import Arm


def draw_all(judgement: Judgement) -> dict[str, Drawing]:
    """Every figure of a study, by name."""
    with matplotlib.rc_context(STYLE):
        several = judgement.study.datasets
        rows = [
            {**row, "a": scope.name_dataset(row, several) + row["a"]} for row in judgement.verdicts
        ]
        drawings = {"differences": draw_differences(rows)}
        if found := draw_forest(judgement):
            drawings["forest"] = found
        curved = [arm for arm in judgement.arms if any(len(r.metrics) > 1 for r in arm.records)]
        if curved:
            drawings["curves"] = draw_curves(claims.varied_knobs(judgement.study), curved)
        tried = [arm for arm in judgement.arms if _find_robustness(arm)]
        if tried:
            drawings["robustness"] = draw_robustness(tried)
        if judgement.agreements:
            drawings["published"] = draw_published(judgement)
        drawings |= slices.draw_searches(judgement.searched)
    return drawings


def draw_differences(verdicts: Sequence[dict[str, Any]]) -> Drawing:
    """Each paired difference with its interval, the band of its margin and a point a seed.

    A panel for each metric, since they have different units; what is compared stands above
    each.
    """
    panels: dict[str, list[dict[str, Any]]] = {}
    for row in verdicts:
        panels.setdefault(row["metric"], []).append(row)
    heights = [sum(map(_count_lines, rows)) + 3 for rows in panels.values()]
    drawing = figure.Figure(figsize=(WIDTH, 0.17 * sum(heights) + 0.2), layout="constrained")
    grid = drawing.subplots(len(panels), 1, squeeze=False, height_ratios=heights)
    for axes, (metric, rows) in zip(grid[:, 0], panels.items(), strict=True):
        _draw_panel(axes, metric, rows)
    sentences = " ".join(text.describe_verdict(row) for row in verdicts)
    return Drawing(drawing, f"Paired differences with their intervals. {sentences}")


def _label(row: dict[str, Any]) -> str:
    if text.is_value(row):
        border = text.score(row["threshold"], row["metric"])
        return textwrap.fill(f"{row['a']} (against {border})", 54)
    return textwrap.fill(f"{row['a']} − {row['b']}", 54)


def _count_lines(row: dict[str, Any]) -> float:
    """The height of a row of the figure: its label, then its interval."""
    return _label(row).count("\n") + 1 + 1.6


def _draw_panel(axes: Axes, metric: str, rows: Sequence[dict[str, Any]]) -> None:
    factor = 100 if metrics.find(metric).share else 1
    top = 0.0
    for row in rows:
        color, margin = VERDICT_COLORS[row["verdict"]], factor * row["margin"]
        place = top + _count_lines(row) - 0.9
        axes.text(0, top, _label(row), transform=axes.get_yaxis_transform(), va="top",
                  fontsize=SMALL)  # fmt: skip
        top += _count_lines(row)
        # The zero of each row alone: a line through all of them would cross the labels.
        axes.plot([0, 0], [place - 0.6, place + 0.6], color=INK, lw=0.8)
        _mark_border(axes, row, factor, place)
        if row["threshold"] is None:
            axes.fill_betweenx([place - 0.5, place + 0.5], -margin, margin,
                               color=VERDICT_COLORS["equivalent"], alpha=0.13, lw=0)  # fmt: skip
        points = [factor * d for d in row["differences"]]
        axes.plot(points, [place + 0.4] * len(points), "|", color=color, ms=5, alpha=0.7)
        if text.is_known(row["interval"][0]):
            axes.plot([factor * bound for bound in row["interval"]], [place, place], color=color,
                      lw=2.4, solid_capstyle="round")  # fmt: skip
        if text.is_known(row["difference"]):
            axes.plot(factor * row["difference"], place, "o", color=color, ms=7)
    axes.set_yticks([])
    axes.set_ylim(top, -0.3)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"Difference in {metrics.find(metric).label}{_in_units(metric)}")


def _mark_border(axes: Axes, row: dict[str, Any], factor: float, place: float) -> None:
    """A short line at the threshold that a claim names."""
    if row["threshold"]:
        border = factor * row["threshold"]
        axes.plot([border, border], [place - 0.5, place + 0.5], color=INK, lw=1, ls=":")


def _in_units(metric: str) -> str:
    unit = text.unit(metric, difference=True).strip()
    return f" ({unit})" if unit else ""


def draw_curves(varied: Sequence[str], arms: Sequence[Arm]) -> Drawing:
    """Validation accuracy over the steps: a panel a value of the first knob, a line an arm."""
    panels: dict[str, list[Arm]] = {}
    for arm in arms:
        name = f"{varied[0]}={format_value(arm.overrides.get(varied[0], ''))}"
        panels.setdefault(name if len(varied) > 1 else "", []).append(arm)
    if all(len(own) == 1 for own in panels.values()):
        panels = {"": list(arms)}
    names = {
        arm.name: arm.name.removeprefix(f"{name} ") for name, own in panels.items() for arm in own
    }
    labels = list(dict.fromkeys(names.values()))
    colors = dict(zip(labels, pick_colors(len(labels)), strict=True))
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    height = 2.3 * rows + 0.2 * len(labels) + 0.4
    drawing = figure.Figure(figsize=(WIDTH, height), layout="constrained")
    grid = drawing.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, (name, own) in zip(grid.flat, panels.items(), strict=False):
        axes.set_title(name, fontsize=SMALL)
        for arm in own:
            longest = max((record.metrics for record in arm.records), key=len)
            steps = [line["step"] for line in longest]
            curves = [_follow(record, len(steps)) for record in arm.records]
            draw_band(axes, steps, curves, colors[names[arm.name]], names[arm.name])
        axes.grid(alpha=0.2, lw=0.6)
    grid[0, 0].yaxis.set_major_locator(ticker.MaxNLocator(6))
    grid[0, 0].xaxis.set_major_locator(ticker.MaxNLocator(4))
    add_legend(drawing, grid)
    for axes in grid[-1]:
        axes.set_xlabel("Training step", fontsize=SMALL)
    drawing.supylabel("Validation accuracy (%)", fontsize=10)
    finals = [arm.records[0].metrics[-1]["validation_accuracy"] for arm in arms]
    ends = ", ".join(
        f"{arm.name} {text.score(final, 'test_accuracy')}%"
        for arm, final in zip(arms, finals, strict=True)
    )
    return Drawing(drawing, f"Learning curves by arm; the first seed ends at: {ends}.")


def _follow(record: Record, number: int) -> list[Any]:
    """A run's accuracy at so many evaluations: where it ended before, its best from there on."""
    found = [line["validation_accuracy"] for line in record.metrics]
    best = max((own for own in found if own is not None), default=None)
    return found + [best] * (number - len(found))


def _find_robustness(arm: Arm) -> list[dict[str, Any]]:
    """What each run that was tested on corrupted images, and did not fail, scored there."""
    found = [record.scores.get("robustness") for record in arm.records]
    return [own for own in found if own]


def draw_robustness(arms: Sequence[Arm]) -> Drawing:
    """Test accuracy against the strength of each corruption, a line an arm.

    Takes arms that were tested so; the kinds may be others for images of another size.
    """
    found = {arm.name: _find_robustness(arm) for arm in arms}
    kinds = list(dict.fromkeys(kind for own in found.values() for kind in own[0]))
    columns = 2
    rows = -(-len(kinds) // columns)
    height = 2 * rows + 0.2 * len(arms) + 0.3
    drawing = figure.Figure(figsize=(WIDTH, height), layout="constrained")
    grid = drawing.subplots(rows, columns, sharey=True, squeeze=False)
    for axes in grid.flat[len(kinds) :]:
        axes.set_visible(False)
    areas = []
    for axes, kind in zip(grid.flat, kinds, strict=False):
        for (name, runs), color in zip(found.items(), pick_colors(len(arms)), strict=True):
            own = [run[kind] for run in runs if kind in run]
            if own:
                strengths = max((run["strengths"] for run in own), key=len)
                accuracies = [
                    run["accuracy"] for run in own if len(run["accuracy"]) == len(strengths)
                ]
                draw_band(axes, strengths, accuracies, color, name or "all")
                areas.append(f"{kind}, {name or 'all'}: {100 * np.mean(accuracies):.1f}%")
        axes.set_title(kind, fontsize=SMALL)
        axes.set_xlabel(register.read_trait("corruption", kind, "unit", ""), fontsize=SMALL)
        axes.grid(alpha=0.2, lw=0.6)
    add_legend(drawing, grid)
    drawing.supylabel("Test accuracy (%)", fontsize=10)
    return Drawing(
        drawing, f"Test accuracy against strength; its mean over strengths: {'; '.join(areas)}."
    )


def draw_published(judgement: Judgement) -> Drawing:
    """Our runs as dots, the prediction interval of one run as a bar, the published as a diamond."""
    metric: Callable = metrics.find(judgement.study.metric).read
    arms = {arm.name: arm for arm in judgement.arms}
    rows = judgement.agreements
    drawing = figure.Figure(figsize=(WIDTH, 0.8 + 0.5 * len(rows)), layout="constrained")
    axes = drawing.subplots()
    for place, row in enumerate(rows):
        scores = [100 * metric(record) for record in arms[row.arm].records]
        axes.plot([100 * row.low, 100 * row.high], [place, place], color=LINE_COLORS[0], lw=6,
                  alpha=0.3, solid_capstyle="butt")  # fmt: skip
        axes.plot(scores, [place] * len(scores), ".", color=LINE_COLORS[0], ms=5)
        color = VERDICT_COLORS["supported" if row.agrees else "refuted"]
        axes.plot(100 * row.published, place, "D", color=color, ms=8)
    axes.set_yticks(range(len(rows)))
    axes.set_yticklabels([row.arm.replace(" ", "\n", 1) for row in rows], fontsize=SMALL)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel(f"{metrics.find(judgement.study.metric).label} (%)")
    sentences = " ".join(scope.describe_agreement(row) for row in rows)
    return Drawing(drawing, f"Published figures beside our runs. {sentences}")
