"""A race of arms: those that fall behind get no more seeds, and the others get theirs.

At each look an arm is dropped that is significantly behind the leader, by the paired differences of
the seeds that all have (racing: Maron and Moore 1994; with paired tests: Birattari et al. 2002).
What is left of the budget goes to those that are still in it. Imports no JAX.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cnnjax.study import distributions
from cnnjax.study.statistics import ALPHA, FEWEST, ROUNDING

# Seeds of each arm that is still in. Few looks, for they share the 5%, and none at three seeds,
# where hardly anything passes a test at so small a level.
LOOKS = (4, 5, 6, 8, 12, 20, 30)


class Race(NamedTuple):
    """Where a race stands, by the scores that there are."""

    alive: tuple[int, ...]  # arms that are still in it
    seeds: int  # that each of these has run, of those that count
    spent: int  # runs that were wanted so far, by arms that are out too
    wanted: tuple[tuple[int, int], ...]  # (arm, place of its seed) to run next; none: it is over
    winner: int | None  # of a race that is over, the best in the mean; None where all failed


def find_behind(scores: npt.ArrayLike, level: float, resolution: float = 0.0) -> np.ndarray:
    """Which arms [arms] of these scores [arms, seeds] do not go on: failed ones, those behind.

    Behind is whose paired deficit to the leader, the best in the mean, is above 0 by a one-sided
    t test at `level`. The standard deviation is at least resolution / sqrt(6), as in
    `statistics.estimate`. An arm with a NaN has failed. Before three seeds nobody is behind.
    """
    own = np.asarray(scores, np.float64)
    failed = _find_failed(own)
    num_seeds = own.shape[1]
    if failed.all() or num_seeds < FEWEST:
        return failed
    sound = np.where(failed[:, None], 0.0, own)
    leader = np.where(failed, -np.inf, sound.mean(axis=1)).argmax()
    deficits = sound[leader] - sound  # [arms, seeds]
    least = max(resolution, ROUNDING * float(np.abs(sound).max())) / math.sqrt(6)
    deviations = np.maximum(deficits.std(axis=1, ddof=1), least)
    border = distributions.t_isf(level, num_seeds - 1) * deviations / math.sqrt(num_seeds)
    return failed | (deficits.mean(axis=1) > border)


def _find_failed(scores: np.ndarray) -> np.ndarray:
    return np.array([not np.isfinite(own).all() for own in scores])


def find_next(
    scores: Mapping[tuple[int, int], float], num_arms: int, budget: int,
    looks: Sequence[int] = LOOKS, resolution: float = 0.0,
) -> Race:  # fmt: skip
    """Where a race stands, and which runs it wants next, by the scores of (arm, seed), NaN failed.

    It goes on until one arm is left or `budget` runs are spent, such as those of a grid of as many
    seeds an arm. Each test is at 0.05 / (arms x looks), which are fixed before: in at most 5% of
    races the truly best arm is dropped, whatever the others. Indistinguishable arms go on.
    Scores that were not wanted are not looked at.
    """
    level = ALPHA / (num_arms * max(len(looks), 1))
    alive, seeds, spent = tuple(range(num_arms)), 0, 0
    for look in (*looks, None):
        if not alive or (len(alive) == 1 and seeds):
            break
        affordable = seeds + (budget - spent) // len(alive)
        end = affordable if look is None else min(look, affordable)
        if end == seeds:
            break
        lanes = [(arm, seed) for seed in range(seeds, end) for arm in alive]
        if lacking := tuple(lane for lane in lanes if lane not in scores):
            return Race(alive, seeds, spent, lacking, None)
        seeds, spent = end, spent + len(lanes)
        own = np.array([[scores[arm, seed] for seed in range(seeds)] for arm in alive])
        is_look = end == look
        out = find_behind(own, level, resolution) if is_look else _find_failed(own)
        alive = tuple(arm for place, arm in enumerate(alive) if not out[place])
    return Race(alive, seeds, spent, (), _find_best(scores, alive, seeds))


def _find_best(
    scores: Mapping[tuple[int, int], float], alive: Sequence[int], seeds: int
) -> int | None:
    if not alive or not seeds:
        return None
    return max(alive, key=lambda arm: sum(scores[arm, seed] for seed in range(seeds)))
