"""What is measured on a finished run, on the device: calibration, robustness, its last layer."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from cnnjax.config.config import Config
from cnnjax.data import transform
from cnnjax.data.batches import Batches
from cnnjax.measures import calibration, robustness
from cnnjax.networks import models

CORRUPTION_SEED = 0  # fixed: every run is tested on the same corrupted images
# Scores [] float32, `validation_correct` [validation examples], and `by_image`: values
# [test examples], `right` and `kept` [trials, test examples].
Examination = dict[str, Any]


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


def join(one: Batches, other: Batches) -> Batches:
    """Both splits in batches of the size of the other's, the first one filled up with padding."""
    count, size = one.labels.size, other.labels.shape[1]
    padding = -count % size

    def batch(mine: Array, theirs: Array) -> Array:
        flat = mine.reshape(count, *mine.shape[2:])
        padded = jnp.pad(flat, [(0, padding)] + [(0, 0)] * (flat.ndim - 1))
        return jnp.concatenate([padded.reshape(-1, size, *flat.shape[1:]), theirs])

    return jax.tree.map(batch, one, other)


def make_examine(
    structure: Config, model: models.Model, spec: Any, standardise: Callable[[Array], Array]
) -> Callable[..., Examination]:
    """`examine(params, stats, validation, test)` of a run; the test split is read here only."""
    table = robustness.choose(spec.image_shape[0])
    # All channels alike, so that the test is the same however a run standardises its images.
    pixels = robustness.Pixels(*transform.merge_channels(spec.mean, spec.std), spec.low, spec.high)

    def observe(params: Any, stats: Any, validation: Batches, test: Batches) -> tuple:
        """Logits of either split, and by class the sum of the features below those of the test
        split and the number of examples. One pass over both is compiled once.
        """  # fmt: skip
        joined = join(validation, test)
        num_test = test.labels.shape[0]
        tested = jnp.arange(joined.labels.shape[0]) >= joined.labels.shape[0] - num_test

        def one(batch: tuple[Batches, Array]) -> tuple[Array, Array, Array]:
            own, of_test = batch
            images = standardise(own.images)
            weight = own.mask * of_test.astype(jnp.float32)
            members = jax.nn.one_hot(own.labels, spec.num_classes) * weight[:, None]
            if model.observe is None:
                logits, _ = model.apply(params, stats, images, None)
                return logits, members[:1], members[:1]
            logits, features = model.observe(params, stats, images)
            return logits, members.T @ features, members.sum(axis=0)

        logits, sums, counts = lax.map(one, (joined, tested))
        flat = [
            part.reshape(-1, spec.num_classes) for part in (logits[:-num_test], logits[-num_test:])
        ]
        return flat[0][: validation.labels.size], flat[1], sums.sum(axis=0), counts.sum(axis=0)

    def try_corruptions(params: Any, stats: Any, test: Batches, predicted: Array) -> Examination:
        """Which images each trial leaves recognised, and which with the class they had."""
        trials = robustness.list_trials(table)
        before = predicted.reshape(test.labels.shape)

        def one(trial: tuple[Array, Array, Array]) -> tuple[Array, Array]:
            kind, strength, way = trial
            key = jax.random.fold_in(jax.random.key(CORRUPTION_SEED), kind)

            def batch(place: tuple[Array, Batches, Array]) -> tuple[Array, Array]:
                index, own, classes = place
                images = lax.switch(
                    kind,
                    [
                        lambda k, x, s, w, apply=corruption.apply: apply(k, x, s, w, pixels)
                        for corruption in table.values()
                    ],
                    jax.random.fold_in(key, index), own.images.astype(jnp.float32), strength, way,
                )  # fmt: skip
                found = model.apply(params, stats, standardise(images), None)[0].argmax(axis=-1)
                return found == own.labels, found == classes

            places = (jnp.arange(test.labels.shape[0]), test, before)
            return jax.tree.map(jnp.ravel, lax.map(batch, places))

        columns = [np.array(column) for column in zip(*trials, strict=True)]
        dtypes = (np.int32, np.float32, np.int32)
        right, kept = lax.map(
            one,
            tuple(jnp.asarray(c.astype(d)) for c, d in zip(columns, dtypes, strict=True)),
        )
        return {"right": right, "kept": kept}

    def examine(params: Any, stats: Any, validation: Batches, test: Batches) -> Examination:
        labels, mask = test.labels.reshape(-1), test.mask.reshape(-1)
        own_logits, logits, sums, counts = observe(params, stats, validation, test)
        found: Examination = {}
        if model.observe is not None and model.roles.logits is not None:
            kernel = models.find_parameter(params, model.roles.logits)
            found["fc_correlation"] = correlate_weights(kernel, sums, counts)
        temperature = calibration.fit_temperature(
            own_logits, validation.labels.reshape(-1), validation.mask.reshape(-1)
        )
        found["temperature"] = temperature
        plain = calibration.measure(logits, labels, mask)._asdict()
        scaled = calibration.measure(logits / temperature, labels, mask)._asdict()
        images = {f"test_{name}": value for name, value in plain.items()}
        images |= {f"test_{name}_scaled": value for name, value in scaled.items()}
        found |= {name: images.pop(name) for name in ("test_ece", "test_ece_scaled")}
        found["validation_correct"] = own_logits.argmax(axis=-1) == validation.labels.reshape(-1)
        predicted = logits.argmax(axis=-1)
        images["test_accuracy"] = predicted == labels
        if spec.positions is not None:
            places = jnp.asarray(spec.positions)
            apart = jnp.sqrt(((places[predicted] - places[labels]) ** 2).sum(axis=-1))
            images["test_position_error"] = apart
        if structure.robustness:
            images |= try_corruptions(params, stats, test, predicted)
        return {**found, "by_image": images}

    return examine
