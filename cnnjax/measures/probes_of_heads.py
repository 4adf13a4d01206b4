"""How well heads of several kinds read one and the same last map, which none of them moves."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax

from cnnjax.config import register
from cnnjax.data.batches import Batches
from cnnjax.measures.observed import Observed
from cnnjax.measures.probes import MOST, Features, fit_probe, measure, score_classes, take
from cnnjax.measures.units import see_map
from cnnjax.networks import models

UNITS = 64  # of the hidden layer
LARGEST = 2**26  # numbers that the maps of a split may be
STEPS, RATE, DECAY = 100, 1e-2, 0.1  # of AdamW on all images at once, by a cosine to zero
KINDS = ("flat", "mean", "dense")  # of heads


def fit_dense(key: Array, features: Features, targets: Array) -> Any:
    """Answers [n, targets] of a hidden layer of ReLU and a linear one, as a function of features.

    Features are standardised; the loss is the cross-entropy, of images that are no padding.
    """
    values, mask = features
    mean, scale = measure(features)
    standard = (values - mean) / scale

    def answer(weights: dict[str, Array], standard: Array) -> Array:
        hidden = jax.nn.relu(standard @ weights["kernel_1"] + weights["bias_1"])
        return hidden @ weights["kernel_2"] + weights["bias_2"]

    def loss(weights: dict[str, Array]) -> Array:
        own = optax.softmax_cross_entropy(answer(weights, standard), targets)
        return (own * mask).sum() / mask.sum()

    make, below = jax.nn.initializers.he_normal(), jax.random.split(key)
    shapes = {"1": (values.shape[1], UNITS), "2": (UNITS, targets.shape[1])}
    weights = {}
    for (name, shape), own in zip(shapes.items(), below, strict=True):
        weights |= {f"kernel_{name}": make(own, shape), f"bias_{name}": jnp.zeros((1, shape[1]))}
    rule = optax.adamw(optax.cosine_decay_schedule(RATE, STEPS), weight_decay=DECAY)

    def step(carry: Any, _: None) -> tuple[Any, None]:
        weights, state = carry
        moved, state = rule.update(jax.grad(loss)(weights), state, weights)
        return (optax.apply_updates(weights, moved), state), None

    (weights, _), _ = lax.scan(step, (weights, rule.init(weights)), length=STEPS)
    return lambda values: answer(weights, (values - mean) / scale)


@register.measure("head_probes")
def measure_head_probes(
    model: models.Model, params: models.Params, stats: models.Stats, observed: Observed, key: Array
) -> dict[str, Array]:
    """How well heads of three kinds read the class off one and the same last map.

    A linear layer on all of it, one on the mean of each channel, and a hidden layer of 64 units on
    all of it. Fitted on validation images and scored on test images, as the probes of layers. The
    map is the one that a head sees, or sees the mean of; nothing where there is none. Of a split
    whose maps are more than LARGEST numbers fewer images are taken. The linear layers have their
    best ridge, the hidden one a fixed decay.
    """

    def see(batch: Batches) -> Array | None:
        found = see_map(model, params, stats, observed.prepare(batch.images))
        return None if found is None else found.astype(jnp.float32)

    one = jax.eval_shape(see, jax.tree.map(lambda own: own[0], observed.test))
    if one is None or math.prod(one.shape) > LARGEST:
        return {}
    most = min(MOST, LARGEST // math.prod(one.shape[1:]))
    splits = take(observed.validation, most), take(observed.test, most)
    known, labels = (own.labels.reshape(-1) for own in splits)
    targets = jax.nn.one_hot(known, observed.spec.num_classes)
    maps = [lax.map(see, own).reshape(own.labels.size, *one.shape[1:]) for own in splits]
    found = {}
    for kind in KINDS:
        own, other = (
            Features(_shape(kind, seen), split.mask.reshape(-1))
            for seen, split in zip(maps, splits, strict=True)
        )
        head = fit_dense(key, own, targets) if kind == "dense" else fit_probe(own, targets)
        found[f"probe_head_{kind}"] = score_classes(head, other, labels)
    return found


def _shape(kind: str, maps: Array) -> Array:
    """Maps [n, H, W, C] as a head of a kind sees them [n, features]."""
    return maps.mean(axis=(1, 2)) if kind == "mean" else maps.reshape(len(maps), -1)
