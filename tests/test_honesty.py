"""Verdicts keep their promises: no more false ones than stated, and true effects are found.

Every arm is drawn here, so what is true of it is known: scores share the noise of their seed.
Counts are held against the bound that a rate of exactly 5% (or less) exceeds once in a thousand.
"""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from cnnjax import stats

NUM_SEEDS, SHARED, OWN = 20, 0.02, 0.005  # standard deviations of an accuracy
SD = OWN * np.sqrt(2)  # of a paired difference


def draw_scores(repetitions, arms, means=0.0, seed=0):
    """Accuracies [repetitions, arms, seeds], the arms' `means` (or one for all) apart."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(0.9, SHARED, (repetitions, 1, NUM_SEEDS))
    own = rng.normal(0, OWN, (repetitions, arms, NUM_SEEDS))
    return shared + own + np.reshape(means, (-1, 1))


def decide(a, b, relation, margin):
    found = stats.compare(a, b, margin)
    return stats.judge(relation, found.difference, found.p, found.p_equivalence)


def count(verdicts, *wanted):
    return sum(verdict in wanted for verdict in verdicts)


def at_most(repetitions, rate):
    return scipy_stats.binom.ppf(0.999, repetitions, rate)


@pytest.fixture(scope="module")
def null_comparisons():
    """200 comparisons of two arms that are the same but for the noise of their own."""
    return [stats.compare(a, b, margin=SD / 4) for a, b in draw_scores(200, 2)]


@pytest.mark.parametrize("relation", ["!=", "=", ">", "<"])
def test_arms_that_are_the_same_are_seldom_told_apart(null_comparisons, relation):
    verdicts = [
        stats.judge(relation, found.difference, found.p, found.p_equivalence)
        for found in null_comparisons
    ]
    assert count(verdicts, "supported", "refuted") <= at_most(200, 0.05)
    assert count(verdicts, "equivalent", "inconclusive") >= 200 - at_most(200, 0.05)
    if relation in "><":  # half of the false findings, at most, say what the claim says
        assert count(verdicts, "supported") <= at_most(200, 0.025)


def test_the_rate_of_false_findings_is_not_far_below_the_nominal_one(null_comparisons):
    """A test that never finds anything would pass the tests above."""
    false = sum(found.p < stats.ALPHA for found in null_comparisons)
    assert false >= scipy_stats.binom.ppf(0.001, 200, 0.05) > 0


def test_intervals_hold_no_difference_where_there_is_none(null_comparisons):
    outside = sum(not low <= 0 <= high for low, high in (c.interval for c in null_comparisons))
    assert outside <= at_most(200, 0.07)  # BCa of 20 values covers about 93%


def test_several_comparisons_share_one_rate_of_false_findings():
    """Holm: of 60 claims that compare one arm with four like it, about 3 find any difference."""
    claims = 0
    for arms in draw_scores(60, 5, seed=1):
        p = [stats.sign_flip_p(arms[0] - other) for other in arms[1:]]
        claims += min(stats.holm(p)) < stats.ALPHA
    assert claims <= at_most(60, 0.05)


@pytest.fixture(scope="module")
def planted_comparisons():
    """100 comparisons with the difference that 20 seeds are said to find in 80 of them."""
    effect = SD * stats.detectable_effect(NUM_SEEDS)
    scores = draw_scores(100, 2, means=[effect, 0], seed=2)
    return [stats.compare(a, b, margin=SD / 4) for a, b in scores]


@pytest.mark.parametrize("relation", [">", "<", "!=", "="])
def test_an_effect_as_large_as_promised_is_found(planted_comparisons, relation):
    verdicts = [
        stats.judge(relation, found.difference, found.p, found.p_equivalence)
        for found in planted_comparisons
    ]
    right, wrong = ("supported", "refuted")[:: 1 if relation in (">", "!=") else -1]
    assert count(verdicts, right) >= 75 and count(verdicts, wrong) == 0


def test_a_larger_effect_is_found_more_often_and_a_smaller_one_less(planted_comparisons):
    found = sum(each.p < stats.ALPHA for each in planted_comparisons)
    half, twice = (
        sum(
            stats.sign_flip_p(a - b) < stats.ALPHA
            for a, b in draw_scores(50, 2, [factor * SD * stats.detectable_effect(NUM_SEEDS), 0], 2)
        )
        for factor in (0.5, 2)
    )
    assert 2 * half < found - 20 and twice == 50


@pytest.mark.parametrize("sign", [1, -1])
def test_a_difference_at_the_margin_is_seldom_called_equivalent(sign):
    scores = draw_scores(100, 2, means=[sign * SD, 0], seed=3)
    verdicts = [decide(a, b, "=", margin=SD) for a, b in scores]
    assert count(verdicts, "equivalent") <= at_most(100, 0.05)


def test_a_difference_well_within_the_margin_is_called_equivalent():
    scores = draw_scores(50, 2, means=[SD / 10, 0], seed=4)
    verdicts = [decide(a, b, "=", margin=SD) for a, b in scores]
    assert count(verdicts, "equivalent") >= 45
