"""Arms that fall behind get no more seeds: by hand, and against a grid by simulation."""

import math
from typing import NamedTuple

import numpy as np
import pytest
from scipy import stats

from cnnjax.study import race

NAN = float("nan")


def run(table, budget, **given):
    """A race over a table [arms, seeds] of what each run would score, and each list it wanted."""
    scores, steps = {}, []
    while (own := race.find_next(scores, len(table), budget, **given)).wanted:
        steps.append(own.wanted)
        scores |= {lane: table[lane[0]][lane[1]] for lane in own.wanted}
    return own, steps


def test_behind_is_whose_paired_deficit_passes_a_one_sided_t_test():
    rng = np.random.default_rng(0)
    scores = np.array([0.0, -0.5, -1.0, -2.0])[:, None] + rng.normal(0, 0.5, (4, 6))
    leader = scores.mean(axis=1).argmax()
    p = [
        stats.ttest_rel(scores[leader], own, alternative="greater").pvalue if i != leader else 1
        for i, own in enumerate(scores)
    ]
    for level in (0.5, 0.05, 0.005):
        assert race.find_behind(scores, level).tolist() == [own < level for own in p]


def test_luck_that_all_arms_of_a_seed_share_is_no_matter():
    """Seeds differ by ten times what arms do, and the arm behind is known all the same."""
    luck, own = np.linspace(-5, 5, 5), np.array([0.01, -0.01, 0.0, 0.02, -0.02])
    assert race.find_behind([luck, luck - 0.5 + own], 0.001).tolist() == [False, True]


def test_equal_roundings_are_no_certainty():
    """One image of 100 more each time may be chance: ten of 1,000 more are none."""
    scores = np.array([[0.9] * 4, [0.89] * 4])
    assert not race.find_behind(scores, 0.001, resolution=0.01).any()
    assert race.find_behind(scores, 0.001, resolution=0.001).tolist() == [False, True]
    assert not race.find_behind([[0.9] * 4] * 2, 0.5).any()
    assert not race.find_behind(np.zeros((2, 4)), 0.5).any()
    third = race.find_behind([[0.1 + 0.2] * 4, [0.3] * 4], 0.05)  # unlike by rounding alone
    assert not third.any()


def test_who_failed_is_out_and_leads_nobody():
    scores = [[0.9, 0.9, NAN], [0.5, 0.6, 0.4], [0.5, 0.4, 0.6]]
    assert race.find_behind(scores, 0.05).tolist() == [True, False, False]
    assert race.find_behind([[NAN] * 3] * 2, 0.05).tolist() == [True, True]
    assert race.find_behind([[0.9, NAN], [0.1, 0.2]], 0.5).tolist() == [True, False]


def test_each_arm_runs_the_same_seeds_up_to_the_first_look():
    own = race.find_next({}, 3, budget=30, looks=(4, 6))
    assert own.wanted == tuple((arm, seed) for seed in range(4) for arm in range(3))
    assert (own.alive, own.seeds, own.spent, own.winner) == ((0, 1, 2), 0, 0, None)
    some = race.find_next({(0, 0): 0.5, (2, 3): NAN}, 3, budget=30, looks=(4, 6))
    assert some.wanted == tuple(lane for lane in own.wanted if lane not in ((0, 0), (2, 3)))


def test_what_losers_leave_goes_to_those_that_are_still_in():
    """Two equal arms and two far behind: 40 runs are ten seeds each, or 4 and 16."""
    rng = np.random.default_rng(0)
    table = np.array([0.0, 0.0, -9.0, -9.0])[:, None] + rng.normal(0, 0.1, (4, 40))
    own, steps = run(table, 40, looks=(4, 8))
    assert own.alive == (0, 1) and own.spent == 40 and own.seeds == 16
    assert [len(step) for step in steps] == [16, 8, 16]
    assert all(arm < 2 for step in steps[1:] for arm, _ in step)
    assert own.winner == table[:2, :16].mean(axis=1).argmax()


def test_it_is_over_once_one_arm_is_left():
    table = [[0.9, 0.91, 0.9, 0.91], [0.5, 0.5, 0.52, 0.5]]
    own, steps = run(table, 100, looks=(4, 8))
    assert own == race.Race((0,), 4, 8, (), 0) and len(steps) == 1
    lone, _ = run([[0.5] * 5], 5, looks=(4,))
    assert lone.winner == 0 and lone.spent == 4


def test_a_budget_is_never_overspent_and_shared_evenly():
    rng = np.random.default_rng(0)
    for budget in (2, 3, 7, 11, 12, 40):
        own, steps = run(rng.normal(size=(3, 40)), budget, looks=(4, 6))
        assert own.spent == sum(map(len, steps)) == budget // 3 * 3
        assert (own.winner is None) == (budget < 3)


def test_where_all_failed_nobody_wins():
    own, _ = run([[NAN] * 9] * 2, 18, looks=(4,))
    assert own.alive == () and own.winner is None and own.spent == 8


def test_more_looks_and_more_arms_take_more_to_be_dropped():
    table = [[0.03, 0.01, 0.02, 0.03], [0.0, 0.0, 0.0, 0.0]]
    assert run(table, 8, looks=(4,))[0].alive == (0,)
    assert run(table, 8, looks=(4, *range(100, 150)))[0].alive == (0, 1)
    assert 0 in (many := run(table + [[0.02] * 4] * 60, 248, looks=(4,))[0]).alive
    assert 1 in many.alive


class Outcome(NamedTuple):
    """Shares of simulated races, beside grids of as many runs."""

    race: float  # that found the best arm
    grid: float
    dropped: float  # in which the best arm was dropped
    spent: float  # of the budget


def simulate(gaps, num_seeds, repetitions, seed=0):
    """Arms `gaps` behind the best; luck of a seed 0.01, shared by all, and 0.004 of each run."""
    rng, gaps = np.random.default_rng(seed), np.asarray(gaps)
    budget, size = len(gaps) * num_seeds, (len(gaps), 16 * num_seeds)
    found = []
    for _ in range(repetitions):
        shared = rng.normal(0, 0.01, (1, size[1]))
        table = shared - gaps[:, None] + rng.normal(0, 0.004, size)
        own, _ = run(table, budget)
        by_grid = table[:, :num_seeds].mean(axis=1).argmax() == 0
        found.append((own.winner == 0, by_grid, 0 not in own.alive, own.spent / budget))
    outcome = Outcome(*np.mean(found, axis=0))
    print(
        f"{repetitions} races of {len(gaps)} arms, {num_seeds} seeds each: best arm found in"
        f" {outcome.race:.0%}, by the grid in {outcome.grid:.0%}; dropped in {outcome.dropped:.1%};"
        f" {outcome.spent:.0%} of the runs spent"
    )
    return outcome


FIELDS = {  # in accuracy: sixteen arms, the first of which is the best
    "spread": [0.0, *np.linspace(0.002, 0.06, 15)],
    "few rivals": [0.0] + [0.002] * 3 + [0.02] * 12,
}


@pytest.mark.parametrize("field", FIELDS)
def test_it_finds_the_best_arm_more_often_than_a_grid_of_as_many_runs(field):
    outcome = simulate(FIELDS[field], 10, 80)
    assert outcome.race > outcome.grid + 0.05 and outcome.spent <= 1
    assert outcome.dropped <= 0.05


@pytest.mark.parametrize("gap", [0.0, 0.001])
def test_the_best_is_seldom_dropped(gap):
    """Also where others are as good, and one of them looks better by luck."""
    outcome = simulate([0.0] + [gap] * 15, 6, 200)
    assert outcome.dropped <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)
    assert outcome.race == pytest.approx(outcome.grid, abs=0.1)
