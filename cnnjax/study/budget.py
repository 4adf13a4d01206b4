"""What a search of so many trials is expected to find, of the trials that there are.

Dodge et al. 2019 ("Show your work") draw the trials with replacement, which expects too little of
large budgets: here they are drawn without, which is unbiased (Tang et al. 2020, "Showing your work
doesn't always work"). Imports no JAX.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from cnnjax.study.trials import Searched, rate_failed, read_scores

BAND = (0.1, 0.9)  # quantiles of the best of n trials


class Curve(NamedTuple):
    """The best validation score against the budget."""

    trials: np.ndarray  # [n] 1, 2, ...
    steps: np.ndarray  # [n] optimiser steps that so many trials take: as they came, or on average
    best: np.ndarray  # [n] expected, or as it came; NaN before the first that did not fail
    low: np.ndarray  # [n] of the band; NaN where there is none
    high: np.ndarray  # [n]
    is_expected: bool  # over all orders of the trials; else as they came, in one order


def find_curve(searched: Searched) -> Curve | None:
    """The best score by number of trials; None where no trial was finished and sound.

    Trials that do not depend on one another could have come in any order: the curve is the mean
    over all, its band where 80% of them are. Those of a method that learns from the earlier ones
    came in one order, and so has the curve: it has no band, for there is one such search.
    """
    scores = read_scores(searched.trials)
    if not np.isfinite(scores).any():
        return None
    count = np.arange(1, len(scores) + 1)
    steps = np.array([trial.steps for trial in searched.trials], np.float64)
    if not searched.is_exchangeable:
        none = np.full(len(scores), np.nan)
        best = best_so_far(scores)
        return Curve(count, steps.cumsum(), best, none, none, False)
    low, high = np.sort(quantiles_of_best(scores, BAND), axis=0)
    best = expected_best(scores)
    return Curve(count, count * steps.mean(), best, low, high, True)


def expected_best(scores: npt.ArrayLike) -> np.ndarray:
    """The mean [N] of the best of n of these N scores, for n of 1 to N, over all choices of n.

    For trials that do not depend on one another it is the unbiased estimate of the best of n new
    ones (a U-statistic; Hoeffding 1948). A failed trial, NaN, counts as the worst of the others.
    """
    own = np.sort(rate_failed(scores))
    below = _share_of_draws(len(own))
    shares = np.diff(below, axis=1, prepend=0.0)  # of draws whose best is the i-th lowest
    return shares @ own


def quantiles_of_best(scores: npt.ArrayLike, quantiles: tuple[float, ...] = BAND) -> np.ndarray:
    """Quantiles [quantiles, N] of the best of n of these N scores, n drawn without replacement.

    They say how a search of n trials varies by what it happens to draw of these N. Towards n = N
    all draws are alike, and quantiles meet: what other trials would give, they do not say.
    """
    own = np.sort(rate_failed(scores))
    below = _share_of_draws(len(own))
    rounding = 1e-12  # of shares that are sums of logarithms
    places = [(below >= quantile - rounding).argmax(axis=1) for quantile in quantiles]
    return own[np.array(places)]


def _share_of_draws(total: int) -> np.ndarray:
    """[n - 1, i - 1] the share C(i, n) / C(N, n) of draws of n that hold none but the lowest i."""
    n, i = np.arange(1, total + 1)[:, None], np.arange(1, total + 1)[None]
    fits = i >= n
    chosen = np.where(fits, i, n)  # where n do not fit, any number that has a logarithm
    logs = _log_choose(chosen, n) - _log_choose(np.full_like(n, total), n)
    return np.where(fits, np.exp(logs), 0.0)


def _log_choose(total: np.ndarray, n: np.ndarray) -> np.ndarray:
    log = special.gammaln
    return log(total + 1) - log(n + 1) - log(total - n + 1)


def best_so_far(scores: npt.ArrayLike) -> np.ndarray:
    """The best [n] of scores [n] in their order; NaN before the first that did not fail."""
    own = np.asarray(scores, np.float64)
    best = np.maximum.accumulate(np.where(np.isfinite(own), own, -np.inf))
    return np.where(np.isfinite(best), best, np.nan)
