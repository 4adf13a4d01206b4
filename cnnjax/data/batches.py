"""The order of training batches as a pure function of (seed, step), and batches to evaluate."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

EVALUATION_BATCH = 256  # images at once at most; bounds the memory of an evaluation


class Batches(NamedTuple):
    """A split in batches of one size. `mask` is 0 on the padding, so that it counts for nothing."""

    images: Any  # [batches, size, height, width, channels] uint8
    labels: Any  # [batches, size] int32
    mask: Any  # [batches, size] float32


def batch_indices(
    key: Array, first_step: Array, num_steps: int, batch_size: int, num_examples: int
) -> Array:
    """Indices [num_steps, batch_size] of the examples that steps first_step, ... see.

    Each epoch is a fresh permutation of all examples, drawn from (key, epoch) alone, and batches
    run on across its end: no example is left out, and none depends on where a run was resumed.
    """
    start = first_step * batch_size
    first_epoch = start // num_examples
    num_epochs = (num_steps * batch_size - 1) // num_examples + 2  # one more: start is mid-epoch
    orders = jax.vmap(
        lambda epoch: jax.random.permutation(jax.random.fold_in(key, epoch), num_examples)
    )(first_epoch + jnp.arange(num_epochs))
    positions = start - first_epoch * num_examples + jnp.arange(num_steps * batch_size)
    return orders.reshape(-1)[positions].reshape(num_steps, batch_size)


def draw_stratified(key: Array, labels: Array, num_classes: int) -> Array:
    """A random order [n] of examples with these labels [n], stratified by class.

    Any first part of it holds the classes in their proportions, give or take an example or two,
    and each example is as likely as any other to be in it.
    """
    shuffle, offset = jax.random.split(key)
    order = jax.random.permutation(shuffle, len(labels))
    own = labels[order]
    counts = jnp.bincount(own, length=num_classes)
    by_class = jnp.argsort(own, stable=True)
    first = jnp.cumsum(counts) - counts  # of each class among `by_class`
    ranks = jnp.zeros_like(own).at[by_class].set(jnp.arange(len(own)) - first[own[by_class]])
    begin = jax.random.uniform(offset, (num_classes,))  # or rare classes would never come first
    keys = (ranks.astype(jnp.float32) + begin[own]) / counts[own].astype(jnp.float32)
    return order[jnp.argsort(keys, stable=True)]


def pad_batches(images: np.ndarray, labels: np.ndarray) -> Batches:
    """A whole split as equal batches, the last one filled with zeros that the mask leaves out."""
    total = len(labels)
    num_batches = math.ceil(total / EVALUATION_BATCH)
    size = math.ceil(total / num_batches)
    padding = num_batches * size - total

    def split(array: np.ndarray) -> np.ndarray:
        padded = np.pad(array, [(0, padding)] + [(0, 0)] * (array.ndim - 1))
        return padded.reshape(num_batches, size, *array.shape[1:])

    return Batches(split(images), split(labels), split(np.ones(total, np.float32)))
