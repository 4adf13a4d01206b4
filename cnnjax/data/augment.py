"""Augmentation of training batches on the device, as pure functions of a key.

Images are [N, H, W, C] float32 in units of the pixels, 0 black; targets are [N, classes], each
row summing to one. Every image draws its own numbers, but for mixup and cutmix, whose share is
drawn once a batch. An axis of one cell, as signals have, is none: nothing moves or is cut along it.
"""

import zlib
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from cnnjax.config import register
from cnnjax.config.config import Config
from cnnjax.data.randaugment import randaugment
from cnnjax.ops import padding, sampling


def _per_image(draw: Array) -> Array:
    return draw.reshape(-1, 1, 1, 1)


def find_axes(images: Array) -> np.ndarray:
    """1 for height and width where the images have them, 0 for an axis of one cell [2]."""
    return np.array([float(size > 1) for size in images.shape[1:3]], np.float32)


def shift(key: Array, images: Array, cells: int, fill: str = "zero") -> Array:
    """Moves each image by up to so many cells along both axes; black comes in, or its mirror image
    (`fill` zero or reflect).
    """  # fmt: skip
    height, width, channels = images.shape[1:]
    axes = find_axes(images).astype(np.int32)
    pads = [(cells * axis, cells * axis) for axis in axes.tolist()]
    padded = padding.fill_border(images, pads, fill)
    corners = jax.random.randint(key, (images.shape[0], 2), 0, 2 * cells + 1) * axes[None]
    return jax.vmap(
        lambda image, corner: jax.lax.dynamic_slice(
            image, (corner[0], corner[1], 0), (height, width, channels)
        )
    )(padded, corners)


def flip(key: Array, images: Array) -> Array:
    """Mirrors half of the images, left to right."""
    return jnp.where(_per_image(jax.random.bernoulli(key, 0.5, images.shape[:1])),
                     images[:, :, ::-1], images)  # fmt: skip


def alternate_flip(key: Array, images: Array, indices: Array, epochs: Array) -> Array:
    """Mirrors each image in every other epoch, left to right (Jordan 2024, section 3.6).

    In the first those of which a hash of the key and of the image's index [N] is odd; `epochs` [N],
    from 0, are those in which the images are seen. Thus no image looks alike in two epochs running.
    """
    odd = jax.vmap(lambda index: jax.random.bernoulli(jax.random.fold_in(key, index)))(indices)
    return jnp.where(_per_image(odd != (epochs % 2 == 1)), images[:, :, ::-1], images)


def resample(key: Array, images: Array, degrees: float, least_area: float) -> Array:
    """Turns each image by up to so many degrees and keeps a random square share of its area.

    The share is drawn from [least_area, 1], lies anywhere on the image, and is enlarged to the
    whole (Szegedy et al. 2015); bilinear, in one pass, black beyond the border. A signal is not
    turned, and the share is one of its length.
    """
    count, height, width = images.shape[:3]
    turn, area, place = jax.random.split(key, 3)
    axes = find_axes(images)
    degrees = degrees if axes.all() else 0.0
    angles = jnp.deg2rad(jax.random.uniform(turn, (count,), minval=-degrees, maxval=degrees))
    sides = jax.random.uniform(area, (count,), minval=least_area, maxval=1.0)
    sides = jnp.sqrt(sides) if axes.all() else sides
    places = jax.random.uniform(place, (count, 2), minval=-0.5, maxval=0.5)
    middle = jnp.array([(height - 1) / 2, (width - 1) / 2])
    size = jnp.array([float(height), float(width)]) * axes
    rows, columns = jnp.meshgrid(
        jnp.arange(height, dtype=jnp.float32) - middle[0],
        jnp.arange(width, dtype=jnp.float32) - middle[1],
        indexing="ij",
    )

    def one(image: Array, angle: Array, side: Array, place: Array) -> Array:
        cos, sin = side * jnp.cos(angle), side * jnp.sin(angle)
        start = middle + place * (1 - side) * size
        where = [start[0] + cos * rows - sin * columns, start[1] + sin * rows + cos * columns]
        return sampling.sample(image, *where)

    return jax.vmap(one)(images, angles, sides, places)


def _box(images: Array, middle: Array, half: Array) -> Array:
    """True in each image's box [N, H, W, 1]; `middle` [N, 2] in cells, `half` its half size [2].

    Along an axis of one cell a box is the whole.
    """
    half = jnp.where(find_axes(images) > 0, half, jnp.inf)
    rows, columns = (jnp.arange(size, dtype=jnp.float32)[None, :] for size in images.shape[1:3])
    inside = [
        jnp.abs(cells + 0.5 - middle[:, axis : axis + 1]) < half[axis]
        for axis, cells in enumerate((rows, columns))
    ]
    return (inside[0][:, :, None] & inside[1][:, None, :])[..., None]


def cutout(key: Array, images: Array, side: int, fill: Array | float) -> Array:
    """Fills a square at a random place, which may reach beyond the border (DeVries 2017).

    `fill` is one value, or one a channel [1, 1, 1, C].
    """
    middle = jax.random.uniform(key, (images.shape[0], 2)) * jnp.array(
        [[float(size) for size in images.shape[1:3]]]
    )
    return jnp.where(_box(images, middle, jnp.full(2, side / 2)), fill, images)


def jitter(key: Array, images: Array, strength: float) -> Array:
    """Multiplies brightness, contrast and (in colour) saturation by 1 give or take `strength`."""
    factors = 1 + jax.random.uniform(
        key, (3, images.shape[0], 1, 1, 1), minval=-strength, maxval=strength
    )
    images = images * factors[0]
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    images = mean + (images - mean) * factors[1]
    grey = images.mean(axis=3, keepdims=True)
    return grey + (images - grey) * factors[2]


def noise(key: Array, images: Array, std: Array | float) -> Array:
    """Adds Gaussian noise to every pixel; `std` is one value, or one a channel [1, 1, 1, C]."""
    return images + std * jax.random.normal(key, images.shape)


def mixup(key: Array, images: Array, targets: Array, alpha: float) -> tuple[Array, Array]:
    """Blends images and targets with those of the reversed batch (Zhang et al. 2018)."""
    share = jax.random.beta(key, alpha, alpha)
    return (
        share * images + (1 - share) * images[::-1],
        share * targets + (1 - share) * targets[::-1],
    )


def cutmix(key: Array, images: Array, targets: Array, alpha: float) -> tuple[Array, Array]:
    """Pastes a box of the reversed batch; targets by the share of pixels (Yun et al. 2019)."""
    draw, place = jax.random.split(key)
    size = jnp.array([float(cells) for cells in images.shape[1:3]])
    covered = 1 - jax.random.beta(draw, alpha, alpha)
    covered = jnp.sqrt(covered) if find_axes(images).all() else covered
    half = size * covered / 2
    middle = (jax.random.uniform(place, (2,)) * size)[None]
    pasted = _box(images[:1], middle, half)
    share = 1 - pasted.mean(dtype=jnp.float32)
    return (
        jnp.where(pasted, images[::-1], images),
        share * targets + (1 - share) * targets[::-1],
    )


@register.choice("augment", "flip_vertical")
def flip_vertical(key: Array, images: Array) -> Array:
    """Half of the images upside down."""
    return jnp.where(_per_image(jax.random.bernoulli(key, 0.5, images.shape[:1])),
                     images[:, ::-1], images)  # fmt: skip


def _key_of(key: Array, name: str) -> Array:
    """A key by the name: what a run draws for one is the same whatever others it has."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def mix_either(
    which: Array, key: Array, images: Array, targets: Array, blend: float, paste: float
) -> tuple[Array, Array]:
    """Mixup or cutmix of the batch, each half of the time, as timm has it (Wightman et al. 2021).

    The key `which` chooses; `blend` and `paste` are the alphas of the two.
    """
    return jax.lax.cond(
        jax.random.bernoulli(which),
        lambda: cutmix(key, images, targets, paste),
        lambda: mixup(key, images, targets, blend),
    )


def augment(
    config: Config, key: Array, images: Array, targets: Array, mean: ArrayLike, std: ArrayLike
) -> tuple[Array, Array]:
    """The run's augmentation of one batch.

    `mean` and `std` are those of the training pixels: one value, or one a channel [C].
    """
    mean, std = (jnp.asarray(own, jnp.float32).reshape(1, 1, 1, -1) for own in (mean, std))
    crop = config.crop or 1.0
    number, magnitude = config.randaugment, config.randaugment_magnitude
    steps: list[tuple[bool, int | str, Callable[[Array, Array], Array]]] = [
        (config.flip, 0, flip),
        (config.shift > 0, 1, lambda k, x: shift(k, x, config.shift, config.shift_fill)),
        (config.rotation > 0 or crop < 1, 2, lambda k, x: resample(k, x, config.rotation, crop)),
        (number > 0, "randaugment", lambda k, x: randaugment(k, x, number, magnitude)),
        (config.jitter > 0, 3, lambda k, x: jitter(k, x, config.jitter)),
        (config.noise > 0, 4, lambda k, x: noise(k, x, config.noise * std)),
        (config.cutout > 0, 5, lambda k, x: cutout(k, x, config.cutout, mean)),
    ]
    for wanted, of, step in steps:
        if wanted:
            own = _key_of(key, of) if isinstance(of, str) else jax.random.fold_in(key, of)
            images = step(own, images)
    mixing = jax.random.fold_in(key, 6)
    for name in config.augment:
        images = register.find("augment", name).make(_key_of(key, name), images)
    if config.mixup and config.cutmix:
        either = jax.random.fold_in(key, 7)
        return mix_either(either, mixing, images, targets, config.mixup, config.cutmix)
    if config.mixup:
        return mixup(mixing, images, targets, config.mixup)
    if config.cutmix:
        return cutmix(mixing, images, targets, config.cutmix)
    return images, targets
