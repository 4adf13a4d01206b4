"""What a knob explains of a search's scores: nothing of chance, and what was planted."""

import itertools

import numpy as np
import pytest

from cnnjax.study import importance, statistics
from cnnjax.study.importance import find_effect, find_importance
from tests.searches import SPACE, Axis, make_search


def shares(searched):
    return {own.knob: own.share for own in find_importance(searched)}


def found(searched):
    return {own.knob for own in find_importance(searched) if own.is_found}


def test_chance_is_taken_off_exactly():
    """Over all orders of the scores the mean share is 0, also where they are ordered in blocks."""
    scores, groups = np.array([1.0, 4.0, 2.0, 8.0, 5.0, 7.0]), [0, 0, 1, 1, 2, 2]
    every = [find_effect(own, groups, [0] * 6).share for own in itertools.permutations(scores)]
    assert np.mean(every) == pytest.approx(0, abs=1e-12)
    blocks = [0, 0, 0, 1, 1, 1]
    inside = [
        find_effect([*one, *other], groups, blocks).share
        for one in itertools.permutations(scores[:3])
        for other in itertools.permutations(scores[3:])
    ]
    assert np.mean(inside) == pytest.approx(0, abs=1e-12)


def test_of_one_block_it_is_epsilon_squared():
    rng = np.random.default_rng(0)
    scores, groups = rng.normal(size=30), rng.integers(0, 4, 30)
    means = np.array([scores[groups == own].mean() for own in groups])
    between = ((means - scores.mean()) ** 2).sum()
    total = ((scores - scores.mean()) ** 2).sum()
    wanted = (between - 3 * (total - between) / 26) / total
    assert find_effect(scores, groups, np.zeros(30)).share == pytest.approx(wanted)


def test_groups_that_explain_all_have_a_share_of_one():
    own = find_effect(np.repeat([0.1, 0.5, 0.9], 6), np.repeat([0, 1, 2], 6), np.zeros(18))
    assert own.share == pytest.approx(1) and own.p == pytest.approx(1 / 2000)


def test_planted_knobs_are_found_in_their_order():
    own = shares(make_search(num_trials=64))
    assert found(make_search(num_trials=64)) >= {"learning_rate"}
    assert own["learning_rate"] > 0.5 > own["pool"] > -0.1
    assert max(abs(own["weight_decay"]), abs(own["batch_size"])) < 0.15


@pytest.mark.parametrize("num_trials", [24, 48])
def test_a_knob_that_does_nothing_is_seldom_important_and_one_that_does_is_found(num_trials):
    searches = [make_search(num_trials=num_trials, seed=seed, noise=0.02) for seed in range(100)]
    each = [{own.knob: own for own in find_importance(searched)} for searched in searches]
    for knob in ("weight_decay", "batch_size"):
        wrong = np.mean([own[knob].is_found for own in each])
        assert wrong <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(each))
        nothing = np.array([own[knob].share for own in each])
        assert abs(nothing.mean()) < 3 * nothing.std() / np.sqrt(len(each))
    any_wrong = np.mean([own["weight_decay"].is_found or own["batch_size"].is_found
                         for own in each])  # fmt: skip
    assert any_wrong <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(each))
    assert np.mean([own["learning_rate"].is_found for own in each]) >= 0.9


def learn(seed, drift=True):
    """A method that learns: with each batch scores rise, and a knob without effect drifts."""
    rng = np.random.default_rng(seed)
    searched = make_search("tpe", 48, space={"idle": Axis()}, seed=seed)
    trials = []
    for trial in searched.trials:
        place = float(np.clip(0.1 + 0.15 * trial.batch + 0.2 * rng.normal(), 0, 1))
        score = 0.5 + 0.05 * trial.batch + 0.02 * rng.normal()
        trials.append(trial._replace(place=(place,), score=score))
    return searched._replace(trials=tuple(trials))


def test_under_a_method_that_learns_what_merely_drifts_is_not_important():
    """Compared over all batches it nearly always is: the later trials are better, and elsewhere."""
    own = [learn(seed) for seed in range(60)]
    wrong = np.mean(["idle" in found(searched) for searched in own])
    assert wrong <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(own))
    assert np.mean(["idle" in found(s._replace(method="random")) for s in own]) > 0.9


def test_what_matters_is_found_though_later_trials_lie_where_scores_are_high():
    def crowd(seed):
        rng, searched = np.random.default_rng(seed), make_search("tpe", 48, space={"x": Axis()})
        trials = []
        for own in searched.trials:
            place = rng.uniform() if own.number < 16 else 0.3 + 0.1 * rng.uniform(-1, 1)
            score = 0.9 - (place - 0.3) ** 2 + 0.03 * rng.normal()
            batch = max(0, own.batch - 1)
            trials.append(own._replace(place=(place,), score=score, batch=batch))
        return searched._replace(trials=tuple(trials))

    assert np.mean(["x" in found(crowd(seed)) for seed in range(40)]) >= 0.9


def test_where_each_trial_is_its_own_batch_nothing_can_be_told():
    searched = make_search("tpe", 20)
    alone = tuple(own._replace(batch=own.number) for own in searched.trials)
    each = find_importance(searched._replace(trials=alone))
    assert all(np.isnan(own.share) and own.p == 1 and not own.is_found for own in each)


def test_a_failed_trial_counts_as_the_worst_of_the_others():
    """A rate at which runs fail is so as important as one at which they are poor."""
    searched = make_search(num_trials=48)
    failed = tuple(
        own._replace(score=np.nan) if own.setting["learning_rate"] > 0.2 else own
        for own in searched.trials
    )
    worst = min(own.score for own in failed if own.score == own.score)
    poor = tuple(own._replace(score=worst) if own.score != own.score else own for own in failed)
    assert find_importance(searched._replace(trials=failed)) == find_importance(
        searched._replace(trials=poor)
    )
    assert "learning_rate" in found(searched._replace(trials=failed))


def test_under_halving_who_was_trained_for_longer_ranks_higher():
    searched = make_search("halving", 4)
    scores, steps = (0.9, 0.8, np.nan, 0.3), (100, 300, 900, 300)
    trials = tuple(
        own._replace(score=score, steps=3 * step, whole=step == 900)
        for own, score, step in zip(searched.trials, scores, steps, strict=True)
    )
    own = searched._replace(trials=trials)
    assert importance.is_by_rank(own)
    assert importance.rank_by_length(own).tolist() == [2, 4, 1, 3]


def test_a_run_that_failed_before_its_end_makes_no_ranks():
    searched = make_search(num_failed=3)
    broken = tuple(own._replace(whole=own.score == own.score) for own in searched.trials)
    assert not importance.is_by_rank(searched._replace(trials=broken))


def test_ranges_are_cut_into_equal_parts_more_of_them_for_more_trials():
    assert np.bincount(importance.group_range(np.linspace(0, 1, 40))).tolist() == [8] * 5
    assert np.bincount(importance.group_range(np.linspace(0, 1, 9))).tolist() == [3] * 3
    assert importance.group_range([0.0, 0.33, 0.34, 0.66, 0.67, 1.0]).tolist() == [0, 0, 1, 1, 2, 2]


def test_knobs_share_the_five_per_cent():
    each = find_importance(make_search())
    assert [own.knob for own in each] == list(SPACE)
    assert [own.p_adjusted for own in each] == statistics.holm([own.p for own in each])


def test_what_cannot_be_told_is_not_important():
    constant = make_search(num_trials=12, space={"pool": Axis(choices=("max",))})
    (own,) = find_importance(constant)
    assert np.isnan(own.share) and not own.is_found
    failed = tuple(trial._replace(score=np.nan) for trial in constant.trials)
    assert find_importance(constant._replace(trials=failed)) == ()
