"""What a network learned, drawn: kernels, maps, saliency, receptive fields, probes, likeness."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib import figure
from matplotlib.axes import Axes

from cnnjax.config import words
from cnnjax.data.pictures import Shown
from cnnjax.report import text
from cnnjax.report.drawing import LINE_COLORS, SMALL, STYLE, WIDTH, Drawing
from cnnjax.report.thumbnails import to_bytes
from cnnjax.study import metrics

COLUMNS = 8  # of kernels
MOST = 64  # kernels that are drawn
FEW = 16  # names on an axis
TITLES = {
    "saliency_gradient": "gradient", "saliency_integrated": "integrated gradients",
    "saliency_grad_cam": "Grad-CAM",
}  # fmt: skip


class Section(NamedTuple):
    """A part of the page."""

    title: str
    says: str  # what is seen, where it comes from and what it does not say
    drawings: Sequence[Drawing] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()  # a table


def describe_filters(kernels: np.ndarray, scores: Mapping[str, np.ndarray]) -> Section:
    """Kernels [h, w, channels, n] of the first layer, with what each is like by metric [n]."""
    channels, number = kernels.shape[2:]
    tiles = np.moveaxis(kernels, -1, 0)[:MOST]
    largest = float(np.abs(kernels).max()) or 1.0
    coloured = channels == 3
    if coloured:
        tiles, scale = 0.5 + tiles / (2 * largest), {}
    else:
        tiles = tiles[..., 0] if channels == 1 else tiles.mean(axis=-1)
        scale = {"cmap": "gray", "vmin": -largest, "vmax": largest}
    said = "Colours are weights by channel" if coloured else "Black to white are weights"
    if channels not in (1, 3):
        said = f"Black to white are weights averaged over {channels} channels"
    rows = [(metrics.find(name).label, text.measure(float(np.mean(own)), name))
            for name, own in scores.items()]  # fmt: skip
    cut = f" The first {MOST} of {number}." if number > MOST else ""
    return Section(
        "Kernels of the first layer",
        f"{words.count(number, 'kernel')} of {kernels.shape[0]}x{kernels.shape[1]}. {said},"
        f" {-largest:.3g} to {largest:.3g}.{cut} Of smooth noise too a Gabor function explains"
        " much; the orientation of a kernel says more.",
        [_draw_tiles(tiles, scale)], ["mean over kernels", ""], rows,
    )  # fmt: skip


def lay_tiles(tiles: np.ndarray) -> np.ndarray:
    """Tiles [n, h, w] or [n, h, w, 3] in rows of eight, a cell apart, as one picture."""
    number, height, width, *rest = tiles.shape
    rows = -(-number // COLUMNS)
    columns = min(number, COLUMNS)
    empty = 1.0 if rest else np.nan
    whole = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1, *rest), empty)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, COLUMNS)
        top, left = row * (height + 1), column * (width + 1)
        whole[top : top + height, left : left + width] = tile
    return whole


def _draw_tiles(tiles: np.ndarray, scale: Mapping[str, Any]) -> Drawing:
    with matplotlib.rc_context(STYLE):
        picture = lay_tiles(tiles)
        drawing = figure.Figure(
            figsize=(WIDTH, WIDTH * picture.shape[0] / picture.shape[1]), layout="constrained"
        )
        axes = drawing.subplots()
        axes.imshow(picture, **scale)
        axes.set_axis_off()
    return Drawing(drawing, f"{words.count(len(tiles), 'kernel')}, side by side.")


def describe_maps(shown: Sequence[Shown], active: Mapping[str, float]) -> Section:
    """The maps of each image, a row a layer, and the share of units that answers by layer."""
    drawings = [_draw_stack(own) for own in shown]
    rows = [(name, f"{100 * share:.1f}%") for name, share in active.items()]
    return Section(
        "What the layers answer",
        "The channels of each layer whose cells differ most, each layer from its least (black) to"
        " its largest answer (white); layers without maps are a row of units. The table has the"
        " share of units that are not 0 for an image, on average over validation images.",
        drawings, ["layer", "active"] if rows else [], rows,
    )  # fmt: skip


def describe_saliency(
    shown: Sequence[Shown], scores: Mapping[str, float], cascade: Mapping[str, Sequence[float]],
    layers: Sequence[str],
) -> Section:  # fmt: skip
    """Explanations of answers, and how like they stay as layers are drawn anew."""
    drawings = [_draw_rows(shown)]
    if layers:
        drawings.append(_draw_cascade(cascade, layers))
    rows = [(TITLES[name], f"{scores[name]:+.2f}") for name in TITLES if name in scores]
    missed = scores.get("saliency_completeness", 0.0)
    return Section(
        "What answers rest on",
        "Which pixels the logit of the answer rests on, of each image from least (black) to most"
        " (white); of integrated gradients absolute values. An explanation that looks the same when"
        " weights are drawn anew explains the image and not the network (Adebayo et al. 2018): the"
        " table has the rank correlation with the same network, all its weights drawn anew, on"
        f" average over these {words.count(len(shown), 'image')}; the curve that with its layers"
        " drawn anew from the last one down. Integrated gradients miss the difference of logits by"
        f" {100 * missed:.2g}%.",
        drawings, ["explanation", "likeness to drawn weights"], rows,
    )  # fmt: skip


def _draw_rows(shown: Sequence[Shown]) -> Drawing:
    """Images in a column, each with its explanations beside it."""
    names = [name for name in TITLES if name in shown[0].pictures]
    side = WIDTH / (1 + len(names))
    with matplotlib.rc_context(STYLE):
        drawing = figure.Figure(figsize=(WIDTH, 1.25 * side * len(shown)), layout="constrained")
        grid = drawing.subplots(len(shown), 1 + len(names), squeeze=False)
        for row, own in zip(grid, shown, strict=True):
            _draw_image(row[0], own)
            for axes, name in zip(row[1:], names, strict=True):
                _draw_picture(axes, np.abs(own.pictures[name]))
        for axes, name in zip(grid[0, 1:], names, strict=True):
            axes.set_title(TITLES[name], fontsize=SMALL)
    what = words.count(len(shown), "test image")
    return Drawing(drawing, f"{what}, each with {', '.join(TITLES[own] for own in names)}.")


def _draw_stack(own: Shown) -> Drawing:
    """An image with the maps of each layer below it."""
    layers = own.pictures
    heights = [1.0, *(max(WIDTH * 0.75 * len(each) / each.shape[1], 0.12)
                      for each in layers.values())]  # fmt: skip
    with matplotlib.rc_context(STYLE):
        drawing = figure.Figure(figsize=(WIDTH, sum(heights) + 0.2 * len(heights)),
                                layout="constrained")  # fmt: skip
        grid = drawing.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
        _draw_image(grid[0], own)
        for axes, (name, picture) in zip(grid[1:], layers.items(), strict=True):
            _draw_picture(axes, picture)
            axes.set_title(name, fontsize=SMALL, loc="left", pad=2)
    return Drawing(drawing, f"Test image {own.place} and what {', '.join(layers)} answer.")


def _draw_picture(axes: Axes, picture: np.ndarray, **scale: Any) -> None:
    """A picture [H, W] from black to white, or in colour [H, W, 3]; one row fills its place."""
    axes.imshow(picture, cmap="gray", interpolation="nearest",
                aspect="auto" if 1 in picture.shape[:2] else "equal", **scale)  # fmt: skip
    axes.set_axis_off()


def _draw_image(axes: Axes, own: Shown) -> None:
    """The image with what it is, and what it is taken for."""
    pixels = to_bytes(own.image)
    _draw_picture(axes, pixels if pixels.shape[-1] == 3 else pixels.mean(axis=-1))
    taken = "" if own.label == own.answer else f", taken for {own.answer}"
    axes.set_title(f"{own.place}: {own.label}{taken}", fontsize=SMALL - 1, pad=2)


def _draw_cascade(cascade: Mapping[str, Sequence[float]], layers: Sequence[str]) -> Drawing:
    with matplotlib.rc_context(STYLE):
        drawing = figure.Figure(figsize=(WIDTH, 2.4), layout="constrained")
        axes = drawing.subplots()
        steps = range(len(layers) + 1)
        for color, (name, values) in zip(LINE_COLORS, cascade.items(), strict=False):
            axes.plot(steps, [1.0, *values], color=color, marker=".", label=TITLES[name])
        axes.set_xticks(
            list(steps), ["trained", *thin(layers)], rotation=60, ha="right", fontsize=SMALL - 1
        )
        axes.set_ylabel("likeness", fontsize=SMALL)
        axes.axhline(0, color=LINE_COLORS[-1], lw=0.6)
        axes.legend(fontsize=SMALL - 1, frameon=False)
    ends = ", ".join(f"{TITLES[name]} {values[-1]:+.2f}" for name, values in cascade.items())
    return Drawing(drawing, f"Likeness as layers are drawn anew from the last down to {ends}.")


def thin(names: Iterable[str]) -> list[str]:
    """Names for an axis, of many no more than can be read."""
    every = -(-len(own := [*names]) // FEW)
    return [name if place % every == 0 else "" for place, name in enumerate(own)]


def describe_field(weights: np.ndarray, side: float, most: float) -> Section:
    """How much each pixel [H, W] weighs in the middle of the last map."""
    with matplotlib.rc_context(STYLE):
        drawing = figure.Figure(figsize=(WIDTH / 2, WIDTH / 2), layout="constrained")
        axes = drawing.subplots()
        _draw_picture(axes, weights, vmin=0)
    return Section(
        "What a cell of the last map sees",
        "How much each pixel weighs in the cell in the middle of the last map (black for nothing),"
        " on average over test images: gradients, absolute values. Pixels of more than 4.55% of the"
        f" largest weight make a square of {side:.1f} pixels (Luo et al. 2016), of {most:.4g} that"
        " could weigh in the image.",
        [Drawing(drawing, f"Weights of pixels; their field is {side:.1f} pixels wide.")],
    )  # fmt: skip


def describe_probes(scores: Mapping[str, Any], classes: int, counts: tuple[int, int]) -> Section:
    """How well the class, and parts where it has any, are read off each layer.

    `counts` are of the validation and test images.
    """
    whole, parts = scores["probe_by_layer"], scores.get("probe_parts_by_layer", {})
    with matplotlib.rc_context(STYLE):
        drawing = figure.Figure(figsize=(WIDTH, 2.4), layout="constrained")
        axes = drawing.subplots()
        for color, (label, own) in zip(LINE_COLORS, (("class", whole), ("parts", parts)),
                                       strict=False):  # fmt: skip
            if own:
                axes.plot(range(len(own)), [100 * value for value in own.values()], color=color,
                          marker=".", label=label)  # fmt: skip
        axes.axhline(100 / classes, color=LINE_COLORS[-1], lw=0.8, ls=":", label="chance")
        axes.set_xticks(range(len(whole)), thin(whole), rotation=60, ha="right", fontsize=SMALL - 1)
        axes.set_ylim(0, 102)
        axes.set_ylabel("read off (%)", fontsize=SMALL)
        axes.legend(fontsize=SMALL - 1, frameon=False)
    rows = [
        (name, f"{100 * value:.1f}%", *([f"{100 * parts[name]:.1f}%"] if parts else []))
        for name, value in whole.items()
    ]
    return Section(
        "What is read off each layer",
        f"The share of {counts[1]:,} test images whose class a ridge regression reads off what a"
        f" layer says, fitted to {counts[0]:,} validation images: of a map the largest and the mean"
        " answer of each channel."
        + (" So few of a class are hardly more than noise." if counts[0] < 10 * classes else "")
        + (" Parts: answers, whether an image has one, that are right." if parts else ""),
        [Drawing(drawing, "Share that is read off each layer.")],
        ["layer", "class", *(["parts"] if parts else [])], rows,
    )  # fmt: skip


def describe_similarity(
    names: tuple[str, str], rows: Sequence[str], columns: Sequence[str], values: np.ndarray
) -> Section:
    """How alike layers of two runs, or of one, see the same images [rows, columns]."""
    same = names[0] == names[1]
    with matplotlib.rc_context(STYLE):
        height = min(WIDTH, 0.6 + 0.35 * len(rows))
        drawing = figure.Figure(figsize=(WIDTH, height + 0.6), layout="constrained")
        axes = drawing.subplots()
        picture = axes.imshow(values, cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
        axes.set_xticks(
            range(len(columns)), thin(columns), rotation=60, ha="right", fontsize=SMALL - 1
        )
        axes.set_yticks(range(len(rows)), thin(rows), fontsize=SMALL - 1)
        if values.size <= 64:
            for row, column in np.ndindex(*values.shape):
                color = "white" if values[row, column] < 0.6 else "black"
                axes.text(column, row, f"{values[row, column]:.2f}", ha="center", va="center",
                          fontsize=SMALL - 1, color=color)  # fmt: skip
        drawing.colorbar(picture, ax=axes, shrink=0.8)
    whose = "this run" if same else f"{names[0]} (rows) and {names[1]} (columns)"
    return Section(
        "How alike layers see" if same else f"How alike layers see: {names[1]}",
        f"Linear CKA (Kornblith et al. 2019), estimated without bias, of layers of {whose} on the"
        " same test images: 1 where they are alike but for a rotation and a scale, about 0 where"
        " they have nothing in common.",
        [Drawing(drawing, f"CKA of layers of {whose}.")],
    )  # fmt: skip
