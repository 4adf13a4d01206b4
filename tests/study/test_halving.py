"""How far each trial is trained: known rungs, and rounds that follow from the scores alone."""

import numpy as np
import pytest

from cnnjax.study import halving

STOPS = (50, 150, 400)


def run(worth, places=8, stops=STOPS, failed=()):
    """Rounds until nothing more is wanted, and what they came to [trial -> stops].

    A trial scores what it is worth, at every stop.
    """
    known, rounds = {}, []

    def score(number, stop):
        return known.get((number, stop))

    while True:
        reached = halving.replay(len(worth), places, stops, score)
        new = [(n, own[-1]) for n, own in reached.items() if (n, own[-1]) not in known]
        if not new:
            return reached, rounds
        rounds.append(new)
        known |= {(n, stop): np.nan if n in failed else worth[n] for n, stop in new}


def test_rungs_are_a_ninth_a_third_and_all_where_a_run_is_evaluated():
    assert halving.list_stops(400, 50) == (50, 150, 400)
    assert halving.list_stops(900, 0) == (100, 300, 900)
    assert halving.list_stops(450, 50) == (50, 150, 450)
    assert halving.list_stops(400, 0) == (44, 132, 400)
    assert halving.list_stops(1000, 50) == (100, 300, 1000)
    assert halving.list_stops(36, 50) == (4, 12, 36)  # evaluated too seldom for that
    assert halving.list_stops(2, 0) == (1, 2)
    assert halving.list_stops(1, 0) == (1,)


def test_of_so_many_at_a_rung_a_third_goes_on():
    worth = np.random.default_rng(0).permutation(81)
    reached, rounds = run(worth, places=9)
    last = {number: own[-1] for number, own in reached.items()}
    assert sorted(last) == list(range(81))
    assert all(last[number] == 400 for number in np.flatnonzero(worth >= 78))
    at_least = {stop: sum(own >= stop for own in last.values()) for stop in STOPS}
    assert at_least[50] == 81  # more than a third, for those who came early were judged by few
    assert 81 // 3 <= at_least[150] < 81 // 3 + 9 and 81 // 9 <= at_least[400] < 81 // 9 + 9
    assert sum(last.values()) < 81 * 400 / 3


def test_places_are_filled_in_every_round_as_long_as_there_are_new_trials():
    worth = np.random.default_rng(1).permutation(64)
    _, rounds = run(worth)
    first_of = {n: step for step, own in reversed([*enumerate(rounds)]) for n, _ in own}
    last_new = max(first_of.values())
    assert all(len(own) == 8 for own in rounds[:last_new])
    for before, after in zip(rounds, rounds[1:], strict=False):
        assert {n for n, stop in before if stop not in STOPS} <= {n for n, _ in after}


def test_all_of_a_round_train_the_same_number_of_steps_but_for_the_end():
    worth = np.random.default_rng(2).permutation(40)
    _, rounds = run(worth)
    so_far = {}
    for own in rounds:
        lengths = {stop - so_far.get(n, 0) for n, stop in own}
        assert lengths == {50}
        so_far.update(own)


def test_a_trial_that_failed_goes_no_further():
    worth = np.arange(27)
    reached, _ = run(worth, failed=range(20, 27))
    assert all(reached[n] == [50] for n in range(20, 27))
    assert reached[19][-1] == 400
    assert run(worth, failed=range(27))[0] == {n: [50] for n in range(27)}


@pytest.mark.parametrize("number", [1, 2, 3, 5, 9])
def test_however_few_there_are_one_is_trained_to_the_end(number):
    reached, _ = run(np.arange(number))
    assert reached[number - 1][-1] == 400


def test_what_is_wanted_does_not_tell_who_recorded_it_or_when():
    worth = np.random.default_rng(3).permutation(30)
    whole, rounds = run(worth)
    known = {(n, stop): float(worth[n]) for own in rounds for n, stop in own}
    assert whole == halving.replay(30, 8, STOPS, lambda n, stop: known.get((n, stop)))
    for place in range(len(rounds)):
        early = {own: known[own] for row in rounds[:place] for own in row}
        found = halving.replay(30, 8, STOPS, lambda n, stop, early=early: early.get((n, stop)))
        assert [(n, own[-1]) for n, own in found.items() if (n, own[-1]) not in early] == (
            rounds[place]
        )
