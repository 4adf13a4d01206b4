"""Pooling of NHWC maps: windows of any size and stride, overlapping or not.

Every pooling is made of strided slices, one a cell of the window, rather than of
`lax.reduce_window`, whose gradient (select-and-scatter) is very slow on a CPU. A pooling takes
the cells stacked as [cells, N, H', W', C] with the number of cells on the map, since a window at
a padded border has fewer.
"""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from cnnjax.config import register
from cnnjax.ops import conv, precision
from cnnjax.ops.padding import PADDINGS, coverage, output_size

Param = Callable[..., Array]  # of a name, an initializer and a shape: what the pooling learns


def find(name: str) -> register.Choice:
    """The pooling of that name, with its traits (`register.pooling`)."""
    return register.find("pool", name)


def find_pads(
    shape: tuple[int, ...], size: int, stride: int, padding: str
) -> list[tuple[int, int]]:
    """Cells before and after each axis of maps. Raises ValueError where no window is left."""
    pads = [PADDINGS[padding](cells, size, stride) for cells in shape]
    left = [
        output_size(cells, size, stride, sum(pad)) for cells, pad in zip(shape, pads, strict=True)
    ]
    if 0 in left:
        raise ValueError(
            f"a {size}x{size} pooling leaves nothing of a map of {shape[0]}x{shape[1]}"
        )
    return pads


def gather_windows(
    maps: Array, size: int, stride: int, padding: str, beyond: float
) -> tuple[list[Array], np.ndarray]:
    """The cells of every window, and how many of them lie on the map [1, H', W', 1].

    `beyond` fills the border. Raises ValueError where no window is left.
    """
    shape, window = maps.shape[1:3], (size, size)
    pads = find_pads(shape, size, stride, padding)
    counts = coverage(shape, window, stride, pads)
    cells = conv.window_cells(_extend(maps, pads, beyond), window, stride)
    return cells, counts[None, :, :, None]


def _extend(maps: Array, pads: list[tuple[int, int]], beyond: float) -> Array:
    return jnp.pad(maps, ((0, 0), *pads, (0, 0)), constant_values=beyond) if np.any(pads) else maps


def _fold(operation: Callable[[Array, Array], Array], cells: list[Array]) -> Array:
    total = cells[0]
    for cell in cells[1:]:
        total = operation(total, cell)
    return total


@register.pooling("max")
def max_pool(maps: Array, size: int, stride: int, padding: str = "VALID") -> Array:
    """The maximum of each window; [N, H, W, C] -> [N, H', W', C].

    Where cells of a window tie, they share its gradient evenly.
    """
    pads = find_pads(maps.shape[1:3], size, stride, padding)
    return _largest(_extend(maps, pads, -jnp.inf), size, stride)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _largest(maps: Array, size: int, stride: int) -> Array:
    return _fold(jnp.maximum, conv.window_cells(maps, (size, size), stride))


def _largest_forward(maps: Array, size: int, stride: int) -> tuple[Array, tuple[Array, Array]]:
    largest: Array = _largest(maps, size, stride)
    return largest, (maps, largest)


def _largest_backward(
    size: int, stride: int, kept: tuple[Array, Array], grads: Array
) -> tuple[Array]:
    """Each cell gathers from the windows over it: a slice's own gradient would be a pad with gaps.

    On one core, 8 maps of 28x28x32, forward and backward, size/stride: 2/2 in 0.05 ms instead of
    0.21, 3/2 in 0.17 instead of 2.2, 3/1 in 0.41 instead of 7.8; a 3x3 convolution takes 2.5.
    """
    maps, largest = kept
    num, height, width, channels = maps.shape
    cells = conv.window_cells(maps, (size, size), stride)
    share = grads / _fold(jnp.add, [(cell == largest).astype(maps.dtype) for cell in cells])

    reach = -(-size // stride)  # windows over a cell along an axis, at most
    rows, columns = (count + reach - 1 for count in largest.shape[1:3])  # blocks of stride cells
    more = rows * stride - height, columns * stride - width  # negative where cells are left over
    blocks = lax.pad(maps, jnp.zeros((), maps.dtype), _edges(*more)).reshape(
        num, rows, stride, columns, stride, channels
    )
    place = np.arange(stride)
    total = jnp.zeros_like(blocks)
    for down, right in np.ndindex(reach, reach):
        pads = ((0, 0), (down, reach - 1 - down), (right, reach - 1 - right), (0, 0))
        best, part = (jnp.pad(v, pads)[:, :, None, :, None] for v in (largest, share))
        inside = np.multiply.outer(place + stride * down < size, place + stride * right < size)
        hit = (blocks == best) & inside[None, None, :, None, :, None]
        total += jnp.where(hit, part, 0)
    flat = total.reshape(num, rows * stride, columns * stride, channels)
    flat = lax.pad(flat, jnp.zeros((), maps.dtype), _edges(-more[0], -more[1]))
    # Fused into the sum below it (a bias's gradient), it would be rounded anew in each program.
    return (lax.optimization_barrier(flat),)


def _edges(below: int, right: int) -> list[tuple[int, int, int]]:
    return [(0, 0, 0), (0, below, 0), (0, right, 0), (0, 0, 0)]


_largest.defvjp(_largest_forward, _largest_backward)


@register.pooling("avg")
def avg_pool(
    maps: Array, size: int, stride: int, padding: str = "VALID", count_padding: bool = False
) -> Array:
    """The mean of the cells of each window that lie on the map; [N, H', W', C].

    With `count_padding`, the zeros beyond the border count as cells.
    """
    cells, counts = gather_windows(maps, size, stride, padding, 0.0)
    total = _fold(jnp.add, cells)
    return total / len(cells) if count_padding else total / counts.astype(maps.dtype)


LEAST = 1e-6  # of a cell in a generalised mean: what is smaller counts as this much
POWERS = 85.0  # logarithm of the greatest power of a cell in float32, and of one over the least


def generalised_mean(maps: Array, exponent: Array) -> Array:
    """(mean of x ** p) ** (1 / p) of each map, x at least 1e-6; [N, H, W, C] and [] -> [N, C].

    The mean where p is 1, the maximum as it grows (Radenovic et al. 2018, eq. 3). Cells are kept
    to what has a power in float32: shares of each map's largest cell would do, and are rounded by
    what lies beside.
    """
    ends = jnp.exp(jnp.array([-POWERS, POWERS]) / jax.lax.stop_gradient(exponent))
    cells = jnp.clip(precision.widen(maps), jnp.maximum(ends[0], LEAST), ends[1])
    mean = (cells**exponent).mean(axis=(1, 2)) ** (1 / exponent)
    return mean.astype(maps.dtype)


@register.pooling("l2")
def l2_pool(maps: Array, size: int, stride: int, padding: str = "VALID") -> Array:
    """The root of the sum of squares of each window; [N, H', W', C]. Its gradient at 0 is 0."""
    cells, _ = gather_windows(maps, size, stride, padding, 0.0)
    squares = _fold(jnp.add, [cell * cell for cell in cells])
    some = squares > 0  # the root has no gradient at 0, and `where` needs both sides finite
    return jnp.where(some, jnp.sqrt(jnp.where(some, squares, 1)), 0)


@register.pooling("mixed")
def mixed_pool(maps: Array, size: int, stride: int, padding: str, *, param: Param) -> Array:
    """A blend * maximum + (1 - blend) * mean, `blend` a learned scalar (Lee et al. 2016).

    It is learned before a sigmoid, and begins as a half.
    """
    blend = jnp.asarray(jax.nn.sigmoid(param("blend", jax.nn.initializers.zeros, ())), maps.dtype)
    largest, mean = (pool(maps, size, stride, padding) for pool in (max_pool, avg_pool))
    return blend * largest + (1 - blend) * mean


@register.pooling("stochastic")
def stochastic_pool(maps: Array, size: int, stride: int, padding: str, key: Array | None) -> Array:
    """A cell drawn with probability in proportion to its activation (Zeiler and Fergus 2013).

    With `key` None, as in evaluation, the mean of the cells weighted by those probabilities.
    Activations below 0 count as 0; a window without any gives 0.
    """
    cells, _ = gather_windows(maps, size, stride, padding, 0.0)
    stacked = jnp.maximum(jnp.stack(cells), 0)  # [cells, N, H', W', C]
    wide = precision.widen(stacked)
    total = wide.sum(axis=0)
    if key is None:
        some = total > 0
        mean = jnp.where(some, (wide**2).sum(axis=0) / jnp.where(some, total, 1), 0)
        return mean.astype(maps.dtype)
    draw = jax.random.uniform(key, total.shape, wide.dtype) * total
    below = jnp.cumsum(wide, axis=0) <= draw[None]  # the cells before the drawn one
    chosen = jnp.minimum(below.sum(axis=0), len(cells) - 1)
    return jnp.take_along_axis(stacked, chosen[None], axis=0)[0]


def blur(maps: Array, taps: Sequence[int], stride: int, platform: str) -> Array:
    """Maps smoothed by such weights along both axes, of which every `stride`th cell is kept.

    The border is kept by reflection, or by its edge where a map has too few cells for that. It is a
    convolution, in the form that `platform` is best at.
    """
    before, behind = (len(taps) - 1) // 2, len(taps) // 2
    sides = ((0, 0), (before, behind), (before, behind), (0, 0))
    padded = jnp.pad(maps, sides, "reflect" if min(maps.shape[1:3]) > behind else "edge")
    weights = np.outer(taps, taps) / sum(taps) ** 2
    kernel = jnp.asarray(weights, maps.dtype)[:, :, None, None]
    channels = maps.shape[-1]
    kernel = jnp.broadcast_to(kernel, (*weights.shape, 1, channels))
    return conv.conv2d(padded, kernel, stride, "VALID", groups=channels, platform=platform)


@register.pooling("blur2", sees=lambda size: size + 1)
def blur2_pool(maps: Array, size: int, stride: int, padding: str, platform: str) -> Array:
    """Maximum at stride 1, then a [1, 1] blur at `stride` (Zhang 2019, MaxBlurPool, Rect-2)."""
    return blur(max_pool(maps, size, 1, padding), (1, 1), stride, platform)


@register.pooling("blur", sees=lambda size: size + 2)
def blur_pool(maps: Array, size: int, stride: int, padding: str, platform: str) -> Array:
    """Maximum at stride 1, then a [1, 2, 1] blur at `stride` (Zhang 2019, MaxBlurPool, Tri-3)."""
    return blur(max_pool(maps, size, 1, padding), (1, 2, 1), stride, platform)


@register.pooling("blur5", sees=lambda size: size + 4)
def blur5_pool(maps: Array, size: int, stride: int, padding: str, platform: str) -> Array:
    """Maximum at stride 1, then a [1, 4, 6, 4, 1] blur at `stride` (Zhang 2019, Bin-5)."""
    return blur(max_pool(maps, size, 1, padding), (1, 4, 6, 4, 1), stride, platform)


@register.pooling("subsample", activated=True, biased=True)
def subsample(maps: Array, size: int, stride: int, padding: str, *, param: Param) -> Array:
    """The sum of each window times a coefficient plus a bias, learned [C] (LeCun et al. 1998).

    It begins as the mean.
    """
    initializers, shape = jax.nn.initializers, maps.shape[-1:]
    bias = param("bias", initializers.zeros, shape)
    coefficient = param("coefficient", initializers.constant(size**-2), shape)
    cells, _ = gather_windows(maps, size, stride, padding, 0.0)
    coefficient, bias = (
        jnp.asarray(vector, maps.dtype).reshape(1, 1, 1, -1) for vector in (coefficient, bias)
    )
    return _fold(jnp.add, cells) * coefficient + bias


@register.pooling("decimate", sees=lambda size: 1)
def decimate(maps: Array, size: int, stride: int, padding: str = "VALID") -> Array:
    """The middle cell of each window, the first of two.

    A convolution of stride 1 becomes one of that stride.
    """
    cells, _ = gather_windows(maps, size, stride, padding, 0.0)
    return cells[(size - 1) // 2 * (size + 1)]


@register.pooling("polyphase")
def polyphase(maps: Array, size: int, stride: int, padding: str = "VALID") -> Array:
    """The same cell of every window, that by which the map is largest (Chaman and Dokmanic 2021).

    That is, of the size x size maps of such cells, for each example the one whose sum of squares
    over positions and channels is the largest; of equals the first. With windows of the size of
    their shift, on maps that these divide and whose border wraps around, a map that is shifted by
    any number of cells gives the same output, shifted.
    """
    cells, _ = gather_windows(maps, size, stride, padding, 0.0)
    squares = jnp.stack([(precision.widen(cell) ** 2).sum(axis=(1, 2, 3)) for cell in cells])
    chosen = squares.argmax(axis=0)[:, None, None, None]  # of [cells, N]
    kept = cells[0]
    for place, cell in enumerate(cells[1:], start=1):
        kept = jnp.where(chosen == place, cell, kept)
    return kept


@register.pooling("stride", windows=False, strides=True)
def strided(maps: Array, size: int, stride: int, padding: str = "VALID") -> Array:
    """A convolution of that stride instead: the maps as they are."""
    return maps


@register.pooling("none", windows=False)
def no_pool(maps: Array, size: int, stride: int, padding: str = "VALID") -> Array:
    """Not at all."""
    return maps
