"""What a finished network says of the images of both splits, in one pass over them."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from cnnjax.data.batches import Batches
from cnnjax.data.prepare import Prepare
from cnnjax.data.source import spread_places
from cnnjax.data.spec import DataSpec
from cnnjax.networks import models


class Observed(NamedTuple):
    """What measures are given of a run, besides its network."""

    spec: DataSpec
    prepare: Prepare  # images as stored to what the network takes
    validation: Batches
    test: Batches
    validation_logits: Array  # [validation examples, classes], padding among them
    logits: Array  # [test examples, classes], padding among them
    sums: Array  # [classes, features] of what the last layer sees of the test images of a class
    counts: Array  # [classes] test images; both are none of these where `model.observe` is None

    @property
    def labels(self) -> Array:
        """Classes [test examples], those of padding among them."""
        return self.test.labels.reshape(-1)

    @property
    def mask(self) -> Array:
        """1 for test examples and 0 for padding [test examples]."""
        return self.test.mask.reshape(-1)

    def sample(self, count: int, at_once: int) -> Batches:
        """So many test images from all over the split, or as many as there are, in batches of
        `at_once` at most.

        Never more at once than the network is evaluated on, which changes no more than how they are
        cut. The mask is 0 on padding.
        """  # fmt: skip
        places = spread_places(self.test.labels.size, count)
        at_once = min(at_once, self.test.labels.shape[1])

        def cut(array: Array) -> Array:
            flat = array.reshape(-1, *array.shape[2:])[places]
            padding = -len(flat) % at_once
            padded = jnp.pad(flat, [(0, padding)] + [(0, 0)] * (flat.ndim - 1))
            return padded.reshape(-1, at_once, *flat.shape[1:])

        return jax.tree.map(cut, self.test)


AT_ONCE = 128  # training images


class Training(NamedTuple):
    """What measures by a run's own training images are given, besides its network."""

    spec: DataSpec
    prepare: Prepare
    images: Array  # [n, height, width, channels] of its training images, as stored
    targets: Array  # [n, classes] what it is to say of them
    trained: Any  # a tree as the parameters, whether each is trained

    def split(self) -> tuple[Array, Array]:
        """Images and targets in batches; what fills up the last has no targets, and no loss."""
        padding = -len(self.targets) % AT_ONCE

        def cut(array: Array) -> Array:
            padded = jnp.pad(array, [(0, padding)] + [(0, 0)] * (array.ndim - 1))
            return padded.reshape(-1, AT_ONCE, *array.shape[1:])

        return cut(self.images), cut(self.targets)


def join(one: Batches, other: Batches) -> Batches:
    """Both splits in batches of the size of the other's, the first one filled up with padding."""
    count, size = one.labels.size, other.labels.shape[1]
    padding = -count % size

    def batch(mine: Array, theirs: Array) -> Array:
        flat = mine.reshape(count, *mine.shape[2:])
        padded = jnp.pad(flat, [(0, padding)] + [(0, 0)] * (flat.ndim - 1))
        return jnp.concatenate([padded.reshape(-1, size, *flat.shape[1:]), theirs])

    return jax.tree.map(batch, one, other)


def observe(
    model: models.Model, params: models.Params, stats: models.Stats, validation: Batches,
    test: Batches, spec: DataSpec, prepare: Prepare,
) -> Observed:  # fmt: skip
    """Logits of either split, and what the last layer sees of the test images of each class.

    One pass over both splits is compiled once.
    """
    joined = join(validation, test)
    num_test = test.labels.shape[0]
    tested = jnp.arange(joined.labels.shape[0]) >= joined.labels.shape[0] - num_test

    def one(batch: tuple[Batches, Array]) -> tuple[Array, Array, Array]:
        own, of_test = batch
        images = prepare(own.images)
        weight = own.mask * of_test.astype(jnp.float32)
        members = jax.nn.one_hot(own.labels, spec.num_classes) * weight[:, None]
        if model.observe is None:
            logits = models.answer(model, params, stats, images)
            return logits, members[:1], members[:1]
        logits, features = model.observe(params, stats, images)  # of the image as it is
        logits = models.answer(model, params, stats, images, logits)
        return logits, members.T @ features, members.sum(axis=0)

    logits, sums, counts = lax.map(one, (joined, tested))
    of_validation, of_test = (
        part.reshape(-1, spec.num_classes) for part in (logits[:-num_test], logits[-num_test:])
    )
    return Observed(
        spec, prepare, validation, test, of_validation[: validation.labels.size], of_test,
        sums.sum(axis=0), counts.sum(axis=0),
    )  # fmt: skip
