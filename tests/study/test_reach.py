"""What a judged comparison could have found, and what would change its verdict."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from cnnjax.study import decision, power, reach, statistics
from cnnjax.study.decision import Question

RELATIONS = (">", "<", "=", "!=")


def judge_one(difference, relation: Any = ">", margin=0.005, **given):
    """The row of differences [seeds] against 0."""
    own = Question(
        difference, np.zeros(len(difference)), relation, margin, role="headline", **given
    )
    return {"metric": "test_accuracy", **decision.judge([own], "bonferroni")[0]}


def draw(num_seeds, mean, deviation=0.01, seed=0):
    """Differences of exactly that mean and deviation."""
    d = np.random.default_rng(seed).normal(size=num_seeds)
    return mean + deviation * (d - d.mean()) / d.std(ddof=1)


def test_over_seeds_it_is_the_power_of_the_plan():
    row = judge_one(draw(8, 0.003))
    found = reach.find_power(row)
    assert found.detectable == pytest.approx(0.01 * (power.detectable_effect(8) or 0))
    assert found.equivalence == pytest.approx(power.equivalence_power(8, 0.5))


def test_what_can_be_found_is_found_in_80_percent():
    rng = np.random.default_rng(0)
    effect = 0.01 * power.find_distance(7) / math.sqrt(8)
    d = rng.normal(effect, 0.01, (4000, 8))
    t = d.mean(axis=1) / d.std(axis=1, ddof=1) * math.sqrt(8)
    assert (np.abs(t) > stats.t.isf(0.025, 7)).mean() == pytest.approx(0.8, abs=0.02)


def test_images_count_as_they_do_in_the_verdict():
    """What studies without an effect say they could find, 80% find where it is there."""
    rng = np.random.default_rng(1)

    def study(effect):
        own = rng.normal(0, 0.03, (6, 1)) + rng.normal(0, 0.8, 400) + rng.normal(0, 0.5, (6, 400))
        images = effect + own
        return judge_one(images.mean(axis=1), images=images)

    named = np.mean([reach.find_power(study(0.0)).detectable for _ in range(150)])
    found = [study(named)["interval"][0] > 0 for _ in range(300)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.07)


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("mean", [-0.03, -0.008, -0.004, 0.0, 0.004, 0.008, 0.03])
@pytest.mark.parametrize("deviation", [0.001, 0.01])
def test_a_mean_that_is_moved_so_far_has_another_verdict(relation, mean, deviation):
    row = judge_one(draw(8, mean, deviation), relation)
    change = reach.find_change(row)
    assert change is not None and change.verdict != row["verdict"]
    beyond, before = (
        change.shift + side * 1e-6 * math.copysign(1, change.shift) for side in (1, -1)
    )
    assert judge_one(draw(8, mean + beyond, deviation), relation)["verdict"] == change.verdict
    assert judge_one(draw(8, mean + before, deviation), relation)["verdict"] == row["verdict"]


def test_a_threshold_is_what_the_mean_has_to_fall_below():
    row = judge_one(draw(8, 0.05), threshold=0.02)
    assert row["verdict"] == "supported"
    change = reach.find_change(row)
    assert change is not None and change.verdict == "inconclusive"
    assert change.shift == pytest.approx(0.02 - row["interval"][0], rel=1e-3)


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("mean", [0.003, 0.006, -0.004])
def test_so_many_seeds_decide_and_one_fewer_do_not(relation, mean):
    row = judge_one(draw(5, mean), relation)
    assert row["verdict"] == "inconclusive"
    need = reach.find_need(row)
    assert need.seeds is not None and need.seeds > 5 and not need.is_bound
    assert judge_one(draw(need.seeds, mean), relation)["verdict"] == need.verdict != "inconclusive"
    assert judge_one(draw(need.seeds - 1, mean), relation)["verdict"] == "inconclusive"


def test_at_its_margin_no_difference_asks_for_more_than_anyone_runs():
    need = reach.find_need(judge_one(draw(5, 0.005), "="))
    assert need.seeds is None and not need.is_bound


def test_images_that_bound_it_are_not_overcome_by_seeds():
    images = np.random.default_rng(0).normal(0.01, 0.3, 300) + np.zeros((5, 1))
    images += np.random.default_rng(1).normal(0, 0.002, (5, 1))
    row = judge_one(images.mean(axis=1), images=images)
    assert row["verdict"] == "inconclusive" and decision.BOUND in row["warnings"]
    assert reach.find_need(row) == (None, "inconclusive", True)


@pytest.mark.parametrize(("shared", "least", "most"), [(0.0, 0.0, 0.4), (0.5, 0.9, 1.0)])
def test_images_are_not_blamed_for_what_more_seeds_would_even_out(shared, least, most):
    """Five seeds that disagree on unlike images leave much open, and images alone nothing of it."""
    rng = np.random.default_rng(0)

    def study():
        of_images = rng.normal(0, 0.2 * math.sqrt(shared), 1000)
        of_both = rng.normal(0, 0.2 * math.sqrt(1 - shared), (5, 1000))
        images = of_images + of_both
        return judge_one(images.mean(axis=1), images=images)

    rows = [row for row in (study() for _ in range(100)) if row["verdict"] == "inconclusive"]
    bound = [reach.find_need(row).is_bound for row in rows]
    assert bound == [decision.BOUND in row["warnings"] for row in rows]
    assert least <= np.mean(bound) <= most


def test_what_has_no_interval_has_no_reach():
    assert not reach.has_interval(judge_one([0.1, 0.2]))
    failures = {**judge_one([0, 0, 1, 0, 0], counts_failures=True), "metric": "failed"}
    assert not reach.has_interval(failures)


@pytest.mark.parametrize("level", [0.05, 0.02, 0.01, 0.005])
def test_the_fewest_failures_that_the_exact_test_takes_for_no_chance(level):
    least = reach.count_failures(level)
    assert (
        statistics.sign_test([1] * least)[0] < level <= statistics.sign_test([1] * (least - 1))[0]
    )
