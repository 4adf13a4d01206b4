"""Statistics against known answers, and against their own promises in simulation."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from cnnjax import stats


def simulate(repetitions, num_seeds, mean=0.0, sd=1.0, seed=0):
    return np.random.default_rng(seed).normal(mean, sd, size=(repetitions, num_seeds))


def test_sign_flip_is_exact_for_few_pairs():
    differences = np.array([0.3, -0.1, 0.4, 0.2, 0.5, -0.2])
    sums = [
        abs((differences * signs).sum())
        for signs in itertools.product((-1, 1), repeat=len(differences))
    ]
    expected = np.mean([value >= abs(differences.sum()) - 1e-12 for value in sums])
    assert stats.sign_flip_p(differences) == pytest.approx(expected)


def test_five_seeds_can_never_reach_the_level():
    assert stats.sign_flip_p([1.0, 1.1, 0.9, 1.2, 1.3]) == pytest.approx(2 / 2**5)
    assert stats.smallest_p(5) == 2 / 2**5 > stats.ALPHA
    assert stats.smallest_p(6) < stats.ALPHA
    assert stats.detectable_effect(5) == math.inf


def test_many_pairs_never_give_p_of_zero():
    assert stats.sign_flip_p(np.ones(40)) == pytest.approx(stats.smallest_p(40))


def test_no_difference_at_all():
    found = stats.compare([0.9, 0.8, 0.7], [0.9, 0.8, 0.7], margin=0.005)
    assert (found.difference, found.p, found.p_equivalence) == (0.0, 1.0, 0.0)
    assert found.interval == (0.0, 0.0) and found.effect_size is None and found.wins == 0.5


def test_compare_by_hand():
    found = stats.compare([0.9, 0.8, 0.7, 0.8], [0.8, 0.8, 0.5, 0.9], margin=0.05)
    differences = np.array([0.1, 0.0, 0.2, -0.1])
    assert found.num_seeds == 4
    assert (found.mean_a, found.mean_b) == (pytest.approx(0.8), pytest.approx(0.75))
    assert found.difference == pytest.approx(0.05)
    assert found.effect_size == pytest.approx(0.05 / differences.std(ddof=1))
    assert found.wins == pytest.approx((2 + 0.5) / 4)
    # a - mean: .1 0 -.1 0; b - mean: .05 .05 -.25 .15
    assert found.pair_correlation == pytest.approx(0.03 / math.sqrt(0.02 * 0.09))


def test_the_same_scores_give_the_same_numbers():
    a, b = simulate(2, 20)
    assert stats.compare(a, b, 0.1) == stats.compare(a, b, 0.1)
    assert stats.compare(a, b, 0.1).interval != stats.compare(a, b, 0.1, seed=1).interval


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [([1.0], [1.0], "at least 2"), ([1.0, 2.0], [1.0], "equally long"),
     ([1.0, math.nan], [1.0, 2.0], "finite")],
)  # fmt: skip
def test_refuses_scores_that_cannot_be_compared(a, b, message):
    with pytest.raises(ValueError, match=message):
        stats.compare(a, b, 0.1)


def test_equivalence_is_two_one_sided_t_tests():
    differences = np.array([0.1, -0.05, 0.02, 0.0, -0.03])
    below = scipy_stats.ttest_1samp(differences, -0.1, alternative="greater").pvalue
    above = scipy_stats.ttest_1samp(differences, 0.1, alternative="less").pvalue
    assert stats.equivalence_p(differences, 0.1) == pytest.approx(max(below, above))


def test_holm_by_hand():
    assert stats.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert stats.holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])


def test_benjamini_hochberg_by_hand():
    assert stats.benjamini_hochberg([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.04, 0.04])


@pytest.mark.parametrize(
    ("relation", "difference", "p", "p_equivalence", "verdict"),
    [
        (">", 0.02, 0.01, 0.9, "supported"),
        (">", -0.02, 0.01, 0.9, "refuted"),
        (">", 0.02, 0.2, 0.9, "inconclusive"),
        (">", 0.001, 0.01, 0.01, "equivalent"),
        ("=", 0.02, 0.01, 0.9, "refuted"),
        ("=", 0.001, 0.7, 0.01, "equivalent"),
        ("=", 0.001, 0.7, 0.9, "inconclusive"),
        ("!=", -0.02, 0.01, 0.9, "supported"),
        ("!=", 0.0, 0.9, 0.01, "equivalent"),
    ],
)
def test_verdicts(relation, difference, p, p_equivalence, verdict):
    assert stats.judge(relation, difference, p, p_equivalence) == verdict


def test_a_true_null_is_rejected_at_its_nominal_rate():
    p_values = [stats.sign_flip_p(row) for row in simulate(400, 10)]
    # 400 draws at 5%: the count lies in [9, 33] with probability 0.999.
    assert 9 <= sum(p < stats.ALPHA for p in p_values) <= 33


def test_a_difference_at_the_margin_is_called_equivalent_at_its_nominal_rate():
    p_values = [stats.equivalence_p(row, 1.0) for row in simulate(1000, 20, mean=1.0)]
    assert 28 <= sum(p < stats.ALPHA for p in p_values) <= 75  # 1,000 draws at 5%, 0.999


def test_intervals_cover_at_their_nominal_rate():
    covered = 0
    for row in simulate(300, 20):
        low, high = stats.bca_interval(row)
        covered += low <= 0 <= high
    # BCa on 20 values covers a little less than 95%; 0.89 to 0.98 allows for that and for chance.
    assert 267 <= covered <= 294


@pytest.mark.parametrize(("num_seeds", "comparisons"), [(10, 1), (20, 1), (20, 4)])
def test_the_detectable_effect_is_detected_with_its_power(num_seeds, comparisons):
    effect = stats.detectable_effect(num_seeds, comparisons)
    rows = simulate(400, num_seeds, mean=effect)
    found = np.mean([scipy_stats.ttest_1samp(row, 0).pvalue < 0.05 / comparisons for row in rows])
    assert found == pytest.approx(0.8, abs=0.07)


def test_detectable_effect_against_a_published_value():
    # Cohen (1988), as G*Power computes it: two-sided paired t, n = 20, power 0.8.
    assert stats.detectable_effect(20) == pytest.approx(0.66, abs=0.005)
