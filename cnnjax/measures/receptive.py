"""How much of what a cell of the last map could see weighs in it."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from cnnjax.config import register
from cnnjax.data.batches import Batches
from cnnjax.measures import units
from cnnjax.measures.observed import Observed
from cnnjax.networks import count, models

IMAGES, AT_ONCE = 64, 32  # test images
SHARE = 1 - 0.9545  # of the largest weight: two standard deviations of a Gaussian lie within


def find_weights(
    model: models.Model, params: models.Params, stats: models.Stats, images: Array
) -> Array | None:
    """How much each pixel weighs in the cell in the middle of the last map [N, H, W].

    The gradient of that cell, 1 in each of its channels and 0 in all other cells (Luo et al. 2016,
    section 3), by the images [N, H, W, C] as the network takes them: absolute values, summed over
    the channels of a pixel. Where two cells are in the middle it is the later. The map is the last
    that `units.see_units` has of more than one cell; None of a network without one.
    """
    last = units.find_last_map(model, params, stats, images)
    if last is None:
        return None
    name, own = last
    row, column = own.shape[1] // 2, own.shape[2] // 2

    def middle(images: Array) -> Array:
        _, seen = units.see_units(model, params, stats, images)
        return seen[name][:, row, column].astype(jnp.float32).sum()

    return jnp.abs(jax.grad(middle)(images)).sum(axis=-1)


def measure_side(weights: Array | np.ndarray) -> Array:
    """The side, in pixels, of the field of weights [H, W]; 0 where all are.

    The root of the number of pixels of more than 4.55% of the largest (Luo et al. 2016, section 3,
    with the largest for the centre's); along the one axis of a signal their number.
    """
    inside = (jnp.asarray(weights) > SHARE * weights.max()).sum().astype(jnp.float32)
    return inside if 1 in weights.shape else jnp.sqrt(inside)


def find_side(
    model: models.Model, params: models.Params, stats: models.Stats, images: Array
) -> float | None:
    """The side, in pixels, of what one cell of that map could see at most (Araujo et al. 2019).

    Cut off at the image's sides; of two unlike ones the geometric mean. None without a map.
    """
    last = units.find_last_map(model, params, stats, images)
    if last is None:
        return None
    name, _ = last

    def see(apply: Callable[..., Any], *given: Any) -> units.Units:
        _, seen = units.see_units(model._replace(apply=apply), *given)
        return {name: seen[name]}

    field = count.find_fields(model.init, model.apply, see, images.shape[1:])[name]
    sides = [side for side in images.shape[1:3] if side > 1]
    seen = [side if field is None else min(field, side) for side in sides]
    return math.prod(seen) ** (1 / len(seen))


def average_weights(
    model: models.Model, params: models.Params, stats: models.Stats, observed: Observed
) -> Array:
    """What `find_weights` gives [H, W], on average over IMAGES test images, of a network with a
    map.
    """  # fmt: skip
    some = observed.sample(IMAGES, AT_ONCE)

    def see(batch: Batches) -> Array:
        weights = find_weights(model, params, stats, observed.prepare(batch.images))
        assert weights is not None
        return jnp.where(batch.mask[:, None, None] > 0, weights, 0).sum(axis=0)

    return lax.map(see, some).sum(axis=0) / some.mask.sum()


@register.measure("receptive_field")
def measure_receptive_field(
    model: models.Model, params: models.Params, stats: models.Stats, observed: Observed, key: Array
) -> dict[str, Array]:
    """The side of the effective receptive field of the last map, and its share of what is seen.

    `effective_field` is in pixels, of mean weights over 64 test images;
    `effective_field_share` is over the side of the theoretical field within the image. Nothing of
    a network without maps.
    """
    side = find_side(model, params, stats, observed.prepare(observed.test.images[0]))
    if side is None:
        return {}
    found = measure_side(average_weights(model, params, stats, observed))
    return {"effective_field": found, "effective_field_share": found / side}
