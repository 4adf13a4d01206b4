"""What a search of so many trials is expected to find: against every subset, and by simulation."""

import itertools

import numpy as np
import pytest

from cnnjax.study import budget
from tests.searches import make_search

SCORES = [0.3, 0.9, 0.5, np.nan, 0.5, 0.7, np.nan]


def bests_of(scores, size):
    """The best of every subset of that size; what failed is as bad as the worst of the others."""
    worst = min(own for own in scores if own == own)
    sound = [worst if own != own else own for own in scores]
    return [max(own) for own in itertools.combinations(sound, size)]


def test_it_is_the_mean_over_every_subset():
    found = budget.expected_best(SCORES)
    every = [np.mean(bests_of(SCORES, size)) for size in range(1, 8)]
    assert found == pytest.approx(every)
    assert found[-1] == 0.9


def test_a_quantile_is_that_over_every_subset():
    found = budget.quantiles_of_best(SCORES, (0.1, 0.5, 0.9))
    for size in range(1, 8):
        wanted = np.quantile(bests_of(SCORES, size), (0.1, 0.5, 0.9), method="inverted_cdf")
        assert found[:, size - 1] == pytest.approx(wanted)


def test_it_does_not_lean_to_one_side_as_drawing_with_replacement_does():
    """Of 8 trials from a uniform score, the best of n has a mean of n / (n + 1)."""
    rng, n = np.random.default_rng(0), np.arange(1, 9)
    drawn = rng.uniform(size=(4000, 8))
    found = np.array([budget.expected_best(own) for own in drawn])
    error = 3 * found.std(axis=0) / np.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - n / (n + 1)) < error).all()
    steps = np.diff((np.arange(9) / 8) ** n[:, None], axis=1)  # with replacement
    biased = np.sort(drawn, axis=1) @ steps.T
    assert (n / (n + 1) - biased.mean(axis=0))[-1] > 10 * error[-1]


def test_many_trials_are_no_matter_for_sums():
    found = budget.expected_best(np.arange(2000.0))
    assert found[0] == pytest.approx(999.5) and found[-1] == pytest.approx(1999)
    assert (np.diff(found) > -1e-9).all()


@pytest.mark.parametrize("method", ["random"])
def test_the_band_rises_with_the_budget_and_ends_at_the_best(method):
    curve = budget.find_curve(make_search(method=method, num_trials=40))
    assert curve.is_expected and (curve.low <= curve.high).all()
    assert all((np.diff(own) >= 0).all() for own in (curve.low, curve.best, curve.high))
    assert (curve.low[:20] < curve.best[:20]).all() and (curve.best[:20] < curve.high[:20]).all()
    assert curve.low[-1] == curve.high[-1] == pytest.approx(curve.best[-1])
    assert curve.steps[-1] == 40 * 300


def test_what_learns_from_earlier_trials_has_one_order_and_no_band():
    searched = make_search(method="tpe", num_trials=5)
    scores = (np.nan, 0.2, 0.1, 0.4, 0.3)
    trials = [own._replace(score=score) for own, score in zip(searched.trials, scores, strict=True)]
    curve = budget.find_curve(searched._replace(trials=tuple(trials)))
    assert not curve.is_expected and np.isnan(curve.low).all() and np.isnan(curve.high).all()
    np.testing.assert_array_equal(curve.best, [np.nan, 0.2, 0.2, 0.4, 0.4])
    np.testing.assert_array_equal(curve.steps, [300, 600, 900, 1200, 1500])


def test_what_halving_stopped_early_costs_steps_and_is_never_the_best():
    searched = make_search(method="halving", num_trials=3)
    one, two, three = searched.trials
    trials = (
        one._replace(score=0.5),
        two._replace(score=0.9, whole=False, steps=100),
        three._replace(score=0.6),
    )
    curve = budget.find_curve(searched._replace(trials=trials))
    assert curve.best.tolist() == [0.5, 0.5, 0.6] and curve.steps.tolist() == [300, 400, 700]


def test_where_every_trial_failed_there_is_no_curve():
    searched = make_search(num_trials=3)
    failed = tuple(own._replace(score=np.nan) for own in searched.trials)
    assert budget.find_curve(searched._replace(trials=failed)) is None
    with pytest.raises(ValueError, match="every trial failed"):
        budget.expected_best([np.nan, np.nan])
