"""What a judged comparison could have found, and what would change its verdict. Imports no JAX.

All by its row of verdicts.json: by the variance that was observed. What was observed of the mean
says nothing of power (Hoenig and Heisey 2001); it enters where seeds are asked for that would
decide, *if* the mean stays as it is.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from cnnjax.study import across, distributions, metrics, power
from cnnjax.study.rule import decide

Row = Mapping[str, Any]


class Power(NamedTuple):
    """What the seeds and images of a comparison find in 80% of studies, and what they show."""

    detectable: float  # difference from 0, or from its threshold, that its interval leaves out
    equivalence: float | None  # share in which no difference is shown to be inside the margin


class Change(NamedTuple):
    """The least that the mean would have to move, its interval as wide, for another verdict."""

    shift: float
    verdict: str


class Need(NamedTuple):
    """How many seeds would decide an open comparison, if its mean and variances stay."""

    seeds: int | None  # None where more than `power.MOST_SEEDS`, or no number of them
    verdict: str  # what it would be
    is_bound: bool  # by the test images, however many the seeds


def has_interval(row: Row) -> bool:
    """Whether a comparison is decided by an interval: failures are not, nor are too few seeds."""
    bounds = row["interval"]
    known = all(bound is not None and math.isfinite(bound) for bound in bounds)
    return known and not metrics.find(row["metric"]).counts_failures


def find_power(row: Row) -> Power:
    """By the standard error and degrees of freedom of the comparison's own interval."""
    error, level = math.sqrt(across.find_variance(row)), _level(row)
    shown = None
    if row["threshold"] is None and row["margin"] and error:
        shown = power.find_equivalence(row["degrees"], row["margin"] / error, level)
    return Power(error * power.find_distance(row["degrees"], level), shown)


def find_change(row: Row) -> Change | None:
    """None where no shift of the mean changes the verdict."""
    low, high = row["interval"]
    margin, border = row["margin"] or 0.0, row["threshold"] or 0.0
    borders = {border} if row["threshold"] is not None else {0.0, margin, -margin}
    shifts = [target - bound for target in borders for bound in (low, high)]
    tiny = 1e-9 * max(map(abs, (low, high, margin, border)))
    for shift in sorted(shifts, key=abs):
        for beyond in (shift + tiny, shift - tiny):
            verdict = _decide(row, row["difference"] + beyond, (high - low) / 2)
            if abs(beyond) >= abs(shift) and verdict != row["verdict"]:
                return Change(shift, verdict)
    return None


def find_need(row: Row) -> Need:
    """For an open comparison: the variance over seeds falls with their number, what is beyond it is
    left by the images, as in the two-way layout of `statistics.estimate_crossed`.
    """  # fmt: skip
    level, of_seeds = _level(row), across.find_variance_of_seeds(row)
    left = 0.0 if row["image_error"] is None else across.find_variance(row) - of_seeds
    of_images = max(left, 0.0)

    def verdict_at(seeds: int) -> str:
        own = of_images + of_seeds * row["num_seeds"] / seeds
        half = distributions.t_isf(level / 2, max(row["degrees"], seeds - 1)) * math.sqrt(own)
        return _decide(row, row["difference"], float(half))

    floor = float(distributions.normal_isf(level / 2)) * math.sqrt(of_images)
    if of_images and _decide(row, row["difference"], floor) == "inconclusive":
        return Need(None, "inconclusive", True)
    low, high = row["num_seeds"], power.MOST_SEEDS
    if low >= high or verdict_at(high) == "inconclusive":
        return Need(None, "inconclusive", False)
    while high - low > 1:  # intervals lie in each other: what is decided stays so
        middle = (low + high) // 2
        low, high = (middle, high) if verdict_at(middle) == "inconclusive" else (low, middle)
    return Need(high, verdict_at(high), False)


def count_failures(level: float) -> int:
    """The fewest seeds in which one side alone fails that the exact test tells from chance."""
    return math.floor(1 - math.log2(level)) + 1


def _level(row: Row) -> float:
    return 1 - row["confidence"]


def _decide(row: Row, mean: float, half: float) -> str:
    bounds = mean - half, mean + half
    return decide(row["relation"], *bounds, row["margin"] or 0.0, row["threshold"])[1]
