"""Whether the weights of the last layer reflect which features go with which class."""

import jax.numpy as jnp
from jax import Array, lax

from cnnjax.config import register
from cnnjax.measures.observed import Observed
from cnnjax.networks import models


def rank(values: Array) -> Array:
    """Ranks [n] from 0 up, ties sharing their mean."""
    ordered = jnp.sort(values)
    first, after = (jnp.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return (first + after - 1).astype(jnp.float32) / 2


def spearman(a: Array, b: Array) -> Array:
    """Spearman's rank correlation of [n] with [n]; 0 where one is constant."""
    a, b = (ranks - ranks.mean() for ranks in (rank(a), rank(b)))
    scale = jnp.sqrt((a * a).sum() * (b * b).sum())
    return jnp.where(scale > 0, (a * b).sum() / jnp.where(scale > 0, scale, 1.0), 0.0)


def correlate_weights(kernel: Array, sums: Array, counts: Array) -> Array:
    """How far a class's weights are those of the features that are active with it.

    The rank correlation of its column of `kernel` [features, classes] and its mean features less
    the mean of all, averaged over classes; `sums` [classes, features] over `counts` [classes].
    """
    overall = sums.sum(axis=0, keepdims=True) / counts.sum()
    means = sums / jnp.maximum(counts, 1.0)[:, None]
    return lax.map(lambda pair: spearman(*pair), (kernel.T, means - overall)).mean()


@register.measure("last_layer", always=True)
def measure_last_layer(
    model: models.Model, params: models.Params, stats: models.Stats, observed: Observed, key: Array
) -> dict[str, Array]:
    """The correlation of weights and features; nothing where the logits are not linear in them."""
    if model.observe is None or model.roles.logits is None:
        return {}
    kernel = models.find_parameter(params, model.roles.logits)
    return {"fc_correlation": correlate_weights(kernel, observed.sums, observed.counts)}
