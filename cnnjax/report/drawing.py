"""What all figures share: style, colours and lines, and a file of them as SVG or PDF.

SVG takes its colour and its font from the page around it.
"""

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib import figure
from matplotlib.axes import Axes
from matplotlib.typing import ColorType
from numpy.typing import ArrayLike

from cnnjax.study import distributions

WIDTH = 4.4  # inches: narrow, so that words can be read on a telephone
SMALL = 9  # points
INK = "#010203"  # stands for the page's own text colour, put in its place at the end
VERDICT_COLORS = {
    "supported": "#2e9e6b",
    "refuted": "#d1495b",
    "equivalent": "#3b7dd8",
    "inconclusive": "#8a8f98",
    "depends": "#3b7dd8",
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
    "text.parse_math": False,  # a name may have dollars
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


def add_legend(drawing: figure.Figure, grid: np.ndarray) -> None:
    """One legend below all panels, each label once."""
    found = {}
    for axes in grid.flat:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    columns = 2 if max(map(len, found), default=0) <= 28 else 1
    drawing.legend(
        found.values(), found, loc="outside lower center", ncols=columns, fontsize=SMALL,
        frameon=False,
    )  # fmt: skip


def pick_colors(count: int) -> list[ColorType]:
    """As many colours: told apart while they are few, in order where they are many."""
    if count <= len(LINE_COLORS):
        return list(LINE_COLORS[:count])
    return list(matplotlib.colormaps["viridis"](np.linspace(0.05, 0.9, count)))


def draw_band(
    axes: Axes, xs: Sequence[float], curves: ArrayLike, color: ColorType, label: str
) -> None:
    """The mean over seeds [seeds, xs] in per cent, and the 95% t interval of that mean.

    No share lies outside 0 to 100%, and so no band.
    """
    values = 100 * np.array(curves, np.float64)
    mean, count = values.mean(axis=0), len(values)
    if count > 1:
        half = distributions.t_isf(0.025, count - 1) * values.std(axis=0, ddof=1) / np.sqrt(count)
        low, high = np.clip([mean - half, mean + half], 0, 100)
        axes.fill_between(xs, low, high, color=color, alpha=0.2, lw=0)
    axes.plot(xs, mean, color=color, lw=1.7, label=label)
