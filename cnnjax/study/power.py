"""What so many seeds and images can show by the rule of `decision`. Imports no JAX.

Effects and margins are in standard deviations of the paired differences.
"""

import functools
import math

import numpy as np
from scipy import stats

from cnnjax.study.statistics import ALPHA, FEWEST

POWER = 0.8
MOST_SEEDS = 2_000  # a study of more is none that anyone runs


def detectable_effect(num_seeds: int, level: float = ALPHA, power: float = POWER) -> float | None:
    """The mean difference that t intervals of 1 - level leave 0 out for, with that power.

    By the noncentral t distribution; None where there are too few seeds to judge.
    """
    if num_seeds < FEWEST:
        return None
    critical = stats.t.isf(level / 2, num_seeds - 1)
    least, most = 0.0, 100.0
    for _ in range(40):
        middle = (least + most) / 2
        found = stats.nct.sf(critical, num_seeds - 1, middle * math.sqrt(num_seeds))
        # Far out the tail is 1, and scipy's series gives no number there.
        enough = not found < power
        least, most = (least, middle) if enough else (middle, most)
    return most


def equivalence_power(num_seeds: int, margin: float, level: float = ALPHA) -> float:
    """How often a t interval of 1 - level lies within ±margin where there is no difference.

    The mean is normal and independent of the deviation, over which this integrates.
    """
    t = stats.t.isf(level / 2, num_seeds - 1)
    nodes = (np.arange(400) + 0.5) / 400
    deviations = np.sqrt(stats.chi2.ppf(nodes, num_seeds - 1) / (num_seeds - 1))
    left = np.maximum(margin * math.sqrt(num_seeds) - t * deviations, 0)
    return float((2 * stats.norm.cdf(left) - 1).mean())


@functools.cache
def seeds_for_equivalence(margin: float, level: float = ALPHA, power: float = POWER) -> int | None:
    """The fewest seeds that show equivalence with that power; None where more than 2,000."""
    low, high = FEWEST, MOST_SEEDS
    if equivalence_power(high, margin, level) < power:
        return None
    while low < high:
        middle = (low + high) // 2
        if equivalence_power(middle, margin, level) < power:
            low = middle + 1
        else:
            high = middle
    return low


def image_floor(discordance: float, num_images: int, level: float = ALPHA) -> float:
    """The half-width of an interval of a difference of accuracies that images alone leave.

    `discordance` is the share of images that one network gets right and the other does not.
    """
    return float(stats.norm.isf(level / 2)) * math.sqrt(discordance / num_images)
