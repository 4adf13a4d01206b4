"""Paired comparisons on plain arrays: intervals, tests, verdicts. Imports no JAX.

Scores are paired by seed: `a[i]` and `b[i]` come from runs that share a seed. Everything drawn
at random here is drawn from an explicit seed, so the same scores give the same numbers.
"""

import warnings
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

ALPHA = 0.05
RESAMPLES = 9_999
CROSSED_RESAMPLES = 2_000  # each costs a pass over seeds x examples

Verdict = Literal["supported", "refuted", "equivalent", "inconclusive"]
Relation = Literal[">", "<", "=", "!="]  # what a claim says of a against b


class Paired(NamedTuple):
    """The comparison of `a` with `b`, one pair a seed."""

    num_seeds: int
    mean_a: float
    mean_b: float
    difference: float  # mean of a - b
    interval: tuple[float, float]  # 95%, BCa bootstrap
    p: float  # two-sided sign-flip test
    p_equivalence: float  # two one-sided t tests against the margin
    effect_size: float | None  # mean difference over its standard deviation; None where that is 0
    wins: float  # share of seeds in which a > b, a tie counting one half
    pair_correlation: float | None  # of a and b over the seeds; None where either is constant


def compare(a: npt.ArrayLike, b: npt.ArrayLike, margin: float, seed: int = 0) -> Paired:
    """Compares paired scores [n].

    Raises ValueError on lengths that differ, fewer than two pairs, or a score that is not finite.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise ValueError(
            f"need two equally long lists of at least 2 scores, not {a.shape}, {b.shape}"
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("scores must be finite: count runs that diverged apart")
    differences = a - b
    spread = differences.std(ddof=1)
    constant = is_constant(a) or is_constant(b)
    return Paired(
        num_seeds=len(a),
        mean_a=float(a.mean()),
        mean_b=float(b.mean()),
        difference=float(differences.mean()),
        interval=bca_interval(differences, seed=seed),
        p=sign_flip_p(differences, seed=seed),
        p_equivalence=equivalence_p(differences, margin),
        effect_size=None if is_constant(differences) else float(differences.mean() / spread),
        wins=float((differences > 0).mean() + (differences == 0).mean() / 2),
        pair_correlation=None if constant else float(np.corrcoef(a, b)[0, 1]),
    )


def is_constant(values: np.ndarray) -> bool:
    """True where the values differ by no more than rounding."""
    return bool(np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())))


def bca_interval(
    values: npt.ArrayLike, confidence: float = 1 - ALPHA, seed: int = 0
) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap interval of the mean (Efron 1987).

    Values that are all the same give an interval of no width.
    """
    values = np.asarray(values, np.float64)
    if is_constant(values):
        return float(values.mean()), float(values.mean())
    result = stats.bootstrap(
        (values,), np.mean, confidence_level=confidence, n_resamples=RESAMPLES, method="BCa",
        rng=np.random.default_rng(seed),
    )  # fmt: skip
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def crossed_interval(
    a: npt.ArrayLike, b: npt.ArrayLike, confidence: float = 1 - ALPHA, seed: int = 0
) -> tuple[float, float]:
    """Bootstrap interval of the difference in accuracy to expect of new seeds AND new examples.

    `a` and `b` say which examples each run got right: [seeds, examples], paired in both axes.
    Seeds and examples are drawn anew independently (Owen 2007, "The pigeonhole bootstrap");
    being a percentile interval, at 20 seeds it covers 92 to 94% where 95% is asked for.
    Raises ValueError on shapes that differ, fewer than two seeds or fewer than two examples.
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.ndim != 2 or min(a.shape) < 2:
        raise ValueError(
            "need two arrays of at least 2 seeds x 2 examples and of one shape,"
            f" not {a.shape}, {b.shape}"
        )
    differences = a.astype(np.float32) - b.astype(np.float32)
    num_seeds, num_examples = differences.shape
    rng = np.random.default_rng(seed)
    means = np.empty(CROSSED_RESAMPLES)
    for start in range(0, CROSSED_RESAMPLES, 100):  # some at a time: counts are many
        seeds, examples = (
            _draw_counts(rng, size, min(100, CROSSED_RESAMPLES - start))
            for size in (num_seeds, num_examples)
        )
        sums = ((seeds @ differences) * examples).sum(axis=1, dtype=np.float64)
        means[start : start + 100] = sums / (num_seeds * num_examples)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _draw_counts(rng: np.random.Generator, size: int, resamples: int) -> np.ndarray:
    """How often each of `size` things is drawn in as many draws: [resamples, size] float32."""
    cells = rng.integers(size, size=(resamples, size)) + size * np.arange(resamples)[:, None]
    counts = np.bincount(cells.ravel(), minlength=resamples * size)
    return counts.reshape(resamples, size).astype(np.float32)


def prediction_interval(
    values: npt.ArrayLike, confidence: float = 1 - ALPHA
) -> tuple[float, float]:
    """Where ONE further run falls: mean ± t s sqrt(1 + 1 / n), for normal values [n].

    Raises ValueError on fewer than two values.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"need a list of at least 2 values, not {values.shape}")
    t = stats.t.isf((1 - confidence) / 2, len(values) - 1)
    half = t * values.std(ddof=1) * np.sqrt(1 + 1 / len(values))
    return float(values.mean() - half), float(values.mean() + half)


def trend(levels: npt.ArrayLike, scores: npt.ArrayLike) -> np.ndarray:
    """The least-squares slope of each seed's scores [levels, seeds] against levels [levels].

    One number a seed, for `compare` with another arm's. Raises ValueError where the lengths
    differ or the levels are all the same.
    """
    levels, scores = np.asarray(levels, np.float64), np.asarray(scores, np.float64)
    if levels.ndim != 1 or scores.ndim != 2 or len(levels) != len(scores):
        raise ValueError(
            f"need levels [n] and scores [n, seeds], not {levels.shape}, {scores.shape}"
        )
    if len(levels) < 2 or is_constant(levels):
        raise ValueError("a slope needs at least two different levels")
    centred = levels - levels.mean()
    return centred @ scores / (centred @ centred)


def sign_flip_p(differences: npt.ArrayLike, seed: int = 0) -> float:
    """Two-sided p of the sign-flip test of mean zero (Fisher 1935); exact up to 13 pairs.

    Beyond that, `RESAMPLES` random flips, the observed one counted among them.
    """
    differences = np.asarray(differences, np.float64)
    if not differences.any():
        return 1.0
    result = stats.permutation_test(
        (differences, np.zeros_like(differences)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples", vectorized=True, n_resamples=RESAMPLES,
        rng=np.random.default_rng(seed),
    )  # fmt: skip
    return float(result.pvalue)


def equivalence_p(differences: npt.ArrayLike, margin: float) -> float:
    """Tests |mean difference| >= margin: the larger p of two one-sided t (Schuirmann 1987)."""
    differences = np.asarray(differences, np.float64)
    if is_constant(differences):
        return 0.0 if abs(differences.mean()) < margin else 1.0
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    return float(stats.t.sf((margin - abs(differences.mean())) / error, len(differences) - 1))


def holm(p_values: npt.ArrayLike) -> list[float]:
    """Holm's step-down adjustment, in the order given: any false rejection below ALPHA."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted.tolist()


def benjamini_hochberg(p_values: npt.ArrayLike) -> list[float]:
    """Benjamini and Hochberg's adjustment: the share of false rejections below ALPHA."""
    return stats.false_discovery_control(np.asarray(p_values, np.float64)).tolist()


ADJUSTMENTS = {"holm": holm, "benjamini-hochberg": benjamini_hochberg}


def judge(relation: Relation, difference: float, p: float, p_equivalence: float) -> Verdict:
    """The verdict on "a `relation` b" from adjusted p values.

    A difference that is significant and yet shown to lie within the margin is *equivalent*:
    real perhaps, but smaller than the study calls relevant.
    """
    if p_equivalence < ALPHA:
        return "equivalent"
    if p >= ALPHA:
        return "inconclusive"
    holds = {">": difference > 0, "<": difference < 0, "=": False, "!=": True}
    return "supported" if holds[relation] else "refuted"


def find_limits(num_seeds: int, comparisons: int) -> list[str]:
    """A warning where so few seeds can never reach ALPHA in so many comparisons, else none."""
    least = smallest_p(num_seeds) * comparisons
    if least < ALPHA:
        return []
    return [f"{num_seeds} seeds can reach an adjusted p of {min(least, 1):.3g} at best"]


def smallest_p(num_seeds: int) -> float:
    """The least p that a two-sided sign-flip test of so many pairs can reach."""
    return max(2.0 ** (1 - num_seeds), 2.0 / (RESAMPLES + 1))


def detectable_effect(num_seeds: int, comparisons: int = 1, power: float = 0.8) -> float:
    """The mean paired difference found with that power, in standard deviations of differences.

    From the noncentral t test at ALPHA over the number of comparisons, the first step of Holm;
    infinite where so few seeds can never reach that level.
    """
    alpha = ALPHA / comparisons
    if num_seeds < 2 or smallest_p(num_seeds) >= alpha:
        return float("inf")
    critical = stats.t.isf(alpha / 2, num_seeds - 1)
    effects = np.linspace(0.0, 20.0, 20_001)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the far tail underflows to 0, rightly
        powers = stats.nct.sf(critical, num_seeds - 1, effects * np.sqrt(num_seeds))
    return float(effects[np.argmax(np.nan_to_num(powers, nan=1.0) >= power)])
