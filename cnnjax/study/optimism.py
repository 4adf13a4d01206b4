"""How far the score by which a search chose a setting flatters it: on fresh seeds it has another.

The best of many scores is in part the luckiest. Reads records only.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cnnjax.study import metrics, statistics
from cnnjax.study.summary import Arm
from cnnjax.study.trials import Searched


class Optimism(NamedTuple):
    """The validation score of the chosen setting in its search, and on fresh seeds."""

    score: float  # in the search, the mean over its seeds there
    fresh: float  # mean over the fresh seeds that did not fail
    num_seeds: int  # of these
    num_failed: int
    difference: float  # by how much the search has it better than fresh seeds do
    interval: tuple[float, float]  # 95%, Student's t over fresh seeds; NaN for fewer than three


def find_fresh(searched: Searched, arms: Sequence[Arm]) -> Arm | None:
    """The arm that has the chosen setting, if any: the one searched for, or named after it."""
    if (winner := searched.winner) is None:
        return None
    own = set(searched.arm.split())
    found = [
        arm for arm in arms
        if own <= set(arm.name.split())
        and all(getattr(arm.config, knob, value) == value for knob, value in winner.setting.items())
    ]  # fmt: skip
    return min(found, key=lambda arm: len(arm.name), default=None)


def find_optimism(searched: Searched, arms: Sequence[Arm]) -> Optimism | None:
    """What the search says of its choice beyond what fresh seeds do; None where none have a score.

    It is paired with nothing, for the seeds of the search are others: the interval is that of the
    fresh mean, around which the search's score stands as it is.
    """
    winner, arm = searched.winner, find_fresh(searched, arms)
    if winner is None or arm is None:
        return None
    read = metrics.find(searched.metric).read
    scores = np.array([read(record) for record in arm.records], np.float64)
    sound = scores[np.isfinite(scores)]
    if not len(sound):
        return None
    score, fresh = winner.score, float(sound.mean())
    low, high = np.nan, np.nan
    if len(sound) >= statistics.FEWEST:
        ends = statistics.mean_interval(sound)
        low, high = sorted(score - end for end in ends)
    failed = len(scores) - len(sound)
    return Optimism(score, fresh, len(sound), failed, score - fresh, (float(low), float(high)))
