"""Which test images are recognised, and how far from the truth an answer is."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from cnnjax.config import register
from cnnjax.measures.observed import Observed
from cnnjax.networks import models


@register.measure("accuracy", always=True)
def measure_accuracy(
    model: models.Model, params: models.Params, stats: models.Stats, observed: Observed, key: Array
) -> dict[str, Array]:
    """Whether each test image is recognised."""
    return {"test_accuracy": observed.logits.argmax(axis=-1) == observed.labels}


@register.measure("positions", always=True)
def measure_positions(
    model: models.Model, params: models.Params, stats: models.Stats, observed: Observed, key: Array
) -> dict[str, Array]:
    """How far the answer is from the true place, where classes are places."""
    if observed.spec.positions is None:
        return {}
    places = jnp.asarray(observed.spec.positions)
    predicted = observed.logits.argmax(axis=-1)
    apart = jnp.sqrt(((places[predicted] - places[observed.labels]) ** 2).sum(axis=-1))
    return {"test_position_error": apart}


@register.metric(
    "test_top5_accuracy", label="top-5 accuracy", margin=0.005, share=True, by_image=True
)
def find_among_five(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether the true class is among the five likeliest."""
    true = np.take_along_axis(logits, labels[:, None], axis=-1)
    return (logits > true).sum(axis=-1) < 5
