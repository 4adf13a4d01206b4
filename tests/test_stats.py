"""Statistics against known answers, and against their own promises in simulation."""

import itertools
import math
from typing import get_args

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


NO, YES = 0.2, 0.01  # adjusted p values
VERDICTS = {  # relation: verdict on a significant difference above 0, and on one below
    ">": ("supported", "refuted"),
    "<": ("refuted", "supported"),
    "=": ("refuted", "refuted"),
    "!=": ("supported", "supported"),
}
assert set(VERDICTS) == set(get_args(stats.Relation))


@pytest.mark.parametrize("relation", VERDICTS)
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("p", [NO, YES])
@pytest.mark.parametrize("p_equivalence", [NO, YES])
def test_verdicts(relation, sign, p, p_equivalence):
    expected = VERDICTS[relation][sign < 0] if p == YES else "inconclusive"
    if p_equivalence == YES:
        expected = "equivalent"  # whether significant or not
    assert stats.judge(relation, 0.02 * sign, p, p_equivalence) == expected


@pytest.mark.parametrize("relation", VERDICTS)
def test_the_level_itself_is_not_significant(relation):
    assert stats.judge(relation, 0.02, stats.ALPHA, stats.ALPHA) == "inconclusive"


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


def answer(num_seeds, num_examples, rng):
    """Which examples two arms get right [2, seeds, examples]: seeds and examples vary, in pairs."""
    seeds = rng.normal(0, 0.3, (2, num_seeds, 1))
    examples = rng.normal(0, 1, num_examples) + rng.normal(0, 0.5, (2, 1, num_examples))
    noise = rng.normal(0, 0.5, (2, num_seeds, num_examples))
    return seeds + examples + noise > np.array([-1.0, -0.8]).reshape(2, 1, 1)


EXPECTED = np.diff(scipy_stats.norm.cdf([-1.0, -0.8], scale=math.sqrt(0.09 + 1 + 0.25 + 0.25)))


@pytest.mark.parametrize("num_examples", [50, 400])
def test_a_crossed_interval_covers_what_new_seeds_and_new_examples_bring(num_examples):
    rng, crossed, seeds_only, widths = np.random.default_rng(0), 0, 0, []
    for _ in range(200):
        a, b = answer(20, num_examples, rng)
        low, high = stats.crossed_interval(a, b)
        crossed += low <= EXPECTED <= high
        paired = a.mean(axis=1) - b.mean(axis=1)
        mean, error = paired.mean(), paired.std(ddof=1) / math.sqrt(20)
        seeds_only += abs(mean - EXPECTED) <= 2.09 * error
        widths.append((high - low) / (2 * 2.09 * error))
    # 200 draws at 0.925: the count lies in [171, 196] with probability 0.999.
    assert 171 <= crossed <= 196
    if num_examples == 50:  # a small test set: seeds alone say too little
        assert np.mean(widths) > 1.5 and seeds_only < 165
    else:
        assert 0.9 < np.mean(widths) < 1.2


def test_a_crossed_interval_by_hand():
    # Each draw of 2 examples out of 2 has the differing one 0, 1 or 2 times: 0, 1/2 or 1.
    a, b = np.array([[1, 1], [1, 1]], bool), np.array([[0, 1], [0, 1]], bool)
    assert stats.crossed_interval(a, b, confidence=0.4) == (0.5, 0.5)
    assert stats.crossed_interval(a, b) == (0.0, 1.0)
    assert stats.crossed_interval(b, a) == (-1.0, 0.0)
    assert stats.crossed_interval(a, a) == (0.0, 0.0)


def test_a_crossed_interval_is_the_plain_bootstrap_of_either_axis_where_the_other_is_constant():
    differs = np.zeros((20, 30), bool)
    differs[:6] = True  # six seeds of twenty: binomial
    expected = scipy_stats.binom.ppf([0.025, 0.975], 20, 0.3) / 20
    none = np.zeros_like(differs)
    assert stats.crossed_interval(differs, none) == pytest.approx(tuple(expected), abs=0.051)
    across = np.zeros((4, 400), bool)
    across[:, :120] = True
    expected = scipy_stats.binom.ppf([0.025, 0.975], 400, 0.3) / 400
    none = np.zeros_like(across)
    assert stats.crossed_interval(across, none) == pytest.approx(tuple(expected), abs=0.004)


def test_a_crossed_interval_follows_its_seed():
    a, b = answer(20, 100, np.random.default_rng(0))
    assert stats.crossed_interval(a, b) == stats.crossed_interval(a, b)
    assert stats.crossed_interval(a, b) != stats.crossed_interval(a, b, seed=1)


@pytest.mark.parametrize(
    "shapes", [((3, 4), (4, 3)), ((1, 4), (1, 4)), ((3, 1), (3, 1)), ((3,),) * 2]
)
def test_refuses_answers_that_cannot_be_crossed(shapes):
    with pytest.raises(ValueError, match="2 seeds x 2 examples"):
        stats.crossed_interval(*(np.zeros(shape, bool) for shape in shapes))


def test_prediction_interval_by_hand():
    # Mean 3, s = sqrt(2.5), t(4, 0.975) = 2.776445: half = 2.776445 * 1.581139 * sqrt(1.2).
    low, high = stats.prediction_interval([1, 2, 3, 4, 5])
    assert (low, high) == (pytest.approx(3 - 4.808945, abs=1e-5), pytest.approx(7.808945, abs=1e-5))
    assert stats.prediction_interval([2.0, 2.0]) == (2.0, 2.0)
    with pytest.raises(ValueError, match="at least 2 values"):
        stats.prediction_interval([1.0])


@pytest.mark.parametrize("confidence", [0.95, 0.5])
def test_prediction_intervals_cover_one_further_run_at_their_nominal_rate(confidence):
    rows, covered = simulate(2000, 6), 0
    for row in rows:
        low, high = stats.prediction_interval(row[:5], confidence)
        covered += low <= row[5] <= high
    low, high = scipy_stats.binom.ppf([0.0005, 0.9995], 2000, confidence)
    assert low <= covered <= high


def test_trend_is_exact_on_straight_lines():
    levels, slopes = np.array([0.0, 0.5, 2.0]), np.array([1.5, -2.0, 0.0])
    np.testing.assert_allclose(
        stats.trend(levels, 7 + np.outer(levels, slopes)), slopes, atol=1e-12
    )


def test_trend_is_the_least_squares_slope():
    levels, scores = np.array([0.0, 1.0, 3.0, 4.0]), simulate(4, 5)
    expected = np.polyfit(levels, scores, 1)[0]
    np.testing.assert_allclose(stats.trend(levels, scores), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("levels", "scores", "message"),
    [([1, 2], np.zeros((3, 2)), r"not \(2,\), \(3, 2\)"), ([1, 2], np.zeros(2), "seeds"),
     ([1, 1], np.zeros((2, 2)), "two different levels"), ([1], np.zeros((1, 2)), "two different")],
)  # fmt: skip
def test_refuses_what_has_no_slope(levels, scores, message):
    with pytest.raises(ValueError, match=message):
        stats.trend(levels, scores)


def test_too_few_seeds_are_warned_of():
    assert stats.find_limits(6, 1) == [] != stats.find_limits(6, 2)
    assert stats.find_limits(5, 1) == ["5 seeds can reach an adjusted p of 0.0625 at best"]
