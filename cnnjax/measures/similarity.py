"""How alike the layers of a network, or of two, see the same images."""

import itertools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from cnnjax.config import register
from cnnjax.data.spec import DataSpec
from cnnjax.measures import units
from cnnjax.measures.arithmetic import divide
from cnnjax.measures.observed import Observed
from cnnjax.networks import models

IMAGES, AT_ONCE = 256, 64  # test images
ENOUGH = 1e-5  # of a layer's products between images: less is rounding, and it sees them all alike
PAIR = "pair "  # of a layer and the next


def multiply(features: Array, others: Array, origin: Array) -> Array:
    """Products of the features of images [n, p] with those of others [m, p], from an origin [p]."""
    one, other = (own.astype(jnp.float32) - origin[None] for own in (features, others))
    return jnp.matmul(one, other.T, precision=lax.Precision.HIGHEST)


def center(products: Array, weights: Array | None = None) -> Array:
    """Products between images [n, n] without their diagonal, less what is of an image alone.

    The sum of two such, element by element, is n (n - 3) times the estimator of HSIC of Song et al.
    2007 (eq. 4), which is without bias (Szekely and Rizzo 2014, eq. 3.1). `weights` [n] are 0 for
    images that do not count. All are 0 of fewer than four images, and where what is left is
    rounding.
    """
    real = jnp.ones(len(products)) if weights is None else (weights > 0).astype(jnp.float32)
    kept = real[:, None] * real[None] * (1 - jnp.eye(len(products)))
    number = real.sum()
    products = jnp.where(kept > 0, products, 0)
    sums = products.sum(axis=1) / jnp.maximum(number - 2, 1)
    total = sums.sum() / jnp.maximum(number - 1, 1)
    left = kept * (products - sums[:, None] - sums[None] + total)
    rounding = ENOUGH**2 * (products**2).sum()
    return jnp.where((number > 3) & ((left**2).sum() > rounding), left, 0)


def align(one: Array, other: Array) -> Array:
    """The cosine [] of two centered matrices of products [n, n]; 0 where one is 0."""
    scale = jnp.sqrt((one**2).sum()) * jnp.sqrt((other**2).sum())
    return divide((one * other).sum(), scale)


def cka(one: Array, other: Array) -> Array:
    """Linear CKA [] of features [n, p] and [n, q] of the same images (Kornblith et al. 2019).

    1 where they are alike but for a rotation and a scale, about 0 where they are independent, also
    of few images: HSIC is estimated without bias (Nguyen et al. 2021, eq. 3), which may be below 0.
    0 where one is alike for all images.
    """
    return align(*(center(multiply(own, own, _first(own))) for own in (one, other)))


def compare_layers(ones: Mapping[str, Array], others: Mapping[str, Array]) -> Array:
    """CKA of each layer's features of the same images, [n, p] by layer, with each of the others'.

    [layers, others' layers], in their order.
    """
    return compare_products(*(
        {name: center(multiply(own, own, _first(own))) for name, own in layers.items()}
        for layers in (ones, others)
    ))  # fmt: skip


def _first(features: Array) -> Array:
    """An origin [p] for features [n, p], near all of them: products lose no digits to their mean,
    and are none where all are alike.
    """  # fmt: skip
    return features[0].astype(jnp.float32)


def find_features(
    model: models.Model, params: models.Params, stats: models.Stats, images: Array
) -> units.Units:
    """The units of each layer for images [N, H, W, C] as the network takes them, [N, p] by layer.

    Maps are flattened, as in the paper. What has no axis of images is left out.
    """
    _, seen = units.see_units(model, params, stats, images)
    return OrderedDict(
        (name, own.reshape(len(images), -1))
        for name, own in seen.items()
        if own.ndim > 1 and len(own) == len(images)
    )


def find_products(see: Callable[[Array], units.Units], blocks: Array) -> units.Units:
    """Products between all images [n, n] by layer, block by block.

    `see` gives features [m, p] by layer of m images; `blocks` are images [blocks, size, ...]. No
    more than two blocks are seen at once: features of all may be beyond memory.
    """
    number, size = blocks.shape[:2]
    rows, columns = np.triu_indices(number)
    origins = jax.tree.map(_first, see(blocks[0]))

    def pair(places: tuple[Array, Array]) -> units.Units:
        seen = see(jnp.concatenate([blocks[place] for place in places]))
        return jax.tree.map(lambda own, o: multiply(own[:size], own[size:], o), seen, origins)

    def fill(found: Array) -> Array:
        whole = jnp.zeros((number, number, size, size)).at[columns, rows].set(found.mT)
        whole = whole.at[rows, columns].set(found)
        return whole.transpose(0, 2, 1, 3).reshape(number * size, number * size)

    found = lax.map(pair, (jnp.asarray(rows), jnp.asarray(columns)))
    return jax.tree.map(fill, found)


def finish(found: Mapping[str, np.ndarray], spec: DataSpec) -> dict[str, Any]:
    """The scores, and how alike each layer is to the next, by both names in their order."""
    by_layer = units.read_numbered(PAIR, found)
    if not by_layer:
        return {}
    return {"cka_first_last": float(found["cka_first_last"]), "similarity_by_layer": by_layer}


def find_centered(
    model: models.Model, params: models.Params, stats: models.Stats, observed: Observed
) -> units.Units:
    """Centered products between IMAGES test images by layer, padding being 0 in them."""
    some = observed.sample(IMAGES, AT_ONCE)

    def see(images: Array) -> units.Units:
        return find_features(model, params, stats, observed.prepare(images))

    mask = some.mask.reshape(-1)
    return jax.tree.map(lambda own: center(own, mask), find_products(see, some.images))


def compare_products(ones: Mapping[str, Array], others: Mapping[str, Array]) -> Array:
    """CKA [layers, others' layers] of what `find_centered` gives of two networks."""
    return jnp.stack(
        [jnp.stack([align(one, other) for other in others.values()]) for one in ones.values()]
    )


@register.measure("similarity", finish=finish)
def measure_similarity(
    model: models.Model, params: models.Params, stats: models.Stats, observed: Observed, key: Array
) -> dict[str, Array]:
    """How alike the first and the last layer see images, and each layer and the next: linear CKA.

    `cka_first_last` and `similarity_by_layer`, of the units of `units.see_units` for 256
    test images, maps flattened. Nothing of a network with fewer than two such layers.
    """
    centered = find_centered(model, params, stats, observed)
    if len(centered) < 2:
        return {}
    pairs = {
        f"{one} - {other}": align(centered[one], centered[other])
        for one, other in itertools.pairwise(centered)
    }
    first, last = (tuple(centered.values())[place] for place in (0, -1))
    return {"cka_first_last": align(first, last), **units.write_numbered(PAIR, pairs)}
