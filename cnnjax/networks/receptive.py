"""Which cells of an image a value of a traced network sees, operation by operation of its jaxpr.

After Araujo et al. 2019, "Computing receptive fields of CNNs": the cells that the first cell of a
map sees, and how far apart they are for two neighbours, follow from kernels, strides and borders.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

from jax.core import ShapedArray
from jax.extend import core

Pair = tuple[int | None, int | None]


class Window(NamedTuple):
    """A sliding window along one axis of a map."""

    span: int = 1  # cells from its first to its last
    stride: int = 1
    before: int = 0  # cells of border before the map
    zoom: int = 1  # cells that each cell of the map becomes (a transposed convolution)


class View(NamedTuple):
    """What of the image a value sees, height before width."""

    axes: Pair = (1, 2)  # of the value, along which that moves; None where none does
    first: tuple[float, float] = (0, 0)  # cells that its first cell sees: from here
    last: tuple[float, float] = (0, 0)  # to here
    jump: tuple[float, float] = (1, 1)  # cells between what two neighbours see
    gathered: bool = False  # a map of more than a cell was summed, or flattened, on the way
    whole: bool = False  # a map lies above that: each of its cells sees the whole image
    source: tuple[int, int] = (0, -1)  # cells and number of the last layer that gave a map

    @property
    def field(self) -> int:
        """Cells along one axis that one cell sees."""
        return max(
            math.ceil(last - first) + 1 for first, last in zip(self.first, self.last, strict=True)
        )


def slide(view: View, windows: Sequence[Window], axes: Pair) -> View:
    """What a window sees, one for height and one for width; the result's axes are these."""
    first, last, jump = [], [], []
    for axis, (span, stride, before, zoom) in enumerate(windows):
        step = view.jump[axis] / zoom
        first.append(view.first[axis] - before * step)
        last.append(view.last[axis] + (span - 1 - before) * step)
        jump.append(step * stride)
    return view._replace(axes=axes, first=tuple(first), last=tuple(last), jump=tuple(jump))


def join(views: Sequence[View | None]) -> View | None:
    """What a value sees that is made of these cell by cell; None where none sees the image."""
    seen = [view for view in views if view is not None]
    if not seen:
        return None
    return View(
        tuple(next((v.axes[i] for v in seen if v.axes[i] is not None), None) for i in (0, 1)),  # pyright: ignore[reportArgumentType]
        tuple(min(view.first[i] for view in seen) for i in (0, 1)),  # pyright: ignore[reportArgumentType]
        tuple(max(view.last[i] for view in seen) for i in (0, 1)),  # pyright: ignore[reportArgumentType]
        tuple(max(view.jump[i] for view in seen) for i in (0, 1)),  # pyright: ignore[reportArgumentType]
        any(view.gathered for view in seen),
        any(view.whole for view in seen),
        max(view.source for view in seen),
    )


def move(view: View, shape: Sequence[int], place: Callable[[int], int | None]) -> View:
    """The view of a value whose axis `a` has become `place(a)`; a map along none is gathered."""
    axes, gathered = [], view.gathered
    for axis in view.axes:
        new = None if axis is None else place(axis)
        gathered |= axis is not None and new is None and shape[axis] > 1
        axes.append(new)
    return view._replace(axes=tuple(axes), gathered=gathered)


def _reshape(old: Sequence[int], new: Sequence[int], axis: int) -> int | None:
    """The axis of the new shape that is `axis` of the old one: as long, with as much before."""
    before = math.prod(old[:axis])
    for place, size in enumerate(new):
        if size == old[axis] and math.prod(new[:place]) == before:
            return place
    return None


def _drop(removed: Sequence[int], axis: int) -> int | None:
    return None if axis in removed else axis - sum(other < axis for other in removed)


def _spreads(old: Sequence[int], new: Sequence[int]) -> bool:
    """Whether one shape is the other, but for axes of one cell."""
    return len(old) == len(new) and all(
        own in (1, other) for own, other in zip(old, new, strict=True)
    )


def array_of(var: core.Var | core.Literal) -> ShapedArray:
    """Shape and type of what a variable of a jaxpr stands for."""
    return cast(ShapedArray, var.aval)


def _convolve(view: View, eqn: core.JaxprEqn) -> View:
    own, numbers = eqn.params, eqn.params["dimension_numbers"]
    kernel = array_of(eqn.invars[1]).shape
    windows, axes = [], []
    for axis in view.axes:
        if axis not in numbers.lhs_spec[2:]:
            windows.append(Window())
            axes.append(None)
            continue
        place = numbers.lhs_spec[2:].index(axis)
        span = (kernel[numbers.rhs_spec[2 + place]] - 1) * own["rhs_dilation"][place] + 1
        stride, border = own["window_strides"][place], own["padding"][place]
        windows.append(Window(span, stride, border[0], own["lhs_dilation"][place]))
        axes.append(numbers.out_spec[2 + place])
    return slide(view, windows, tuple(axes))


def _pool(view: View, eqn: core.JaxprEqn) -> View:
    own = eqn.params
    windows = [
        Window()
        if axis is None
        else Window(
            (own["window_dimensions"][axis] - 1) * own["window_dilation"][axis] + 1,
            own["window_strides"][axis], own["padding"][axis][0], own["base_dilation"][axis],
        )
        for axis in view.axes
    ]  # fmt: skip
    return slide(view, windows, view.axes)


def _slice(view: View, eqn: core.JaxprEqn) -> View:
    starts = eqn.params["start_indices"]
    strides = eqn.params["strides"] or (1,) * len(starts)
    windows = [
        Window() if axis is None else Window(1, strides[axis], -starts[axis]) for axis in view.axes
    ]
    return slide(view, windows, view.axes)


def _pad(view: View, eqn: core.JaxprEqn) -> View:
    borders = eqn.params["padding_config"]
    windows = [
        Window() if axis is None else Window(1, 1, borders[axis][0], borders[axis][2] + 1)
        for axis in view.axes
    ]
    return slide(view, windows, view.axes)


def _concatenate(views: Sequence[View | None], eqn: core.JaxprEqn) -> View | None:
    """Along a map's axis, the view of the longest part: what is beside it is its border."""
    dimension = eqn.params["dimension"]
    if not any(view is not None and dimension in view.axes for view in views):
        return join(views)
    sizes = [array_of(var).shape[dimension] for var in eqn.invars]
    longest = sizes.index(max(sizes))
    view = views[longest]
    if view is None:
        return join(views)
    before = sum(sizes[:longest])
    windows = [Window(before=before if axis == dimension else 0) for axis in view.axes]
    return slide(view, windows, view.axes)


def _contract(view: View, eqn: core.JaxprEqn, number: int) -> View:
    """Of a product: batch axes come first, then the left side's own axes, then the right's."""
    contracted, batch = eqn.params["dimension_numbers"]
    shapes = [array_of(var).shape for var in eqn.invars[:2]]

    def place(axis: int) -> int | None:
        if axis in contracted[number]:
            return None
        if axis in batch[number]:
            return batch[number].index(axis)
        others = [
            a for a in range(len(shapes[number])) if a not in (*contracted[number], *batch[number])
        ]
        left = len(shapes[0]) - len(contracted[0]) - len(batch[0]) if number else 0
        return len(batch[number]) + left + others.index(axis)

    return move(view, shapes[number], place)


def follow(eqn: core.JaxprEqn, views: Sequence[View | None], is_norm: bool = False) -> View | None:
    """What the result of an operation sees, of operands that see these.

    The statistics of a norm count as no view, as in the paper. What is not known to keep the axes
    of a map is taken to gather it.
    """
    name, own = eqn.primitive.name, eqn.params
    if not eqn.outvars:  # a print, which only looks
        return None
    if name == "concatenate":
        return _concatenate(views, eqn)
    result, found = array_of(eqn.outvars[0]), []
    for number, (view, var) in enumerate(zip(views, eqn.invars, strict=True)):
        if view is None:
            continue
        shape = array_of(var).shape
        if name == "conv_general_dilated" and number == 0:
            view = _convolve(view, eqn)
        elif name.startswith("reduce_window"):
            view = _pool(view, eqn)
        elif name == "slice":
            view = _slice(view, eqn)
        elif name == "pad":
            view = _pad(view, eqn)
        elif name == "dot_general":
            view = _contract(view, eqn, number)
        elif name == "broadcast_in_dim":
            view = move(view, shape, lambda axis: own["broadcast_dimensions"][axis])
        elif name == "transpose":
            view = move(view, shape, lambda axis: own["permutation"].index(axis))
        elif name == "reshape":
            view = move(view, shape, lambda axis, s=shape: _reshape(s, result.shape, axis))
        elif name == "squeeze":
            view = move(view, shape, lambda axis: _drop(own["dimensions"], axis))
        elif "axes" in own:  # sums, maxima, ... over them
            moved = move(view, shape, lambda axis: _drop(own["axes"], axis))
            view = moved._replace(gathered=view.gathered) if is_norm else moved
        elif name in ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp", "sort"):
            along = own.get("axis", own.get("dimension"))
            view = view._replace(gathered=view.gathered or along in view.axes)
        elif not _spreads(shape, result.shape):
            view = move(view, shape, lambda axis: None)
        found.append(view)
    return join(found)
