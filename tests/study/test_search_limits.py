"""Searches of which something is missing: settings, finished trials, runs that broke off."""

import pytest

from cnnjax.config.config import Config, request_of
from cnnjax.config.errors import ConfigError
from cnnjax.study import partial, plan, proposing, search, space, spread, tuned, wanted
from cnnjax.study.arms import make_base
from cnnjax.study.claims import DEFAULT, SETTING, Search
from tests.searching import BASE, SPACE, make, run

ALL = ({SETTING: DEFAULT}, {SETTING: "random"}, {SETTING: "tpe"})


def test_who_broke_off_is_the_arm_that_tried_it():
    study = make("random")._replace(arms=ALL, claims=())
    base = make_base(study, {})
    rounds, known = run(study)
    random, tpe = (
        {lane for own in search.list_trials(study, base, arm, search.take(known))
         for lane in own.lanes}
        for arm in ALL[1:]
    )  # fmt: skip
    assert not random & tpe
    fresh = [lane for lane in rounds[-1] if lane.learning_rate == base.learning_rate]
    assert partial.find_arms(study, base, [*random][:1]) == {"setting=random"}
    assert partial.find_arms(study, base, [*tpe][:1]) == {"setting=tpe"}
    assert partial.find_arms(study, base, fresh[:1]) == {"setting=default"}


def test_where_no_second_is_found_it_is_left_out_and_not_the_default_in_its_place():
    study = make("random", trials=1)
    _, known = run(study)
    chosen, notes = wanted.choose(study, make_base(study, {}), [*known.values()])
    assert [*chosen.arms] == [{SETTING: DEFAULT}, {SETTING: "random"}]
    assert len(chosen.claims[0].comparisons) == 1 and "left out" in notes[0]


def test_a_second_that_is_lacking_on_one_data_set_costs_no_set_its_verdict():
    study = spread.spread(make("random", trials=2), ("digits", "strokes"))
    rounds, known = run(study, failed=lambda lane: lane.seed >= 1000 and lane.dataset == "digits"
                        and lane.learning_rate < 0.01)  # fmt: skip
    chosen, _ = wanted.choose(study, make_base(study, {}), [*known.values()])
    assert chosen.datasets == ("digits", "strokes") and len(chosen.arms) == 4
    assert {arm[SETTING] for arm in chosen.arms} == {DEFAULT, "random"}
    assert [len(claim.comparisons) for claim in chosen.claims] == [1]


def test_a_best_that_is_lacking_on_one_data_set_costs_that_set():
    study = spread.spread(make("random"), ("digits", "strokes"))
    _, known = run(study, failed=lambda lane: lane.seed >= 1000 and lane.dataset == "digits")
    chosen, _ = wanted.choose(study, make_base(study, {}), [*known.values()])
    assert chosen.datasets == ("strokes",) and len(chosen.arms) == 3 and chosen.claims


@pytest.mark.parametrize("method", ["tpe", "random"])
def test_networks_that_cannot_be_are_told_before_anything_runs(method):
    """Of tpe all combinations are looked at, for it may come upon each of them."""
    own = space.parse_space(["pool_size=2,8", "pool_every=1,2", "learning_rate=0.1..0.2"])
    study = tuned.make_study(Search(own, method, trials=64), (1000,))
    with pytest.raises(ConfigError, match="^pool_size=8.*: the network does not fit the images"):
        plan.make_plan(study, make_base(study, {}), 3, {request_of(Config()): ((8, 8, 1), 10)})


def test_corners_are_all_combinations_of_choices_and_integers_unless_too_many():
    own = space.parse_space(["pool=max,avg,blur", "steps=10..20", "learning_rate=0.1..0.3"])
    found = [space.read_setting(own, at) for at in proposing.list_corners(Search(own))]
    whole = {(each["pool"], each["steps"]) for each in found if each["learning_rate"] == 0.2}
    assert whole >= {(pool, steps) for pool in ("max", "avg", "blur") for steps in (10, 20)}
    assert {each["learning_rate"] for each in found} == {0.1, 0.2, 0.3}
    many = {f"knob_{number}": space.Axis(choices=(1, 2, 3, 4)) for number in range(5)}
    assert len(proposing.list_corners(Search(many))) == 20


def test_where_every_trial_failed_there_is_no_verdict():
    study = make("random")
    rounds, known = run(study, failed=lambda lane: lane.seed >= 1000)
    base = make_base(study, {})
    chosen, notes = wanted.choose(study, base, [*known.values()])
    assert [*chosen.arms] == [{SETTING: DEFAULT}] and chosen.claims == ()
    assert {lane.learning_rate for lane in rounds[-1]} == {base.learning_rate}
    assert "a seed failed in every setting" in notes[0]


def test_no_setting_is_tried_twice():
    few = space.parse_space(["pool=max,avg", "steps=10..12"])
    for method in ("random", "halton"):
        found = proposing.list_at_once(Search(few, method, 64), method)
        assert len({repr(space.read_setting(few, own.place)) for own in found}) == len(found) == 6
    study = make("tpe", trials=24, batch=8)
    study = study._replace(tuning=study.tuning._replace(search=Search(few, "tpe", 24)), base={})
    _, known = run(study)
    (told,) = wanted.list_searches(study, make_base(study, {}), [*known.values()])
    settings = [repr(own.setting) for own in told.trials]
    assert len(settings) == len({*settings}) <= 6 and told.chosen != told.second


def test_runs_that_stop_early_by_wish_can_be_chosen():
    study = make("random")._replace(base={**BASE, "stop_at": 100})
    _, known = run(study)
    chosen, _ = wanted.choose(study, make_base(study, {}), [*known.values()])
    assert len(chosen.settings) == 2
    with pytest.raises(ConfigError, match="no --stop_at"):
        run(make("halving")._replace(base={**BASE, "stop_at": 100}))


def test_halving_is_of_runs_of_one_length():
    mixed = space.parse_space(["eval_every=10,20", "learning_rate=0.01..0.1"])
    study = make("halving", trials=8)
    study = study._replace(tuning=study.tuning._replace(search=Search(mixed, "halving", 8)))
    with pytest.raises(ConfigError, match="halving compares runs by their beginnings"):
        run(study)


def test_less_is_not_taken_to_be_worse_of_any_metric():
    (claim,) = tuned.make_study(Search(SPACE), (1000,), "test_loss").claims
    assert claim.comparisons[0].relation == "!="
    (claim,) = tuned.make_study(Search(SPACE), (1000,)).claims
    assert claim.comparisons[0].relation == ">"
