"""Whether the weights of the last layer reflect which features go with which class."""

import jax
import jax.numpy as jnp
from jax import Array, lax

from cnnjax.config import register
from cnnjax.data.batches import Batches
from cnnjax.measures.arithmetic import divide
from cnnjax.measures.observed import Observed, Training
from cnnjax.networks import models

SHARE = 0.1  # of the features of a class that are zeroed, one at least
DRAWS = 8  # of features at random


def rank(values: Array) -> Array:
    """Ranks [n] from 0 up, ties sharing their mean."""
    ordered = jnp.sort(values)
    first, after = (jnp.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return (first + after - 1).astype(jnp.float32) / 2


def spearman(a: Array, b: Array) -> Array:
    """Spearman's rank correlation of [n] with [n]; 0 where one is constant."""
    a, b = (ranks - ranks.mean() for ranks in (rank(a), rank(b)))
    scale = jnp.sqrt((a * a).sum() * (b * b).sum())
    return divide((a * b).sum(), scale)


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


@register.measure("last_layer_training", of_training=True)
def measure_on_training(
    model: models.Model, params: models.Params, stats: models.Stats, training: Training, key: Array
) -> dict[str, Array]:
    """Correlation of last weights with features on the training images, as the run has labels."""
    observe, path = model.observe, model.roles.logits
    if observe is None or path is None:
        return {}

    def see(batch: tuple[Array, Array]) -> tuple[Array, Array]:
        images, targets = batch
        _, features = observe(params, stats, training.prepare(images.astype(jnp.float32)))
        return targets.T @ features, targets.sum(axis=0)

    sums, counts = lax.map(see, training.split())
    kernel = models.find_parameter(params, path)
    correlation = correlate_weights(kernel, sums.sum(axis=0), counts.sum(axis=0))
    return {"fc_correlation_train": correlation}


def choose_top(kernel: Array, number: int) -> Array:
    """Ones at so many features of the largest weights of each class [classes, features]."""
    order = jnp.argsort(-kernel, axis=0)[:number]
    return jax.nn.one_hot(order.T, len(kernel)).sum(axis=1)


def choose_random(key: Array, num_classes: int, num_features: int, number: int) -> Array:
    """Ones at so many features of each class [classes, features], drawn without replacement."""
    noise = jax.random.uniform(key, (num_features, num_classes))
    return choose_top(noise, number)


@register.measure("zeroed_features")
def measure_zeroed(
    model: models.Model, params: models.Params, stats: models.Stats, observed: Observed, key: Array
) -> dict[str, Array]:
    """Whether each test image is recognised without a tenth of the features of its class.

    Without those of the largest weights of that class, and without as many at random, on average
    over draws. Nothing where the logits are not linear in features.
    """
    observe, path = model.observe, model.roles.logits
    if observe is None or path is None:
        return {}
    kernel = models.find_parameter(params, path)
    bias = models.find_bias(params, path).reshape(1, -1)
    features, classes = kernel.shape
    number = max(round(SHARE * features), 1)
    drawn = [choose_random(own, classes, features, number) for own in jax.random.split(key, DRAWS)]

    def see(batch: Batches) -> tuple[Array, Array]:
        _, seen = observe(params, stats, observed.prepare(batch.images))

        def is_right(zeroed: Array) -> Array:
            logits = (seen * (1 - zeroed[batch.labels])) @ kernel + bias
            return (logits.argmax(axis=-1) == batch.labels).astype(jnp.float32)

        at_random = jnp.stack([is_right(own) for own in drawn]).mean(axis=0)
        return is_right(choose_top(kernel, number)), at_random

    top, at_random = (own.reshape(-1) for own in lax.map(see, observed.test))
    return {"zeroed_top": top, "zeroed_random": at_random}
