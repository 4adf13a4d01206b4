"""What so many seeds and images can show by the rule of `decision`. Imports no JAX.

Effects and margins are in standard deviations of the paired differences.
"""

import functools
import math

import numpy as np

from cnnjax.study import distributions
from cnnjax.study.statistics import ALPHA, FEWEST

POWER = 0.8
MOST_SEEDS = 2_000  # a study of more is none that anyone runs


def detectable_effect(num_seeds: int, level: float = ALPHA, power: float = POWER) -> float | None:
    """The mean difference that t intervals of 1 - level leave 0 out for, with that power.

    None where there are too few seeds to judge.
    """
    if num_seeds < FEWEST:
        return None
    return find_distance(num_seeds - 1, level, power) / math.sqrt(num_seeds)


def find_distance(degrees: float, level: float = ALPHA, power: float = POWER) -> float:
    """How many standard errors from 0 a mean must lie for its t interval of 1 - level to leave 0
    out with that power, by the noncentral t distribution.
    """  # fmt: skip
    critical = distributions.t_isf(level / 2, degrees)
    least, most = 0.0, 100.0 * math.sqrt(degrees + 1)
    for _ in range(40):
        middle = (least + most) / 2
        # Far out the tail is 1, and scipy's series gives no number there.
        enough = not distributions.noncentral_t_sf(critical, degrees, middle) < power
        least, most = (least, middle) if enough else (middle, most)
    return most


def equivalence_power(num_seeds: int, margin: float, level: float = ALPHA) -> float:
    """How often a t interval of 1 - level lies within ±margin where there is no difference."""
    return find_equivalence(num_seeds - 1, margin * math.sqrt(num_seeds), level)


def find_equivalence(degrees: float, margin: float, level: float = ALPHA) -> float:
    """As `equivalence_power`, the margin in standard errors.

    The mean is normal and independent of the deviation, over which this integrates.
    """
    t = distributions.t_isf(level / 2, degrees)
    nodes = (np.arange(400) + 0.5) / 400
    deviations = np.sqrt(distributions.chi_squared_ppf(nodes, degrees) / degrees)
    left = np.maximum(margin - t * deviations, 0)
    return float((2 * distributions.normal_cdf(left) - 1).mean())


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
    return float(distributions.normal_isf(level / 2)) * math.sqrt(discordance / num_images)
