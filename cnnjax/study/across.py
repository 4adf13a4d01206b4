"""A comparison on several data sets: one verdict for a fixed list of them. Imports no JAX.

The sets are no sample of anything, so that no mean over them decides: a claim holds where it holds
on each (intersection-union, Berger 1982). Where it does not, it *depends* if the effects are shown
to differ, and some set shows what was claimed while another shows that it is not so there.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cnnjax.study import distributions, statistics
from cnnjax.study.rule import decide
from cnnjax.study.statistics import ALPHA


class Across(NamedTuple):
    """What rows of verdicts.json, one a data set, come to."""

    verdict: str  # supported, refuted, equivalent, depends or inconclusive
    holds: tuple[str, ...]  # the data sets on which the claim holds, by Holm's correction
    p_differ: float  # of equal effects on all sets; NaN where that cannot be asked


def combine(rows: Sequence[Mapping[str, Any]]) -> Across:
    """The verdict on one comparison, given a row of verdicts.json for each data set.

    Raises ValueError where they are not rows of one comparison.
    """
    asked = {(row["relation"], row["margin"], row["threshold"]) for row in rows}
    if len(asked) != 1:
        raise ValueError(f"need rows of one comparison, not {len(asked)} kinds")
    holds = _find_holding(rows)
    p_differ = _welch(rows)
    verdicts = {row["verdict"] for row in rows}
    if len(verdicts) == 1:
        return Across(verdicts.pop(), holds, p_differ)
    if p_differ < ALPHA and _is_split(rows, holds):
        return Across("depends", holds, p_differ)
    return Across("inconclusive", holds, p_differ)


def describe(found: Across, count: int) -> str:
    """On how many of the data sets it holds, and on which, in words."""
    names = f": {', '.join(found.holds)}" if 0 < len(found.holds) < count else ""
    return f"holds on {len(found.holds)} of {count}{names}"


def find_variance(row: Mapping[str, Any]) -> float:
    """The variance of the difference of a row, by its interval; NaN where there is none."""
    low, high = row["interval"]
    tail = (1 - row["confidence"]) / 2
    return ((high - low) / 2 / distributions.t_isf(tail, row["degrees"])) ** 2


def find_variance_of_seeds(row: Mapping[str, Any]) -> float:
    """As `find_variance`, were there no images but these: what seeds alone leave."""
    low, high = row["interval_seeds"]
    tail = (1 - row["confidence"]) / 2
    return float(((high - low) / 2 / distributions.t_isf(tail, row["num_seeds"] - 1)) ** 2)


def _interval(row: Mapping[str, Any], confidence: float) -> tuple[float, float]:
    """The interval of a row as of another confidence."""
    half = distributions.t_isf((1 - confidence) / 2, row["degrees"]) * math.sqrt(find_variance(row))
    return row["difference"] - half, row["difference"] + half


def _welch(rows: Sequence[Mapping[str, Any]]) -> float:
    """The p of equal effects on all sets: Welch's test (1951) with each row's own variance.

    Each variance is that over seeds and images, with its degrees of freedom.
    """
    means = np.array([row["difference"] for row in rows], np.float64)
    variances = np.array([find_variance(row) for row in rows])
    degrees = np.array([row["degrees"] for row in rows], np.float64)
    count = len(rows)
    if count < 2 or not (np.isfinite(means).all() and (variances > 0).all()):
        return math.nan
    weights = 1 / variances
    mean = (weights * means).sum() / weights.sum()
    doubt = ((1 - weights / weights.sum()) ** 2 / degrees).sum()
    between = (weights * (means - mean) ** 2).sum() / (count - 1)
    f = between / (1 + 2 * (count - 2) / (count**2 - 1) * doubt)
    return float(distributions.f_sf(f, count - 1, (count**2 - 1) / (3 * doubt)))


def _find_holding(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The data sets on which the claim holds, of all that are asked by Holm's correction."""
    p_values = [_p_of_claim(row) for row in rows]
    adjusted = statistics.holm([1.0 if math.isnan(p) else p for p in p_values])
    return tuple(row["dataset"] for row, p in zip(rows, adjusted, strict=True) if p < ALPHA)


def _p_of_claim(row: Mapping[str, Any]) -> float:
    """The p, two-sided, at which the row would just be supported; 1 in the other direction.

    Where a row has been looked at several times, 5% of it is the level of its look.
    """
    variance, degrees = find_variance(row), row["degrees"]
    if not variance > 0:
        return 0.0 if row["verdict"] == "supported" else 1.0
    difference, error = row["difference"], math.sqrt(variance)
    times = 2 * ALPHA / (1 - row["confidence"])

    def p_above(border: float) -> float:
        return min(1.0, times * float(distributions.t_sf((difference - border) / error, degrees)))

    def p_below(border: float) -> float:
        return min(1.0, times * float(distributions.t_sf((border - difference) / error, degrees)))

    border, margin = row["threshold"] or 0.0, row["margin"]
    if row["relation"] == ">":
        return p_above(border)
    if row["relation"] == "<":
        return p_below(border)
    if row["relation"] == "=":
        return max(p_above(-margin), p_below(margin))
    return min(p_above(0.0), p_below(0.0))


def _is_split(rows: Sequence[Mapping[str, Any]], holds: Sequence[str]) -> bool:
    """Whether the claim holds on one set, and it is shown of another that it does not there.

    Both hold over all sets at once: Holm's correction, and intervals that share 5%.
    """
    if not holds:
        return False
    shares = [(row, 1 - (1 - row["confidence"]) / len(rows)) for row in rows]
    return any(_is_denied(row, *_interval(row, confidence)) for row, confidence in shares)


def _is_denied(row: Mapping[str, Any], low: float, high: float) -> bool:
    """Whether such an interval leaves nothing of the claim that would matter."""
    margin, threshold = row["margin"], row["threshold"]
    if row["relation"] == "=":
        return low > margin or high < -margin
    if row["relation"] == "!=":
        return decide("!=", low, high, margin, threshold)[1] == "refuted"
    if row["relation"] == "<":
        low, high = -high, -low
        threshold = None if threshold is None else -threshold
    return high < (margin if threshold is None else threshold)
