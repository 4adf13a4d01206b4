"""The figures of a search: its best score by budget, and its scores by one knob at a time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import figure, ticker
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from cnnjax.config.knobs import format_value
from cnnjax.report import text
from cnnjax.report.drawing import LINE_COLORS, SMALL, VERDICT_COLORS, WIDTH, Drawing
from cnnjax.report.searched import name_setting
from cnnjax.study import budget, metrics
from cnnjax.study.trials import Searched, Tried

BLUE, RING, GREY = LINE_COLORS[0], LINE_COLORS[1], LINE_COLORS[-1]
MOST = 128  # trials of a panel: of more, as many from all over the search
COLUMNS = 2
GOLDEN = 0.618034  # turns of which spread evenly: where points of a category stand beside it


def draw_searches(searches: Sequence[Searched]) -> dict[str, Drawing]:
    """Two figures a search, by name; none of one in which every trial failed."""
    drawings = {}
    for place, own in enumerate(searches, 1):
        if curve := budget.find_curve(own):
            drawings[f"budget-{place}"] = draw_budget(own, curve)
        if any(np.isfinite(trial.score) for trial in own.trials):
            drawings[f"slices-{place}"] = draw_slices(own)
    return drawings


def _scale(searched: Searched) -> float:
    return 100 if metrics.find(searched.metric).share else 1


def _label(searched: Searched) -> str:
    unit = text.unit(searched.metric).strip()
    return metrics.find(searched.metric).label.capitalize() + (f" ({unit})" if unit else "")


def draw_budget(searched: Searched, curve: budget.Curve) -> Drawing:
    """The best score expected of so many trials, with a band; or the best as it came, by steps."""
    drawing = figure.Figure(figsize=(WIDTH, 2.3), layout="constrained")
    axes, scale = drawing.subplots(), _scale(searched)
    if curve.is_expected:
        axes.fill_between(curve.trials, scale * curve.low, scale * curve.high, color=BLUE,
                          alpha=0.2, lw=0)  # fmt: skip
        axes.plot(curve.trials, scale * curve.best, color=BLUE, lw=1.7)
        axes.xaxis.set_major_locator(ticker.MaxNLocator(6, integer=True))
        axes.set_xlabel("Trials")
        what = "Expected best validation score of"
    else:
        axes.plot(curve.steps, scale * curve.best, color=BLUE, lw=1.7, drawstyle="steps-post")
        axes.xaxis.set_major_locator(ticker.MaxNLocator(4))
        axes.set_xlabel("Optimiser steps of all trials")
        what = "Best validation score so far after"
    axes.yaxis.set_major_locator(ticker.MaxNLocator(5))
    axes.set_ylabel(_label(searched), fontsize=SMALL)
    axes.grid(alpha=0.2, lw=0.6)
    shown = sorted({0, len(curve.trials) // 2, len(curve.trials) - 1})
    said = ", ".join(
        f"{curve.trials[own]:,} trials {text.measure(curve.best[own], searched.metric)}"
        for own in shown
    )
    return Drawing(drawing, f"{what} {said}.")


def draw_slices(searched: Searched) -> Drawing:
    """A panel a knob: the score of each trial against its value, the chosen one ringed."""
    knobs = list(searched.space)
    rows = -(-len(knobs) // COLUMNS)
    drawing = figure.Figure(figsize=(WIDTH, 1.6 * rows + 0.1), layout="constrained")
    grid = drawing.subplots(rows, COLUMNS, sharey=True, squeeze=False)
    trials, chosen = _thin(searched), searched.winner
    scale = _scale(searched)
    scores = np.array([scale * trial.score for trial in searched.trials])
    low, high = np.nanmin(scores), np.nanmax(scores)
    room = (high - low) or 1.0
    grid[0, 0].set_ylim(low - 0.14 * room, high + 0.08 * room)
    grid[0, 0].yaxis.set_major_locator(ticker.MaxNLocator(4))
    for axes in grid.flat[len(knobs) :]:
        axes.set_visible(False)
    for axes, knob in zip(grid.flat, knobs, strict=False):
        axis = searched.space[knob]
        _set_axis(axes, knob, axis)
        xs = np.array([_place(own, knob, axis) for own in trials])
        ys = np.array([scale * own.score for own in trials])
        failed, whole = ~np.isfinite(ys), np.array([own.whole for own in trials])
        _draw_dots(axes, xs[whole], ys[whole], BLUE, room)
        _draw_dots(axes, xs[~whole], ys[~whole], GREY, room)
        foot = np.full(int(failed.sum()), low - 0.09 * room)
        _draw_dots(axes, xs[failed], foot, VERDICT_COLORS["refuted"], room)
        if chosen:
            axes.plot(_place(chosen, knob, axis), scale * chosen.score, "o", ms=9, mfc="none",
                      mec=RING, mew=1.8)  # fmt: skip
    drawing.supylabel(_label(searched), fontsize=SMALL)
    said = "none is chosen"
    if chosen:
        score = text.measure(chosen.score, searched.metric)
        said = f"chosen is {name_setting(chosen.setting)}: {score}"
    return Drawing(drawing, f"Scores of {len(trials)} trials by each knob; {said}.")


def _thin(searched: Searched) -> list[Tried]:
    """The trials, of very many some from all over the search."""
    count = len(searched.trials)
    if count <= MOST:
        return list(searched.trials)
    return [searched.trials[place] for place in np.linspace(0, count - 1, MOST).astype(int)]


def _place(trial: Tried, knob: str, axis: Any) -> float:
    """Where a trial stands on the axis of a knob; those of one choice stand side by side.

    NaN where it has no value there.
    """
    value = trial.setting.get(knob)
    if value is None or (axis.choices and value not in axis.choices):
        return float("nan")
    if not axis.choices:
        return float(value)
    aside = (trial.number * GOLDEN) % 1 - 0.5
    return list(axis.choices).index(value) + 0.5 * aside


def _draw_dots(axes: Axes, xs: ArrayLike, ys: ArrayLike, color: str, room: float) -> None:
    """Dots as one path of short strokes with round ends: a mark each takes twice the bytes."""
    x, y = np.asarray(xs, float), np.asarray(ys, float)
    none, half = np.full(len(x), np.nan), 0.004 * room
    strokes = (
        np.stack([x, x, none], axis=1).ravel(),
        np.stack([y - half, y + half, none], 1).ravel(),
    )
    axes.plot(*strokes, color=color, lw=3.2, alpha=0.65, solid_capstyle="round")


def _set_axis(axes: Axes, knob: str, axis: Any) -> None:
    axes.set_xlabel(knob, fontsize=SMALL)
    axes.tick_params(labelsize=SMALL)
    axes.grid(alpha=0.2, lw=0.6)
    if axis.choices:
        names = [format_value(own) for own in axis.choices]
        slant = 30 if sum(map(len, names)) > 18 else 0
        axes.set_xticks(range(len(names)), names, rotation=slant, ha="right" if slant else "center")
        axes.set_xlim(-0.6, len(names) - 0.4)
    elif axis.is_log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(ticker.LogLocator(numticks=4))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_locator(ticker.NullLocator())
    else:
        axes.xaxis.set_major_locator(ticker.MaxNLocator(3))
