"""Whether confidence is accuracy: measures of logits [n, classes] with labels [n] and mask [n].

The mask is 1 for examples and 0 for padding.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from cnnjax.config import register
from cnnjax.measures.observed import Observed
from cnnjax.networks import models

BINS = 15
LEAST, GREATEST = 0.05, 20.0  # of the temperature
STEPS = 30
DRAWS, SEED = 200, 0  # of labels from predicted probabilities, the same for every run


class Calibration(NamedTuple):
    """Of each example, but for the error, which is of all."""

    loss: Array  # [n] negative log-likelihood, in nats
    brier: Array  # [n]
    overconfidence: Array  # [n] confidence less 1 where right, less 0 where wrong
    ece: Array  # [] expected calibration error


def calibrate(logits: Array, labels: Array, mask: Array) -> Calibration:
    """How well the softmax of the logits is calibrated.

    The expected calibration error has 15 bins of equal width (Guo et al. 2017, eq. 3); the Brier
    score is the squared distance from the true class, summed over classes (Brier 1950).
    """
    log_probabilities = jax.nn.log_softmax(logits)
    probabilities = jnp.exp(log_probabilities)
    targets = jax.nn.one_hot(labels, logits.shape[-1])
    confidence = probabilities.max(axis=-1)
    correct = (logits.argmax(axis=-1) == labels).astype(jnp.float32)
    excess = (confidence - correct) * mask
    bins = jnp.clip((confidence * BINS).astype(jnp.int32), 0, BINS - 1)
    by_bin = jax.nn.one_hot(bins, BINS).T @ excess
    return Calibration(
        loss=-(log_probabilities * targets).sum(axis=-1),
        brier=_add_up((probabilities - targets) ** 2),
        overconfidence=confidence - correct,
        ece=jnp.abs(by_bin).sum() / mask.sum(),
    )


def _add_up(parts: Array) -> Array:
    """The sums of parts [n, k], one by one.

    A sum over few parts is fused with what makes them, and rounded by what else the program does;
    a loop is not.
    """

    def add(total: Array, part: Array) -> tuple[Array, None]:
        return total + part, None

    return lax.scan(add, jnp.zeros(parts.shape[:1], parts.dtype), parts.T)[0]


def fit_temperature(logits: Array, labels: Array, mask: Array) -> Array:
    """The temperature of least loss (Guo et al. 2017, section 4.2), in [0.05, 20].

    The loss is that of the n images and of one more, as like as any of them and of any class. So
    n images that are all right, on which the loss alone falls all the way to a temperature of 0,
    leave the mean confidence near 1 - 1 / n, which is what they can tell (Platt 1999 guards his
    scaling alike); with some images wrong it changes little. Newton's steps on its inverse, in
    which the loss is convex; none more than doubles or halves it.
    """
    true = jnp.take_along_axis(logits, labels[:, None], axis=-1)[:, 0]
    share = 1 / (mask.sum() + 1)  # of the image of any class
    target = (1 - share) * true + share * logits.mean(axis=-1)

    def step(_: int, inverse: Array) -> Array:
        probabilities = jax.nn.softmax(inverse * logits)
        mean = (probabilities * logits).sum(axis=-1)
        variance = (probabilities * (logits - mean[:, None]) ** 2).sum(axis=-1)
        slope, curvature = (((mean - target) * mask).sum(), (variance * mask).sum())
        moved = inverse - slope / jnp.maximum(curvature, 1e-12)
        moved = jnp.clip(moved, inverse / 2, inverse * 2)
        return jnp.clip(moved, 1 / GREATEST, 1 / LEAST)

    return 1 / lax.fori_loop(0, STEPS, step, jnp.ones((), jnp.float32))


@register.measure("calibration", always=True)
def measure_calibration(
    model: models.Model, params: models.Params, stats: models.Stats, observed: Observed, key: Array
) -> dict[str, Array]:
    """Calibration on the test split, as it is and scaled by the validation split's temperature."""
    validation = observed.validation
    temperature = fit_temperature(
        observed.validation_logits, validation.labels.reshape(-1), validation.mask.reshape(-1)
    )
    labels, mask = observed.labels, observed.mask
    plain = calibrate(observed.logits, labels, mask)._asdict()
    scaled = calibrate(observed.logits / temperature, labels, mask)._asdict()
    return {
        "temperature": temperature,
        **{f"test_{name}": value for name, value in plain.items()},
        **{f"test_{name}_scaled": value for name, value in scaled.items()},
    }


@register.metric(
    "test_ece_excess", label="calibration error above its own null", margin=0.005, share=True
)
def find_excess(logits: np.ndarray, labels: np.ndarray) -> float:
    """The expected calibration error less what it would be were the probabilities right.

    Finite bins err though nothing is wrong: so labels are drawn from the predicted probabilities
    (Vaicenavicius et al. 2019, section 5), and the mean error of 200 such draws is taken away.
    """
    logits = np.asarray(logits, np.float64)
    probabilities = np.exp(logits - logits.max(axis=-1, keepdims=True))
    confidence = probabilities.max(axis=-1) / probabilities.sum(axis=-1)
    bins = np.clip((confidence * BINS).astype(int), 0, BINS - 1)

    def find_error(right: np.ndarray) -> float:
        return float(np.abs(np.bincount(bins, confidence - right, BINS)).sum() / len(bins))

    rng = np.random.default_rng(SEED)
    null = [find_error(rng.random(len(bins)) < confidence) for _ in range(DRAWS)]
    return find_error(logits.argmax(axis=-1) == labels) - float(np.mean(null))
