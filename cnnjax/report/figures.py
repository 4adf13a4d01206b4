"""Figures as SVG text that takes its colour and its font from the page around it."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib import figure, ticker
from scipy import stats

from cnnjax.judge import Arm, Judgement
from cnnjax.report import text

INK = "#010203"  # stands for the page's own text colour, put in its place at the end
VERDICT_COLORS = {
    "supported": "#2e9e6b",
    "refuted": "#d1495b",
    "equivalent": "#3b7dd8",
    "inconclusive": "#8a8f98",
}
LINE_COLORS = ("#3b7dd8", "#e08a2c", "#2e9e6b", "#b65fc9", "#d1495b", "#8a8f98")
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "cnnjax",  # the same data give the same file
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 10,
}


def render(drawing: figure.Figure, alt: str) -> str:
    """The drawing as SVG text for a page; `alt` says what it shows."""
    buffer = io.StringIO()
    drawing.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue().replace(INK, "currentColor")
    svg = svg[svg.index("<svg") :]
    label = alt.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def draw_differences(verdicts: Sequence[dict[str, Any]]) -> str:
    """Each paired difference as a dot with its interval, on the band of the margin."""
    with matplotlib.rc_context(STYLE):
        drawing = figure.Figure(figsize=(8.2, 0.9 + 0.52 * len(verdicts)), layout="constrained")
        axes = drawing.subplots()
        margin = 100 * verdicts[0]["margin"]
        axes.axvspan(-margin, margin, color=VERDICT_COLORS["equivalent"], alpha=0.13, lw=0)
        axes.axvline(0, color=INK, lw=0.8)
        for row, verdict in enumerate(verdicts):
            color = VERDICT_COLORS[verdict["verdict"]]
            low, high = (100 * bound for bound in verdict["interval"])
            axes.plot([low, high], [row, row], color=color, lw=2.4, solid_capstyle="round")
            axes.plot(100 * verdict["difference"], row, "o", color=color, ms=8)
        axes.set_yticks(range(len(verdicts)))
        axes.set_yticklabels([f"{v['a']}\nminus {v['b']}" for v in verdicts], fontsize=8.5)
        axes.invert_yaxis()
        axes.margins(y=0.12 if len(verdicts) > 3 else 0.3)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(f"Difference of test accuracy in points (band: within ±{margin:g})")
        sentences = " ".join(text.describe_verdict(verdict) for verdict in verdicts)
        return render(drawing, f"Paired differences with 95% intervals. {sentences}")


def draw_curves(judgement: Judgement) -> str:
    """Validation accuracy over the steps: a panel a value of the first knob, a line an arm."""
    knob = next(iter(judgement.study.grid))
    panels: dict[str, list[Arm]] = {}
    for arm in judgement.arms:
        panels.setdefault(str(arm.overrides[knob]), []).append(arm)
    if len(judgement.study.grid) == 1:
        panels = {"": list(judgement.arms)}
    columns = min(len(panels), 4)
    rows = -(-len(panels) // columns)
    with matplotlib.rc_context(STYLE):
        size = (max(2.05 * columns, 6.2), 2.5 * rows + 0.3)
        drawing = figure.Figure(figsize=size, layout="constrained")
        grid = drawing.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for axes, (value, arms) in zip(grid.flat, panels.items(), strict=False):
            axes.set_title(f"{knob}={value}" if value else "", fontsize=9.5)
            for arm, color in zip(arms, LINE_COLORS * len(arms), strict=False):
                _draw_curve(axes, arm, color, label=arm.name.removeprefix(f"{knob}={value} "))
            axes.grid(alpha=0.2, lw=0.6)
        grid[0, 0].legend(fontsize=8, frameon=False, loc="lower right")
        grid[0, 0].yaxis.set_major_locator(ticker.MaxNLocator(6))
        grid[0, 0].xaxis.set_major_locator(ticker.MaxNLocator(4))
        drawing.supxlabel("Training step", fontsize=10)
        drawing.supylabel("Validation accuracy (%)", fontsize=10)
        finals = ", ".join(
            f"{arm.name} {text.percent(arm.records[0].metrics[-1]['validation_accuracy'])}%"
            for arm in judgement.arms
        )
        return render(drawing, f"Learning curves by arm; the first seed ends at: {finals}.")


def _draw_curve(axes: Any, arm: Arm, color: str, label: str) -> None:
    steps = [line["step"] for line in arm.records[0].metrics]
    curves = 100 * np.array(
        [[line["validation_accuracy"] for line in record.metrics] for record in arm.records]
    )
    mean, count = curves.mean(axis=0), len(curves)
    half = stats.t.ppf(0.975, count - 1) * curves.std(axis=0, ddof=1) / np.sqrt(count)
    axes.fill_between(steps, mean - half, mean + half, color=color, alpha=0.2, lw=0)
    axes.plot(steps, mean, color=color, lw=1.7, label=label)
