"""How much runs of an arm vary from seed to seed, and the share of that in another's variance."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cnnjax.study import metrics, statistics
from cnnjax.study.claims import Study
from cnnjax.study.summary import Arm

UNKNOWN = (np.nan, np.nan)


class Share(NamedTuple):
    """How the scores of an arm vary; NaN where fewer than three seeds have one."""

    deviation: float  # standard deviation over seeds
    deviation_interval: tuple[float, float]  # 95%, jackknife of the log of the variance
    share: float  # its variance over that of the whole
    interval: tuple[float, float]  # 95%, paired by seed


def find_shares(study: Study, arms: Sequence[Arm]) -> dict[str, Share]:
    """The share of each arm, by name, in the variance of the arm that `study.whole` names.

    On the same data set, and over the seeds that failed in neither. None where it names none.
    """
    wanted = study.whole
    if wanted is None:
        return {}
    wholes: Mapping[str, Arm] = {
        arm.config.dataset: arm for arm in arms if wanted.items() <= arm.overrides.items()
    }
    read = metrics.find(study.metric).read
    scores = {arm.name: np.array([read(record) for record in arm.records]) for arm in arms}
    return {
        arm.name: measure(scores[arm.name], scores[wholes[arm.config.dataset].name])
        for arm in arms
        if arm.config.dataset in wholes
    }


def measure(scores: np.ndarray, whole: np.ndarray) -> Share:
    """How scores [seeds] vary, and beside those of the whole [seeds], paired; NaN where failed."""
    sound = np.isfinite(scores) & np.isfinite(whole)
    scores, whole = scores[sound], whole[sound]
    if len(scores) < statistics.FEWEST:
        return Share(np.nan, UNKNOWN, np.nan, UNKNOWN)
    own, all_ = (
        0.0 if statistics.is_constant(values) else float(values.var(ddof=1))
        for values in (scores, whole)
    )
    logs, of_whole = (statistics.find_log_variances(values) for values in (scores, whole))
    share = own / all_ if all_ else np.nan
    itself = np.array_equal(scores, whole)
    together = UNKNOWN if itself else _interval(logs - of_whole)
    return Share(float(np.sqrt(own)), _interval(logs / 2), share, together)


def _interval(logs: np.ndarray) -> tuple[float, float]:
    if not np.isfinite(logs).all():
        return UNKNOWN
    low, high = statistics.mean_interval(logs)
    return float(np.exp(low)), float(np.exp(high))
