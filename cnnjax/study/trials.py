"""What a search tried, as plain data: settings of an arm with what they scored.

`budget`, `importance` and `optimism` say what is computed of it. Imports no JAX.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

EXCHANGEABLE = ("random",)  # methods of whose trials any order, and any part, is as likely


class Tried(NamedTuple):
    """One setting that a search tried."""

    number: int  # from 0, in the order in which they were proposed
    batch: int
    setting: Mapping[str, Any]  # knob -> value
    place: tuple[float, ...]  # of the setting in the unit cube of the space, one a knob
    score: float  # of the tuning's metric on the validation split, mean over seeds; NaN if failed
    loss: float  # validation cross-entropy, mean over its seeds
    steps: int  # optimiser steps spent on it, of all its seeds
    seeds: int
    whole: bool  # trained to the last step: halving stops others earlier


class Searched(NamedTuple):
    """A search, and what it chose."""

    arm: str  # name of the arm that it was for
    method: str  # random, halton, tpe or halving
    # knob -> axis, which has .describe(), .is_log, .choices (empty for a range), .low and .high
    space: Mapping[str, Any]
    trials: tuple[Tried, ...]  # in order of their numbers
    chosen: int | None  # number of the winner; None where no setting can be chosen
    second: int | None  # number of the runner-up
    metric: str

    @property
    def is_exchangeable(self) -> bool:
        """Whether trials do not depend on one another, so that any part of them is as likely.

        In a race they do: who gets more seeds is decided among all.
        """
        alike = len({trial.seeds for trial in self.trials}) == 1
        return self.method in EXCHANGEABLE and alike

    @property
    def winner(self) -> Tried | None:
        """The trial that is chosen."""
        return self._find(self.chosen)

    @property
    def runner_up(self) -> Tried | None:
        """The trial that would be chosen without it."""
        return self._find(self.second)

    def _find(self, number: int | None) -> Tried | None:
        return next((trial for trial in self.trials if trial.number == number), None)


def read_scores(trials: Sequence[Tried]) -> np.ndarray:
    """The scores [trials]; NaN where a trial failed, or was stopped before its last step."""
    return np.array([trial.score if trial.whole else np.nan for trial in trials], np.float64)


def rate_failed(scores: npt.ArrayLike) -> np.ndarray:
    """Scores [trials], a NaN as bad as the worst of the others.

    What failed has no number of its own: it is no better than the worst that did not. Raises
    ValueError where all failed.
    """
    own = np.asarray(scores, np.float64)
    sound = np.isfinite(own)
    if not sound.any():
        raise ValueError("every trial failed: there is no score")
    return np.where(sound, own, own[sound].min())
