"""Images at other places than their cells'."""

import jax
from jax import Array
from jax.scipy import ndimage
from jax.typing import ArrayLike


def sample(image: Array, rows: Array, columns: Array, beyond: ArrayLike = 0.0) -> Array:
    """An image [H, W, C] at those places [H', W'], bilinear; `beyond` its border that number."""

    def one(channel: Array) -> Array:
        return ndimage.map_coordinates(channel, [rows, columns], order=1, cval=beyond)

    return jax.vmap(one, in_axes=2, out_axes=2)(image)
