"""Estimates and tests against known answers, SciPy, and their own promises in simulation."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from cnnjax.study import statistics

D = np.array([0.3, -0.1, 0.4, 0.2, 0.5, -0.2])


def simulate(repetitions, num_seeds, mean=0.0, sd=1.0, seed=0):
    return np.random.default_rng(seed).normal(mean, sd, size=(repetitions, num_seeds))


@pytest.mark.parametrize("confidence", [0.95, 0.99, 0.5])
def test_the_interval_over_seeds_is_students(confidence):
    expected = scipy_stats.ttest_1samp(D, 0).confidence_interval(confidence)
    assert statistics.estimate(D).interval(confidence) == pytest.approx(tuple(expected))


@pytest.mark.parametrize("null", [0.0, 0.1, 0.5])
def test_its_p_is_students(null):
    assert statistics.estimate(D).p(null) == pytest.approx(scipy_stats.ttest_1samp(D, null).pvalue)


@pytest.mark.parametrize("level", [0.05, 0.01])
def test_p_and_interval_never_contradict_each_other(level):
    for row in simulate(200, 5, mean=0.8):
        found = statistics.estimate(row)
        low, high = found.interval(1 - level)
        assert (found.p() < level) == (not low <= 0 <= high)


def test_equal_roundings_are_no_certainty():
    """Three seeds that differ by exactly one image of 1,000: rounding alone could do that."""
    found = statistics.estimate([0.001, 0.001, 0.001], resolution=0.001)
    assert found.variance == pytest.approx(0.001**2 / 6 / 3)
    assert found.interval()[0] < 0 < found.mean
    assert statistics.estimate([0.001] * 3).variance == pytest.approx(0)


def crossed_by_hand(d):
    n, t = d.shape
    rows, columns, mean = d.mean(axis=1), d.mean(axis=0), d.mean()
    s = sum((r - mean) ** 2 for r in rows) / (n - 1) / n
    i = sum((c - mean) ** 2 for c in columns) / (t - 1) / t
    e = sum((d[a, b] - rows[a] - columns[b] + mean) ** 2 for a in range(n) for b in range(t))
    e /= (n - 1) * (t - 1) * n * t
    v = max(s + i - e, s, i)
    return v, v**2 / (s**2 / (n - 1) + i**2 / (t - 1) + e**2 / ((n - 1) * (t - 1))), i


def test_the_estimate_over_seeds_and_images_by_hand():
    d = np.random.default_rng(0).integers(-1, 2, (4, 30)).astype(float)
    variance, degrees, of_images = crossed_by_hand(d)
    found, error = statistics.estimate_crossed(d)
    assert found.mean == pytest.approx(d.mean())
    assert found.variance == pytest.approx(variance)
    assert found.degrees == pytest.approx(max(degrees, 3))
    assert error == pytest.approx(math.sqrt(of_images))


def test_it_is_never_narrower_than_either_population_alone():
    for seed in range(20):
        d = np.random.default_rng(seed).normal(size=(5, 40))
        found, error = statistics.estimate_crossed(d)
        assert found.variance >= max(statistics.estimate(d.mean(axis=1)).variance, error**2) - 1e-15
        assert found.degrees >= 4


def test_clusters_of_equal_size_count_as_one_image_each():
    d = np.random.default_rng(0).normal(size=(6, 12))
    names = np.repeat(np.arange(12), 5)
    repeated = np.repeat(d, 5, axis=1)
    found, error = statistics.estimate_crossed(repeated, clusters=names)
    expected, expected_error = statistics.estimate_crossed(d)
    assert found == pytest.approx(expected) and error == pytest.approx(expected_error)
    assert statistics.estimate_crossed(repeated)[1] < error  # as if they were 60 images


def test_unlike_clusters_have_the_variance_and_degrees_of_their_quadratic_form():
    """By hand: sum w^2 e^2 with e = (1 - 1 w') x is x' A x, of mean tr A and variance 2 tr A^2."""
    sizes = np.array([1, 2, 3, 10])
    w, square = sizes / 16, np.diag((sizes / 16) ** 2)
    centre = np.eye(4) - np.outer(np.ones(4), w)
    form = centre.T @ square @ centre
    factor, degrees = statistics._weigh_clusters(sizes)
    assert factor * 4 / 3 == pytest.approx((w**2).sum() / np.trace(form))
    assert degrees == pytest.approx(np.trace(form) ** 2 / np.trace(form @ form))
    assert statistics._weigh_clusters(np.full(7, 5)) == pytest.approx((1, 6))


def test_clusters_of_unlike_size_are_worth_fewer():
    assert statistics.count_effective(np.arange(30) % 10) == pytest.approx(10)
    assert statistics.count_effective(np.repeat([0, 1, 2], [8, 1, 1])) == pytest.approx(100 / 66)


def test_the_size_of_a_cluster_alone_is_no_variance():
    names = np.repeat(np.arange(10), np.arange(1, 11))
    d = np.full((4, len(names)), 0.25)
    found, error = statistics.estimate_crossed(d, clusters=names)
    assert (found.mean, error) == (0.25, 0) and found.variance == 0


def test_rounding_is_no_difference():
    d = np.array([0.1 + 0.2 - 0.3] * 8)
    assert d.all() and not statistics.drop_rounding(d, 0.3).any()
    assert statistics.drop_rounding(np.array([1e-4]), 0.3) == [1e-4]
    assert statistics.drop_rounding(np.array([0.3]), 1e6) == [
        0.3
    ]  # small beside large scores, and real


def test_sign_flip_is_exact_for_few_pairs():
    sums = [abs((D * signs).sum()) for signs in itertools.product((-1, 1), repeat=len(D))]
    expected = np.mean([value >= abs(D.sum()) - 1e-12 for value in sums])
    assert statistics.sign_flip_p(D) == pytest.approx(expected)
    assert statistics.sign_flip_p([1.0, 1.1, 0.9, 1.2, 1.3]) == pytest.approx(2 / 2**5)
    assert statistics.sign_flip_p([0.0, 0.0]) == 1


@pytest.mark.parametrize("count", [2, 6, 13, 14, 20, 40])
def test_sign_flip_is_that_of_scipy_to_the_bit(count):
    for seed in range(5):
        d = np.random.default_rng(seed).integers(-5, 6, count) / 1000  # with ties
        expected = scipy_stats.permutation_test(
            (d, np.zeros_like(d)), lambda x, y, axis: np.mean(x - y, axis=axis),
            permutation_type="samples", vectorized=True, n_resamples=statistics.RESAMPLES,
            rng=np.random.default_rng(0),
        )  # fmt: skip
        assert statistics.sign_flip_p(d) == expected.pvalue


def test_many_flips_never_give_p_of_zero():
    assert statistics.sign_flip_p(np.ones(40)) == pytest.approx(2 / (statistics.RESAMPLES + 1))


@pytest.mark.parametrize(("above", "below", "ties"), [(8, 0, 2), (6, 1, 0), (3, 3, 4), (0, 5, 5)])
def test_the_sign_test_is_exact(above, below, ties):
    d = np.array([1.0] * above + [-1.0] * below + [0.0] * ties)
    p, (low, high) = statistics.sign_test(d)
    assert p == pytest.approx(scipy_stats.binomtest(above, above + below).pvalue)
    share = scipy_stats.binomtest(above, above + below).proportion_ci()
    scale = (above + below) / len(d)
    assert (low, high) == pytest.approx((scale * (2 * share.low - 1), scale * (2 * share.high - 1)))
    assert (p < 0.05) == (not low <= 0 <= high)


def test_no_pair_that_differs_decides_nothing():
    assert statistics.sign_test([0.0, 0.0, 0.0]) == (1.0, (0.0, 0.0))


def test_holm_by_hand():
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])


def test_benjamini_hochberg_by_hand():
    assert statistics.benjamini_hochberg([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.04, 0.04])


def test_the_interval_of_a_mean_needs_two_values():
    assert all(math.isnan(bound) for bound in statistics.mean_interval([1.0]))
    low, high = statistics.mean_interval([1.0, 2.0, 3.0])
    assert (low + high) / 2 == pytest.approx(2) and high - low == pytest.approx(2 * 2.484138, 1e-5)


def test_prediction_interval_by_hand():
    # Mean 3, s = sqrt(2.5), t(4, 0.975) = 2.776445: half = 2.776445 * 1.581139 * sqrt(1.2).
    low, high = statistics.prediction_interval([1, 2, 3, 4, 5])
    assert (low, high) == (pytest.approx(3 - 4.808945, abs=1e-5), pytest.approx(7.808945, abs=1e-5))
    assert statistics.prediction_interval([2.0, 2.0]) == (2.0, 2.0)
    with pytest.raises(ValueError, match="at least 2 values"):
        statistics.prediction_interval([1.0])


@pytest.mark.parametrize("confidence", [0.95, 0.5])
def test_prediction_intervals_cover_one_further_run_at_their_nominal_rate(confidence):
    rows, covered = simulate(2000, 6), 0
    for row in rows:
        low, high = statistics.prediction_interval(row[:5], confidence)
        covered += low <= row[5] <= high
    low, high = scipy_stats.binom.ppf([0.0005, 0.9995], 2000, confidence)
    assert low <= covered <= high
