"""Figures as SVG text that takes its colour and its font from the page around it, and as PDF."""

import io
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib import figure, ticker
from scipy import stats

from cnnjax import metrics
from cnnjax import study as study_lib
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


class Drawing(NamedTuple):
    """A figure, and in words what it shows."""

    figure: figure.Figure
    alt: str


def render_svg(drawing: Drawing) -> str:
    """The drawing as SVG text for a page."""
    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE):
        drawing.figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue().replace(INK, "currentColor")
    svg = svg[svg.index("<svg") :]
    label = drawing.alt.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def render_pdf(drawing: Drawing) -> bytes:
    """The drawing as PDF, the same bytes for the same data."""
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        drawing.figure.savefig(buffer, format="pdf", metadata={"CreationDate": None})
    return buffer.getvalue()


def draw_all(judgement: Judgement) -> dict[str, Drawing]:
    """Every figure of a study, by name."""
    with matplotlib.rc_context(STYLE):
        drawings = {"differences": draw_differences(judgement.verdicts)}
        if len(judgement.arms[0].records[0].metrics) > 1:
            drawings["curves"] = draw_curves(judgement)
        if "robustness" in judgement.arms[0].records[0].scores:
            drawings["robustness"] = draw_robustness(judgement.arms)
        if judgement.agreements:
            drawings["published"] = draw_published(judgement)
    return drawings


def draw_differences(verdicts: Sequence[dict[str, Any]]) -> Drawing:
    """Each paired difference as a dot with its interval and the band of its margin.

    A panel for each metric, since they have different units.
    """
    panels: dict[str, list[dict[str, Any]]] = {}
    for row in verdicts:
        panels.setdefault(row["metric"], []).append(row)
    lines = max(_label(row).count("\n") + 1 for row in verdicts)
    heights = [len(rows) + 2.8 / max(lines, 2) for rows in panels.values()]
    height = 0.3 + 0.2 * (max(lines, 2) + 0.4) * sum(heights)
    drawing = figure.Figure(figsize=(8.2, height), layout="constrained")
    grid = drawing.subplots(len(panels), 1, squeeze=False, height_ratios=heights)
    for axes, (metric, rows) in zip(grid[:, 0], panels.items(), strict=True):
        _draw_panel(axes, metric, rows)
    sentences = " ".join(text.describe_verdict(row) for row in verdicts)
    return Drawing(drawing, f"Paired differences with 95% intervals. {sentences}")


def _label(row: dict[str, Any]) -> str:
    return "\n".join(textwrap.fill(part, 46) for part in (row["a"], f"minus {row['b']}"))


def _draw_panel(axes: Any, metric: str, rows: Sequence[dict[str, Any]]) -> None:
    factor = 100 if metrics.find(metric).share else 1
    axes.axvline(0, color=INK, lw=0.8)
    for place, row in enumerate(rows):
        color, margin = VERDICT_COLORS[row["verdict"]], factor * row["margin"]
        axes.fill_betweenx([place - 0.42, place + 0.42], -margin, margin,
                           color=VERDICT_COLORS["equivalent"], alpha=0.13, lw=0)  # fmt: skip
        axes.plot([factor * bound for bound in row["interval"]], [place, place], color=color,
                  lw=2.4, solid_capstyle="round")  # fmt: skip
        axes.plot(factor * row["difference"], place, "o", color=color, ms=8)
    axes.set_yticks(range(len(rows)))
    axes.set_yticklabels([_label(row) for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"Difference of {metrics.find(metric).label}{_in_units(metric)}")


def _in_units(metric: str) -> str:
    unit = text.unit(metric, difference=True).strip()
    return f" ({unit})" if unit else ""


def draw_curves(judgement: Judgement) -> Drawing:
    """Validation accuracy over the steps: a panel a value of the first knob, a line an arm."""
    varied = study_lib.varied_knobs(judgement.study)
    panels: dict[str, list[Arm]] = {}
    for arm in judgement.arms:
        name = f"{varied[0]}={arm.overrides.get(varied[0], '')}" if len(varied) > 1 else ""
        panels.setdefault(name, []).append(arm)
    if all(len(arms) == 1 for arms in panels.values()):
        panels = {"": list(judgement.arms)}
    columns = min(len(panels), 4)
    lines = max(map(len, panels.values()))
    rows = -(-len(panels) // columns)
    size = (max(2.05 * columns, 7.2), (2.5 if lines <= 6 else 3.6) * rows + 0.3)
    drawing = figure.Figure(figsize=size, layout="constrained")
    grid = drawing.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, (name, arms) in zip(grid.flat, panels.items(), strict=False):
        axes.set_title(name, fontsize=9.5)
        for arm, color in zip(arms, pick_colors(len(arms)), strict=True):
            steps = [line["step"] for line in arm.records[0].metrics]
            curves = [[line["validation_accuracy"] for line in r.metrics] for r in arm.records]
            _draw_band(axes, steps, curves, color, arm.name.removeprefix(f"{name} "))
        axes.grid(alpha=0.2, lw=0.6)
    first = grid[0, 0]
    first.legend(fontsize=8 if lines <= 6 else 6.5, frameon=False, loc="best")
    first.yaxis.set_major_locator(ticker.MaxNLocator(6))
    first.xaxis.set_major_locator(ticker.MaxNLocator(4))
    drawing.supxlabel("Training step", fontsize=10)
    drawing.supylabel("Validation accuracy (%)", fontsize=10)
    finals = [arm.records[0].metrics[-1]["validation_accuracy"] for arm in judgement.arms]
    ends = ", ".join(
        f"{arm.name} {text.score(final, 'validation_accuracy')}%"
        for arm, final in zip(judgement.arms, finals, strict=True)
    )
    return Drawing(drawing, f"Learning curves by arm; the first seed ends at: {ends}.")


def pick_colors(count: int) -> list[Any]:
    """As many colours: told apart while they are few, in order where they are many."""
    if count <= len(LINE_COLORS):
        return list(LINE_COLORS[:count])
    return list(matplotlib.colormaps["viridis"](np.linspace(0.05, 0.9, count)))


def _draw_band(axes: Any, xs: Sequence[float], curves: Any, color: Any, label: str) -> None:
    """The mean over seeds [seeds, xs] in per cent, and the 95% t interval of that mean."""
    values = 100 * np.array(curves, np.float64)
    mean, count = values.mean(axis=0), len(values)
    half = stats.t.ppf(0.975, count - 1) * values.std(axis=0, ddof=1) / np.sqrt(count)
    axes.fill_between(xs, mean - half, mean + half, color=color, alpha=0.2, lw=0)
    axes.plot(xs, mean, color=color, lw=1.7, label=label)


STRENGTHS = {
    "gaussian": "standard deviations", "salt": "share", "pepper": "share", "dropped": "share",
    "blur": "pixels", "contrast": "share lost", "translation": "pixels", "rotation": "degrees",
    "scale": "share",
}  # fmt: skip


def draw_robustness(arms: Sequence[Arm]) -> Drawing:
    """Test accuracy against the strength of each corruption, a line an arm."""
    kinds = list(arms[0].records[0].scores["robustness"])
    columns = 3
    rows = -(-len(kinds) // columns)
    drawing = figure.Figure(figsize=(8.2, 2.3 * rows + 0.6), layout="constrained")
    grid = drawing.subplots(rows, columns, sharey=True, squeeze=False)
    for axes in grid.flat[len(kinds) :]:
        axes.set_visible(False)
    for axes, kind in zip(grid.flat, kinds, strict=False):
        for arm, color in zip(arms, pick_colors(len(arms)), strict=True):
            curves = [record.scores["robustness"][kind]["accuracy"] for record in arm.records]
            strengths = arm.records[0].scores["robustness"][kind]["strengths"]
            _draw_band(axes, strengths, curves, color, arm.name)
        axes.set_title(kind, fontsize=9.5)
        axes.set_xlabel(STRENGTHS[kind], fontsize=8.5)
        axes.grid(alpha=0.2, lw=0.6)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    drawing.supylabel("Test accuracy (%)", fontsize=10)

    def area(arm: Arm, kind: str) -> str:
        mean = np.mean([record.scores[f"auc_{kind}"] for record in arm.records])
        return f"{arm.name} {100 * mean:.1f}%"

    areas = "; ".join(f"{kind}: " + ", ".join(area(arm, kind) for arm in arms) for kind in kinds)
    return Drawing(drawing, f"Test accuracy against strength; mean accuracy over it: {areas}.")


def draw_published(judgement: Judgement) -> Drawing:
    """Our runs as dots, the prediction interval of one run as a bar, the published as a diamond."""
    metric: Callable = metrics.find(judgement.study.metric).read
    arms = {arm.name: arm for arm in judgement.arms}
    rows = judgement.agreements
    drawing = figure.Figure(figsize=(8.2, 0.8 + 0.5 * len(rows)), layout="constrained")
    axes = drawing.subplots()
    for place, row in enumerate(rows):
        scores = [100 * metric(record) for record in arms[row.arm].records]
        axes.plot([100 * row.low, 100 * row.high], [place, place], color=LINE_COLORS[0], lw=6,
                  alpha=0.3, solid_capstyle="butt")  # fmt: skip
        axes.plot(scores, [place] * len(scores), ".", color=LINE_COLORS[0], ms=5)
        color = VERDICT_COLORS["supported" if row.agrees else "refuted"]
        axes.plot(100 * row.published, place, "D", color=color, ms=8)
    axes.set_yticks(range(len(rows)))
    axes.set_yticklabels([row.arm.replace(" ", "\n", 1) for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel(f"{metrics.find(judgement.study.metric).label.capitalize()} (%)")
    sentences = " ".join(describe_agreement(row) for row in rows)
    return Drawing(drawing, f"Published figures beside our runs. {sentences}")


def describe_agreement(row: Any) -> str:
    """One sentence on a published figure."""
    lies = "lies in" if row.agrees else "lies outside"
    return (
        f"{row.arm}: published {100 * row.published:.0f}% {lies} the 95% prediction interval for"
        f" one run, {100 * row.low:.1f} to {100 * row.high:.1f}% (mean {100 * row.mean:.1f}%)."
    )
