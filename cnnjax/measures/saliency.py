"""Which pixels of an image an answer rests on, and whether that depends on what was learned.

Images are [N, H, W, C] as the network takes them, classes [N] those whose logits are explained. A
picture has one number a pixel [N, H, W].
"""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array, lax

from cnnjax.config import register
from cnnjax.data.batches import Batches
from cnnjax.measures import units
from cnnjax.measures.arithmetic import divide
from cnnjax.measures.last_layer import spearman
from cnnjax.measures.observed import Observed
from cnnjax.networks import count, models

IMAGES = 32  # test images that are explained
STEPS = 128  # points between the baseline and an image


def choose(logits: Array, classes: Array) -> Array:
    """The logit of each image's class [N], of logits [N, classes]."""
    return jnp.take_along_axis(logits, classes[:, None], axis=-1)[:, 0]


def find_gradient(
    model: models.Model, params: models.Params, stats: models.Stats, images: Array, classes: Array
) -> Array:
    """How fast the logit of an image's class changes with each of its values [N, H, W, C]."""

    def total(images: Array) -> Array:
        return choose(model.apply(params, stats, images, None)[0], classes).sum()

    return jax.grad(total)(images)


def gradient(
    model: models.Model, params: models.Params, stats: models.Stats, images: Array, classes: Array
) -> Array:
    """The saliency of Simonyan et al. 2014, section 3: the largest of a pixel's channels in the
    gradient's absolute values [N, H, W].
    """  # fmt: skip
    return jnp.abs(find_gradient(model, params, stats, images, classes)).max(axis=-1)


def integrated_gradients(
    model: models.Model, params: models.Params, stats: models.Stats, images: Array, classes: Array,
    steps: int = STEPS,
) -> Array:  # fmt: skip
    """What each pixel adds to the logit of its image's class (Sundararajan et al. 2017, eq. 1), its
    channels summed [N, H, W].

    From a baseline of zeros, which is the mean image where a run standardises. The integral is by
    the midpoints of so many steps, one at a time; the sum over an image is nearly its logit less
    that of the baseline.
    """  # fmt: skip

    def add(total: Array, share: Array) -> tuple[Array, None]:
        return total + find_gradient(model, params, stats, share * images, classes), None

    shares = (jnp.arange(steps, dtype=images.dtype) + 0.5) / steps
    total, _ = lax.scan(add, jnp.zeros_like(images), shares)
    return (images * total / steps).sum(axis=-1)


def find_differences(
    model: models.Model, params: models.Params, stats: models.Stats, images: Array, classes: Array
) -> Array:
    """The logit of each image's class less that of the baseline [N]."""
    logits, _ = model.apply(params, stats, images, None)
    baseline, _ = model.apply(params, stats, jnp.zeros_like(images), None)
    return choose(logits, classes) - choose(baseline, classes)


def grad_cam(
    model: models.Model, params: models.Params, stats: models.Stats, images: Array, classes: Array
) -> Array | None:
    """Where the channels of the last map speak for a class (Selvaraju et al. 2017, eq. 1 and 2).

    Each channel by the mean gradient of the logit in it, their sum cut off below 0, bilinear at the
    size of the image [N, H, W]. The map is the last that `units.see_units` has of more than one
    cell; None of a network without one.
    """
    last = units.find_last_map(model, params, stats, images)
    if last is None:
        return None
    name, own = last

    def total(added: Array) -> tuple[Array, Array]:
        logits, seen = units.see_units(model, params, stats, images, {name: added})
        return choose(logits, classes).sum(), seen[name]

    slopes, maps = jax.grad(total, has_aux=True)(jnp.zeros(own.shape, own.dtype))
    slopes, maps = slopes.astype(jnp.float32), maps.astype(jnp.float32)
    spoken = jax.nn.relu((slopes.mean(axis=(1, 2), keepdims=True) * maps).sum(axis=-1))
    return jax.image.resize(spoken, images.shape[:3], "bilinear", precision=lax.Precision.HIGHEST)


EXPLAIN = {  # by the name of the score
    "saliency_gradient": gradient,
    "saliency_integrated": integrated_gradients,
    "saliency_grad_cam": grad_cam,
}


def explain(
    model: models.Model, params: models.Params, stats: models.Stats, images: Array, classes: Array
) -> dict[str, Array]:
    """Each explanation that the network has, by the name of its score [N, H, W]."""
    found = {name: make(model, params, stats, images, classes) for name, make in EXPLAIN.items()}
    return {name: own for name, own in found.items() if own is not None}


def compare(one: Array, other: Array) -> Array:
    """How alike two pictures of each image are [N]: the rank correlation of absolute values."""
    flat = (jnp.abs(own).reshape(len(own), -1) for own in (one, other))
    return jax.vmap(spearman)(*flat)


def list_modules(
    model: models.Model, params: models.Params, stats: models.Stats, images: Array
) -> list[str]:
    """The paths of what has parameters, in the order in which they are computed."""
    called: list[str] = []

    def record(next_function: Any, args: Any, kwargs: Any, context: Any) -> Any:
        called.append("/".join(context.module.path))
        return next_function(*args, **kwargs)

    with nn.intercept_methods(record):
        jax.eval_shape(lambda images: model.apply(params, stats, images, None)[0], images)
    owners = dict.fromkeys(name.rpartition("/")[0] for name in count.flatten(params))
    # What is computed without a call of its own comes first.
    first = [own for own in owners if own not in called]
    return first + [own for own in dict.fromkeys(called) if own in owners]


def cascade(
    model: models.Model, params: models.Params, stats: models.Stats, images: Array, key: Array
) -> Iterator[tuple[str, models.Params, models.Stats]]:
    """The network with its layers drawn anew from the logits downward, one more each time.

    After Adebayo et al. 2018, section 3.1: the path of the layer, then parameters and statistics.
    """
    drawn, begun = model.init(key)
    anew: set[str] = set()
    for path in reversed(list_modules(model, params, stats, images)):
        anew.add(path)
        yield path, _replace(params, drawn, anew), _replace(stats, begun, anew)


def _replace(tree: Any, drawn: Any, paths: set[str]) -> Any:
    """A tree of parameters or statistics, those of these modules as they were drawn."""

    def choose(path: Any, own: Array, new: Array) -> Array:
        return new if count.name_of(path).rpartition("/")[0] in paths else own

    return jax.tree_util.tree_map_with_path(choose, tree, drawn)


def find_error(missed: Array, wanted: Array, mask: Array) -> Array:
    """Root mean squares [] over real images, of what sums miss over what they were to be."""
    error, size = (jnp.sqrt(_average(own**2, mask)) for own in (missed, wanted))
    return divide(error, size)


def _average(values: Array, mask: Array) -> Array:
    """The mean [] over real images of values [batches, N]."""
    return jnp.where(mask > 0, values, 0).sum() / jnp.maximum(mask.sum(), 1)


@register.measure("saliency")
def measure_saliency(
    model: models.Model, params: models.Params, stats: models.Stats, observed: Observed, key: Array
) -> dict[str, Array]:
    """How like explanations of the answers are to those by other weights, and their error.

    `saliency_gradient`, `saliency_integrated` and `saliency_grad_cam` (none without maps) are rank
    correlations of absolute values with those of the network as it begins with weights drawn anew,
    all of them, for the same class (Adebayo et al. 2018, model parameter randomisation): near 0
    where an explanation is of what was learned. `saliency_completeness` is by how much sums of
    integrated gradients miss the differences of logits: root mean squares over images, the one
    over the other. All on 32 test images.
    """
    # The other network is explained by the same program, which takes long to compile.
    both = jax.tree.map(lambda *own: jnp.stack(own), (params, stats), model.init(key))
    some = observed.sample(IMAGES, IMAGES)

    def see(batch: Batches) -> tuple[Mapping[str, Array], Array, Array]:
        images = observed.prepare(batch.images)
        classes = model.apply(params, stats, images, None)[0].argmax(axis=-1)
        found = lax.map(lambda own: explain(model, own[0], own[1], images, classes), both)
        wanted = find_differences(model, params, stats, images, classes)
        missed = found["saliency_integrated"][0].sum(axis=(1, 2)) - wanted
        return {name: compare(own[0], own[1]) for name, own in found.items()}, missed, wanted

    alike, missed, wanted = lax.map(see, some)
    similar = {name: _average(own, some.mask) for name, own in alike.items()}
    return {**similar, "saliency_completeness": find_error(missed, wanted, some.mask)}
