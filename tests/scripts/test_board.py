"""The board: each study on several data sets, and quickly its headlines alone."""

import json

import pytest

from cnnjax.study.arms import make_base, make_configs, make_tuning_lanes
from cnnjax.study.claims import Tuning, name_arms
from cnnjax.study.wanted import choose
from experiments import claims
from experiments.claims import board, settings
from tests.by_hand import MAX, SAME, STUDY

TUNED = STUDY._replace(tuning=Tuning({"learning_rate": (0.001, 0.01)}))
CHOSEN = {"learning_rate": 0.01}


def test_headlines_stand_on_their_own_arms():
    kept = board.keep_headlines(STUDY)
    assert [len(claim.comparisons) for claim in kept.claims] == [1]
    assert kept.arms == STUDY.arms  # max against average, over both paddings
    (claim,) = STUDY.claims
    second = claim._replace(comparisons=claim.comparisons[1:])
    alone = board.keep_headlines(STUDY._replace(arms=(*STUDY.arms, {"pool": "l2"})))
    assert {"pool": "l2"} not in alone.arms and {**MAX, **SAME} in alone.arms
    sides = board.keep_headlines(STUDY._replace(claims=(second._replace(parts=0),)))
    assert sides.claims == (second._replace(parts=0),)  # it has no headline


def test_a_study_is_on_the_boards_data_sets_unless_it_says_so_itself():
    assert board.settle(STUDY, None, quick=False).datasets == board.SETS
    assert board.settle(STUDY, None, quick=True).datasets == board.QUICK_SETS
    padding = claims.STUDIES["padding"]  # whose answer may depend on the kind of images
    assert board.settle(padding, None, quick=False).datasets == board.MORE_SETS
    assert board.settle(padding, None, quick=True).datasets == board.QUICK_SETS
    assert set(board.ON_MORE) < set(claims.ALL)
    assert board.settle(STUDY, ["scans", "shapes"], quick=True).datasets == ("scans", "shapes")
    assert board.settle(STUDY, [], quick=False) == STUDY
    own = STUDY._replace(base={**STUDY.base, "dataset": "dot"})
    assert board.settle(own, None, quick=False) == own


def store(path, settings):
    path.write_text(json.dumps({"settings": {STUDY.name: settings}}))


def test_what_was_tuned_before_is_not_tuned_again(tmp_path, monkeypatch):
    monkeypatch.setattr(board, "SETTINGS", tmp_path / "settings.json")
    arms = name_arms(TUNED)
    assert board.take_settings(TUNED) == TUNED  # nothing is stored
    store(board.SETTINGS, {name: CHOSEN for name in list(arms)[1:]})
    assert board.take_settings(TUNED) == TUNED  # one lacks
    store(board.SETTINGS, dict.fromkeys(arms, CHOSEN))
    taken = board.take_settings(TUNED)
    base = make_base(taken, {})
    assert {config.learning_rate for config in make_configs(taken, base).values()} == {0.01}
    assert make_tuning_lanes(taken, base) == [] and choose(taken, base, []) == (taken, [])
    assert board.take_settings(STUDY) == STUDY


def test_a_flag_that_a_tuning_set_before_is_still_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(board, "SETTINGS", tmp_path / "settings.json")
    store(board.SETTINGS, dict.fromkeys(name_arms(TUNED), CHOSEN))
    with pytest.raises(Exception, match="--learning_rate cannot be set here"):
        make_base(board.take_settings(TUNED), {"learning_rate": 0.1})


@pytest.mark.parametrize("quick", [False, True])
def test_every_study_of_the_board_can_be(quick):
    for name in claims.ALL:
        study = board.settle(claims.STUDIES[name], None, quick)
        configs = make_configs(study, make_base(study, {}))
        assert configs and (not study.datasets or len(configs) % len(study.datasets) == 0)


@pytest.mark.parametrize("name", claims.ALL)
def test_the_quick_board_has_a_stored_setting_for_each_arm(name):
    """One that lacks is tuned when the board is asked for, which takes long."""
    study = board.settle(claims.STUDIES[name], None, quick=True)
    assert study.tuning is None or not study.tuning.seeds


def test_settings_are_stored_by_study_and_data_set():
    """What one command chose stays when another chooses for other studies or data."""
    study = STUDY._replace(tuning=TUNED.tuning)
    first = {f"{name} dataset=digits": {"learning_rate": 0.001} for name in name_arms(study)}
    stored = {
        "runs": [{"command": "one"}],
        "notes": [f"{study.name}: {name}: at the edge" for name in first] + ["other: a: of old"],
        "settings": {"other": {"a": CHOSEN}, study.name: {**first, "an arm of old": CHOSEN}},
    }
    own = {f"{name} dataset=scans": CHOSEN for name in name_arms(study)}
    again = dict.fromkeys(list(first)[:1], CHOSEN)
    found = settings.merge(stored, study, {"command": "two"}, own | again, ["an arm: chosen"])
    assert [run["command"] for run in found["runs"]] == ["one", "two"]
    assert found["settings"]["other"] == {"a": CHOSEN}
    assert found["settings"][study.name] == {**first, **again, **own}
    retuned, *kept = first
    assert found["notes"] == [
        *(f"{study.name}: {name}: at the edge" for name in kept),
        "other: a: of old", f"{study.name}: an arm: chosen",
    ]  # fmt: skip
