"""What a run is between two steps, as trees of arrays."""

from typing import Any, NamedTuple

import optax
from jax import Array

from cnnjax.networks import models
from cnnjax.training import tally


class Average(NamedTuple):
    """An average of a run's past."""

    params: models.Params
    batch_stats: models.Stats


class TrainData(NamedTuple):
    """The training split on the device."""

    images: Any  # [n, height, width, channels] uint8
    labels: Any  # [n] int32


class Scores(NamedTuple):
    """Sums over examples; divide by `count` once, at the end."""

    loss: Array  # [] float32
    correct: Array  # [] float32
    count: Array  # [] float32


class State(NamedTuple):
    """One run between two steps: all that it is, wherever its steps are cut.

    Of a run whose loss was once no number nothing else is one either; its steps go on.
    """

    params: models.Params
    batch_stats: models.Stats  # what a network keeps besides its parameters
    ema: Average | None  # None without ema_decay
    slow: Average | None  # None without lookahead
    opt_state: optax.OptState
    step: Array  # [] int32
    diverged_at: Array  # [] int32: the first step, from 1, whose loss was no number; 0 for none
    sums: Array  # [3 + classes] float32: as `tally.TrainScores`, since the last evaluation
    last: tally.LastStep
