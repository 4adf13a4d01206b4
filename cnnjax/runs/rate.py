"""The learning rate of a run over its steps, as it was in force."""

import jax
import jax.numpy as jnp
import numpy as np

from cnnjax.config.config import Config
from cnnjax.training import optimizers

MOST = 500  # points, more than a picture shows


def list_rates(config: Config) -> tuple[list[int], list[float]]:
    """Steps, from 1, and the learning rate at each; of a long run some, evenly spread."""
    taken = np.unique(np.linspace(0, config.steps - 1, min(config.steps, MOST)).round())
    peak = {"learning_rate": jnp.float32(config.learning_rate)}
    rate = jax.vmap(optimizers.make_schedule(config, peak))
    rates = np.asarray(rate(taken.astype(np.int32)))
    return [int(step) + 1 for step in taken], rates.tolist()
