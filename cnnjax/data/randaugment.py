"""RandAugment (Cubuk et al. 2020): a few operations for each image, all of one magnitude.

Images are [N, H, W, C] float32 of 8-bit pixels, 0 to 255; results are not rounded. Ranges are those
of AutoAugment (Cubuk et al. 2019, table 6), from nothing to the greatest, so that a magnitude
always strengthens; either way is as likely where there are two. What comes in from beyond the
border is black. An axis of one cell, as signals have, is none: nothing moves along it.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from cnnjax.ops import sampling

WHITE = 255.0
LEVELS = 10.0  # of magnitudes
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue in the grey of an image (ITU-R BT.601)
SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13  # as Pillow's SMOOTH
# Greatest shear, share of a side and angle in degrees; of AutoAugment's images of 331x331 150.
SHEAR, SHIFT, ANGLE, CHANGE, BITS = 0.3, 150 / 331, 30.0, 0.9, 4

Pixels = Callable[[Array, Array], Array]  # of images and of shares [N, 1, 1, 1] of the range
Moves = Callable[[Array, tuple[int, int]], Array]  # of shares [N] and a size


def blend(base: Array | float, images: Array, factor: Array) -> Array:
    """`factor` of the images and the rest of a base, beyond both where it is above 1."""
    return jnp.clip(base + factor * (images - base), 0.0, WHITE)


def find_grey(images: Array) -> Array:
    """The grey of each pixel [N, H, W, 1]: of three channels by luma, else their mean."""
    if images.shape[-1] != len(LUMA):
        return images.mean(axis=-1, keepdims=True)
    return (images * jnp.array(LUMA).reshape(1, 1, 1, -1)).sum(axis=-1, keepdims=True)


def identity(images: Array, share: Array) -> Array:
    """The images as they are."""
    return images


def autocontrast(images: Array, share: Array) -> Array:
    """Each channel from black to white, unless it is the same everywhere; of no magnitude."""
    low, high = (find(images, axis=(1, 2), keepdims=True) for find in (jnp.min, jnp.max))
    spread = high - low
    return jnp.where(spread > 0, (images - low) / jnp.where(spread > 0, spread, 1) * WHITE, images)


def equalize(images: Array, share: Array) -> Array:
    """Each channel so that its levels are as often as another's; of no magnitude.

    By Pillow's rule: a level becomes the number of pixels below it, in steps of a 255th of all but
    those of the highest.
    """

    def one(cells: Array) -> Array:  # [H * W]
        levels = jnp.round(cells).astype(jnp.int32)
        counts = jnp.zeros(256, jnp.int32).at[levels].add(1)
        size = (len(cells) - counts[levels.max()]) // 255
        below = jnp.cumsum(counts) - counts
        table = jnp.minimum((size // 2 + below) // jnp.maximum(size, 1), 255)
        return jnp.where(size > 0, table[levels].astype(cells.dtype), cells)

    flat = images.reshape(images.shape[0], -1, images.shape[-1])
    return jax.vmap(jax.vmap(one, in_axes=1, out_axes=1))(flat).reshape(images.shape)


def solarize(images: Array, share: Array) -> Array:
    """Pixels at or above a threshold inverted; it falls from 256 to 0."""
    return jnp.where(images >= 256 * (1 - jnp.abs(share)), WHITE - images, images)


def posterize(images: Array, share: Array) -> Array:
    """The highest bits of pixels alone, from 8 to 4."""
    step = 2 ** jnp.round(BITS * jnp.abs(share))
    return jnp.floor(images / step) * step


def colour(images: Array, share: Array) -> Array:
    """Nearer to the image's own grey, or farther from it; of one channel nothing."""
    return blend(find_grey(images), images, 1 + CHANGE * share)


def contrast(images: Array, share: Array) -> Array:
    """Nearer to the mean grey of the image, or farther from it."""
    mean = find_grey(images).mean(axis=(1, 2, 3), keepdims=True)
    return blend(mean, images, 1 + CHANGE * share)


def brightness(images: Array, share: Array) -> Array:
    """Nearer to black, or farther from it."""
    return blend(0.0, images, 1 + CHANGE * share)


def sharpness(images: Array, share: Array) -> Array:
    """Nearer to the smoothed image, or farther from it; cells at the border stay."""
    height, width = images.shape[1:3]
    if min(height, width) < 3:
        return images
    inner = sum(
        (SMOOTH[i, j] * images[:, i : height - 2 + i, j : width - 2 + j] for i, j in
         np.ndindex(3, 3)),
        jnp.zeros(()),
    )  # fmt: skip
    return blend(images.at[:, 1:-1, 1:-1].set(inner), images, 1 + CHANGE * share)


PIXELS: dict[str, Pixels] = {
    "identity": identity, "autocontrast": autocontrast, "equalize": equalize,
    "solarize": solarize, "posterize": posterize, "color": colour, "contrast": contrast,
    "brightness": brightness, "sharpness": sharpness,
}  # fmt: skip


def place(share: Array, size: tuple[int, int], *rows: tuple[Array | float, ...]) -> Array:
    """Maps [N, 2, 3] from the row, column and 1 of a new cell to the place that it is taken from.

    `rows` are those of the map, each number one or [N].
    """
    own = [[jnp.broadcast_to(jnp.asarray(v, jnp.float32), share.shape) for v in r] for r in rows]
    return jnp.stack([jnp.stack(row, axis=-1) for row in own], axis=-2)


def stay(share: Array, size: tuple[int, int]) -> Array:
    """No move."""
    return place(share, size, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


def shear_x(share: Array, size: tuple[int, int]) -> Array:
    """Rows pushed along, the further the lower they lie; the upper left corner stays."""
    shear = SHEAR * share
    return place(share, size, (1.0, 0.0, 0.0), (shear, 1.0, shear / 2))


def shear_y(share: Array, size: tuple[int, int]) -> Array:
    """Columns pushed along, the further the more to the right they lie."""
    shear = SHEAR * share
    return place(share, size, (1.0, shear, shear / 2), (0.0, 1.0, 0.0))


def translate_x(share: Array, size: tuple[int, int]) -> Array:
    """Whole cells to either side."""
    return place(share, size, (1.0, 0.0, 0.0), (0.0, 1.0, jnp.round(SHIFT * size[1] * share)))


def translate_y(share: Array, size: tuple[int, int]) -> Array:
    """Whole cells up or down."""
    return place(share, size, (1.0, 0.0, jnp.round(SHIFT * size[0] * share)), (0.0, 1.0, 0.0))


def rotate(share: Array, size: tuple[int, int]) -> Array:
    """About the middle, against the clock where the share is above 0."""
    angle = -jnp.deg2rad(ANGLE * share)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    row, column = (size[0] - 1) / 2, (size[1] - 1) / 2
    return place(
        share, size, (cos, -sin, row - cos * row + sin * column),
        (sin, cos, column - sin * row - cos * column),
    )  # fmt: skip


MOVES: dict[str, Moves] = {
    "shear_x": shear_x, "shear_y": shear_y, "translate_x": translate_x,
    "translate_y": translate_y, "rotate": rotate,
}  # fmt: skip
OPERATIONS = (*PIXELS, *MOVES)


def warp(images: Array, maps: Array) -> Array:
    """Images whose cells are taken from where maps [N, 2, 3] say, bilinear."""
    size = images.shape[1:3]
    rows, columns = (
        own.astype(jnp.float32)
        for own in jnp.meshgrid(*(jnp.arange(cells) for cells in size), indexing="ij")
    )

    def one(image: Array, own: Array) -> Array:
        where = [
            own[axis, 0] * rows + own[axis, 1] * columns + own[axis, 2]
            if size[axis] > 1 else jnp.zeros(size)
            for axis in range(2)
        ]  # fmt: skip
        return sampling.sample(image, *where)

    return jax.vmap(one)(images, maps)


def operate(images: Array, which: Array, share: Array) -> Array:
    """Each image after its operation.

    `which` [N] is its place among OPERATIONS, `share` [N] that of its range in [-1, 1].
    """
    size, cells = (images.shape[1], images.shape[2]), which.reshape(-1, 1, 1, 1)
    maps = stay(share, size)
    for number, name in enumerate(MOVES, start=len(PIXELS)):
        if name[:9] != "translate" and min(size) == 1:  # a signal is neither turned nor slanted
            continue
        maps = jnp.where((which == number)[:, None, None], MOVES[name](share, size), maps)
    made = jnp.where(cells >= len(PIXELS), warp(images, maps), images)
    for number, change in enumerate(PIXELS.values()):
        made = jnp.where(cells == number, change(images, share.reshape(-1, 1, 1, 1)), made)
    return made


def randaugment(key: Array, images: Array, number: int, magnitude: float) -> Array:
    """`number` operations for each image, each drawn from all 14, at a magnitude of 0 to 10."""
    for own in jax.random.split(key, number):
        draw, way = jax.random.split(own)
        which = jax.random.randint(draw, images.shape[:1], 0, len(OPERATIONS))
        sign = jnp.where(jax.random.bernoulli(way, 0.5, images.shape[:1]), 1.0, -1.0)
        images = operate(images, which, sign * (magnitude / LEVELS))
    return images
