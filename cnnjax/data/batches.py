"""The order of training batches as a pure function of (seed, step), and batches to evaluate."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

EVALUATION_BATCH = 256  # images at once at most
EVALUATION_BYTES = 2**28  # and of what a layer gives for them; convolutions take as much again


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


def draw_stratified(key: Array, labels: Array, num_classes: int, count: int) -> Array:
    """Indices [count] of examples with `labels` [n], each class as often as among all.

    That is count n_c / n times, rounded up or down at random so that every example is as likely
    to be drawn as any other (systematic rounding: one uniform number for all classes).
    """
    shuffle, rounding = jax.random.split(key)
    order = jax.random.permutation(shuffle, len(labels))
    by_class = order[jnp.argsort(labels[order], stable=True)]
    sizes = jnp.bincount(labels, length=num_classes)
    ends = jnp.cumsum(sizes)
    wanted = ends.astype(jnp.float32) * (count / len(labels)) + jax.random.uniform(rounding)
    taken = jnp.diff(jnp.floor(wanted), prepend=0.0).astype(jnp.int32)
    own = labels[by_class]
    beyond = jnp.arange(len(labels)) - (ends - sizes)[own] >= taken[own]
    return by_class[jnp.argsort(beyond, stable=True)[:count]]


def count_at_once(layer_bytes: int) -> int:
    """Images that are evaluated at once by a network whose largest layer gives so many bytes."""
    size = EVALUATION_BATCH
    while size > 1 and size * layer_bytes > EVALUATION_BYTES:
        size //= 2
    return size


def pad_batches(images: np.ndarray, labels: np.ndarray, at_once: int = EVALUATION_BATCH) -> Batches:
    """A whole split as equal batches of `at_once` images at most.

    The last one is filled with zeros that the mask leaves out.
    """
    total = len(labels)
    num_batches = math.ceil(total / at_once)
    size = math.ceil(total / num_batches)
    padding = num_batches * size - total

    def split(array: np.ndarray) -> np.ndarray:
        padded = np.pad(array, [(0, padding)] + [(0, 0)] * (array.ndim - 1))
        return padded.reshape(num_batches, size, *array.shape[1:])

    return Batches(split(images), split(labels), split(np.ones(total, np.float32)))
