"""Estimates and tests of paired comparisons on plain arrays. Imports no JAX.

Scores are paired by seed: `a[i]` and `b[i]` come from runs that share a seed. What follows for a
claim is decided in `decision`. Everything drawn at random here is drawn from an explicit seed, so
the same scores give the same numbers.
"""

import functools
import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cnnjax.study import distributions

ALPHA = 0.05
RESAMPLES = 9_999
FEWEST = 3  # seeds from which on an interval means something
ROUNDING = 1e-6  # of the largest score: the least resolution that scores have
NO_DIFFERENCE = 1e-12  # of the largest score: smaller differences are of the sums in 64 bits


class Estimate(NamedTuple):
    """A mean difference, its variance, and the degrees of freedom of that."""

    mean: float
    variance: float
    degrees: float

    def interval(self, confidence: float = 1 - ALPHA) -> tuple[float, float]:
        """Student's t interval: mean ± t(degrees) x standard error."""
        half = distributions.t_isf((1 - confidence) / 2, self.degrees) * np.sqrt(self.variance)
        return float(self.mean - half), float(self.mean + half)

    def p(self, null: float = 0.0) -> float:
        """The two-sided p of a mean of `null`: below a level whose interval leaves it out."""
        distance = abs(self.mean - null)
        if self.variance == 0:
            return float(distance == 0)
        return float(2 * distributions.t_sf(distance / np.sqrt(self.variance), self.degrees))


UNKNOWN = Estimate(np.nan, np.nan, np.nan)


def estimate(differences: npt.ArrayLike, resolution: float = 0.0) -> Estimate:
    """The mean of differences [n >= 2], where only seeds vary (Student 1908).

    The standard deviation is at least resolution / sqrt(6), that of the difference of two scores
    that are rounded to multiples of `resolution`, so that equal roundings are no certainty.
    """
    d = np.asarray(differences, np.float64)
    variance = max(d.var(ddof=1), resolution**2 / 6) / len(d)
    return Estimate(float(d.mean()), float(variance), len(d) - 1.0)


def estimate_unpaired(a: npt.ArrayLike, b: npt.ArrayLike, resolution: float = 0.0) -> Estimate:
    """The difference of the means of a [n >= 2] and b [m >= 2], runs that share no seeds.

    Variance and degrees are those of Welch (1947). A side's standard deviation is at least that
    of rounding to multiples of `resolution`, as in `estimate`.
    """
    sides = [np.asarray(side, np.float64) for side in (a, b)]
    parts = [max(side.var(ddof=1), resolution**2 / 12) / len(side) for side in sides]
    doubt = sum(part**2 / (len(side) - 1) for part, side in zip(parts, sides, strict=True))
    variance = sum(parts)
    least = float(min(map(len, sides)) - 1)
    degrees = float(variance**2 / doubt) if doubt else least
    return Estimate(float(sides[0].mean() - sides[1].mean()), float(variance), degrees)


def estimate_crossed(
    contrast: npt.ArrayLike, resolution: float = 0.0, clusters: npt.ArrayLike | None = None
) -> tuple[Estimate, float]:
    """The mean of contrast [seeds, images], where both are drawn from a population.

    Gives also the standard error that the images alone leave, however many the seeds. The
    variance is that of the two-way layout with seeds and images as random effects (Searle,
    Casella and McCulloch 1992, chapter 4), its degrees those of Satterthwaite (1946). `clusters`
    [images] names what each image was taken from, where images come in clusters: these are then
    what is drawn.
    """
    d = np.asarray(contrast, np.float64)
    sizes = None
    if clusters is not None:
        d, sizes = _gather_clusters(d, np.asarray(clusters))
    n, t = d.shape
    factor, free = _weigh_clusters(sizes) if sizes is not None else (1.0, t - 1.0)
    rows, columns, mean = d.mean(axis=1), d.mean(axis=0), d.mean()
    residuals = d - rows[:, None] - columns + mean
    of_seeds = max(rows.var(ddof=1), resolution**2 / 6) / n
    of_images = factor * columns.var(ddof=1) / t
    of_both = factor * (residuals**2).sum() / ((n - 1) * (t - 1)) / (n * t)
    variance = max(of_seeds + of_images - of_both, of_seeds, of_images)
    doubt = of_seeds**2 / (n - 1) + of_images**2 / free + of_both**2 / ((n - 1) * free)
    least = min(n - 1.0, free)
    degrees = max(variance**2 / doubt, least) if doubt else n - 1.0
    found = Estimate(float(mean), float(variance), float(degrees))
    return found, float(np.sqrt(of_images))


def count_effective(clusters: npt.ArrayLike) -> float:
    """The clusters of equal size that would tell as much as these [images] (Kish 1965)."""
    sizes = np.unique(np.asarray(clusters), return_counts=True)[1]
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def _gather_clusters(contrast: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[seeds, images] as [seeds, clusters] of the same row means, weighted by size; the sizes."""
    _, place = np.unique(clusters, return_inverse=True)
    sizes = np.bincount(place)
    own = contrast.mean(axis=1, keepdims=True)
    above = np.stack([np.bincount(place, row) for row in contrast - own])
    return own + above * len(sizes) / len(clusters), sizes


def _weigh_clusters(sizes: np.ndarray) -> tuple[float, float]:
    """For clusters of these sizes [c]: a factor of the variance over them, and its degrees.

    The variance of a weighted mean is estimated by sum w^2 e^2, where e are distances from that
    mean: a quadratic form, whose mean says by how much it is too small, and whose variance how
    many degrees of freedom it has (Satterthwaite 1946). 1 and c - 1 where all sizes are equal.
    """
    w, c = sizes / sizes.sum(), len(sizes)
    two, three, four, five = (float((w**power).sum()) for power in (2, 3, 4, 5))
    trace = two - 2 * three + two**2
    squared = four - 4 * five + 4 * two * four + 2 * three**2 - 4 * two**2 * three + two**4
    return two / trace * (c - 1) / c, trace**2 / squared


def drop_rounding(differences: np.ndarray, largest: float) -> np.ndarray:
    """Differences, those that only the rounding of sums makes (0.1 + 0.2 - 0.3) made 0."""
    return np.where(np.abs(differences) <= NO_DIFFERENCE * largest, 0.0, differences)


def is_constant(values: np.ndarray) -> bool:
    """True where the values differ by no more than rounding."""
    return bool(np.ptp(values) <= NO_DIFFERENCE * float(np.abs(values).max()))


def mean_interval(values: npt.ArrayLike, confidence: float = 1 - ALPHA) -> tuple[float, float]:
    """Student's t interval of the mean of values [n]; NaN for fewer than 2."""
    values = np.asarray(values, np.float64)
    if len(values) < 2:
        return np.nan, np.nan
    return estimate(values).interval(confidence)


def prediction_interval(
    values: npt.ArrayLike, confidence: float = 1 - ALPHA
) -> tuple[float, float]:
    """Where ONE further run falls: mean ± t s sqrt(1 + 1 / n), for normal values [n].

    Raises ValueError on fewer than two values.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"need a list of at least 2 values, not {values.shape}")
    t = distributions.t_isf((1 - confidence) / 2, len(values) - 1)
    half = t * values.std(ddof=1) * np.sqrt(1 + 1 / len(values))
    return float(values.mean() - half), float(values.mean() + half)


def find_deviations(values: npt.ArrayLike) -> np.ndarray:
    """How far values [n] are from their median, NaN where they are (Brown and Forsythe 1974).

    Means of these, compared by Student's t, tell whether values vary alike whatever their kind:
    variances compared by F err far above their level where values are not normal.
    """
    values = np.asarray(values, np.float64)
    known = values[np.isfinite(values)]
    return np.abs(values - (np.median(known) if len(known) else np.nan))


def find_log_variances(values: npt.ArrayLike) -> np.ndarray:
    """Values [n >= 3], one for each of `values`, of which the mean is the log of their variance.

    The jackknife's pseudo-values (Miller 1968, "Jackknifing variances"): Student's t on them, or on
    the paired differences of two, gives an interval of a variance, or of a ratio of two, that
    hardly leans on the normal distribution. Not finite where all values but one are the same.
    """
    x = np.asarray(values, np.float64)
    x = x - x.mean()
    n = len(x)
    rest = np.array([np.delete(x, place).var(ddof=1) for place in range(n)])
    with np.errstate(divide="ignore", invalid="ignore"):
        return n * np.log(x.var(ddof=1)) - (n - 1) * np.log(rest)


def trend_weights(levels: npt.ArrayLike) -> np.ndarray:
    """Weights [n] whose sum of products with scores at `levels` [n] is the least-squares slope.

    Raises ValueError where the levels are all the same.
    """
    levels = np.asarray(levels, np.float64)
    if levels.ndim != 1 or len(levels) < 2 or is_constant(levels - levels.mean()):
        raise ValueError("a slope needs at least two different levels")
    centred = levels - levels.mean()
    return centred / (centred @ centred)


def sign_flip_p(differences: npt.ArrayLike, seed: int = 0) -> float:
    """Two-sided p of the sign-flip test of mean zero (Fisher 1935); exact up to 13 pairs.

    Beyond that, `RESAMPLES` random flips, the observed one counted among them. The p is that of
    `scipy.stats.permutation_test`, which would draw the flips anew for each comparison.
    """
    differences = np.asarray(differences, np.float64)
    if not differences.any():
        return 1.0
    signs, is_exact = _flip_signs(len(differences), seed)
    means, observed = np.mean(signs * differences[:, None], axis=0), np.mean(differences)
    rounding = 100 * np.finfo(np.float64).eps * abs(observed)  # equal but for the order of sums
    fewest = min((means <= observed + rounding).sum(), (means >= observed - rounding).sum())
    return min(1.0, 2 * float(fewest + (not is_exact)) / (signs.shape[1] + (not is_exact)))


@functools.lru_cache(4)
def _flip_signs(count: int, seed: int) -> tuple[npt.NDArray[np.int8], bool]:
    """The signs [count, flips] of a test of so many pairs, and whether these are all there are."""
    if 2**count <= RESAMPLES:
        every = np.array(list(itertools.product((1, -1), repeat=count)), np.int8)
        return np.ascontiguousarray(every.T), True
    pairs = np.tile(np.array([1, -1]), (RESAMPLES, count, 1))
    drawn = np.random.default_rng(seed).permuted(pairs, axis=-1)[:, :, 0].astype(np.int8)
    return np.ascontiguousarray(drawn.T), False


def sign_test(
    differences: npt.ArrayLike, confidence: float = 1 - ALPHA
) -> tuple[float, tuple[float, float]]:
    """The exact test of as many pairs above 0 as below, and the interval that belongs to it.

    On shares of failures, which are 0 or 1 a run, it is McNemar's (1947). The interval is Clopper
    and Pearson's for the share above among those that differ, as a mean difference of such pairs:
    it is none of differences of other sizes.
    """
    d = np.asarray(differences, np.float64)
    above, below = int((d > 0).sum()), int((d < 0).sum())
    differ = above + below
    if not differ:
        return 1.0, (0.0, 0.0)
    tail = distributions.binomial_cdf(min(above, below), differ, 0.5)
    alpha = (1 - confidence) / 2
    low = distributions.beta_ppf(alpha, above, below + 1) if above else 0.0
    high = distributions.beta_isf(alpha, above + 1, below) if below else 1.0
    scale = differ / len(d)
    return min(1.0, 2 * float(tail)), (
        float(scale * (2 * low - 1)),
        float(scale * (2 * high - 1)),
    )


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
    from scipy import stats  # half a second, that other commands need not wait for

    return stats.false_discovery_control(np.asarray(p_values, np.float64)).tolist()
