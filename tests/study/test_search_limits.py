"""Searches of which something is missing: settings, finished trials, runs that broke off."""

import pytest

from cnnjax.config.errors import ConfigError
from cnnjax.study import partial, proposing, search, space, tuned, wanted
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


def test_what_tpe_might_propose_is_checked_at_the_ends_of_its_space():
    places = [own.place for own in proposing.list_at_once(Search(SPACE, trials=64), "tpe")]
    settings = [space.read_setting(SPACE, place) for place in places]
    assert {1e-4, 1e-1} <= {own["learning_rate"] for own in settings}
    assert {"max", "avg"} == {own["pool"] for own in settings} and len(settings) == 64
