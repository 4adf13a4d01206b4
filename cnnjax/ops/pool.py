"""Pooling of NHWC maps in non-overlapping windows.

A pooling is a maximum or a mean of strided slices rather than `lax.reduce_window`, whose
gradient (select-and-scatter) is very slow on a CPU. Rows and columns at the end that fill no
window are dropped, as VALID pooling does.
"""

import functools
from collections.abc import Callable

import jax.numpy as jnp
from jax import Array


def _window_cells(maps: Array, size: int) -> list[Array]:
    rows, columns = maps.shape[1] // size, maps.shape[2] // size
    if rows == 0 or columns == 0:
        raise ValueError(
            f"a {size}x{size} pooling leaves nothing of a map of {maps.shape[1]}x{maps.shape[2]}"
        )
    return [
        maps[:, i : rows * size : size, j : columns * size : size]
        for i in range(size)
        for j in range(size)
    ]


def max_pool(maps: Array, size: int) -> Array:
    """The maximum of each size x size window; [N, H, W, C] -> [N, H // size, W // size, C].

    Where cells of a window tie, they share the gradient. Raises ValueError if nothing is left.
    """
    return functools.reduce(jnp.maximum, _window_cells(maps, size))


def avg_pool(maps: Array, size: int) -> Array:
    """The mean of each size x size window; [N, H, W, C] -> [N, H // size, W // size, C].

    Raises ValueError if nothing is left.
    """
    cells = _window_cells(maps, size)
    return functools.reduce(jnp.add, cells) / len(cells)


def no_pool(maps: Array, size: int) -> Array:
    """The maps as they are: for no pooling, and for a strided convolution in its place."""
    return maps


POOLS: dict[str, Callable[[Array, int], Array]] = {
    "max": max_pool,
    "avg": avg_pool,
    "stride": no_pool,
    "none": no_pool,
}
