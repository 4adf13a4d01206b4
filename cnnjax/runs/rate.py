"""The learning rate of a run over its steps, as it was in force."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from cnnjax.config.config import Config
from cnnjax.runs import result
from cnnjax.training import optimizers

MOST = 500  # points, more than a picture shows


def read_rates(config: Config, workdir: pathlib.Path) -> tuple[list[int], list[float]]:
    """As `list_rates`, of the steps that the finished run of a folder took."""
    return list_rates(config, result.read(workdir).get("steps"))


def list_rates(config: Config, steps: int | None = None) -> tuple[list[int], list[float]]:
    """Steps, from 1, and the learning rate at each; of a long run some, evenly spread.

    Of so many steps, where the run ended before it was to.
    """
    steps = steps or config.last_step
    taken = np.unique(np.linspace(0, steps - 1, min(steps, MOST)).round())
    peak = {"learning_rate": jnp.float32(config.learning_rate)}
    rate = jax.vmap(optimizers.make_schedule(config, peak))
    rates = np.asarray(rate(taken.astype(np.int32)))
    return [int(step) + 1 for step in taken], rates.tolist()
