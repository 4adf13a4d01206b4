"""What planning and judging cost is counted, not timed: nothing is checked or measured twice."""

import collections
import json

import pytest

from cnnjax.config import config as config_module
from cnnjax.config.config import Config, request_of, structure_of, to_json, with_seed
from cnnjax.config.knobs import ConfigError
from cnnjax.networks import cost
from cnnjax.records import address, archive
from cnnjax.records.address import arm_key
from cnnjax.study import judge, plan
from cnnjax.study.arms import make_base, make_configs, make_lanes, make_trials, make_tuning_lanes
from cnnjax.study.claims import Study, Tuning, cross, make_factorial_claims
from tests.by_hand import GRID, INFOS, STUDY, make_records
from tests.records.test_store import BASES, OTHER_VALUES

TUNED = STUDY._replace(tuning=Tuning({"learning_rate": (0.001, 0.01)}, seeds=(7, 8, 9)))


@pytest.fixture
def checked(monkeypatch):
    """How many Configs were checked, from here on."""
    count, check = collections.Counter(), config_module.check_values

    def count_and_check(values):
        count["checked"] += 1
        return check(values)

    monkeypatch.setattr(config_module, "check_values", count_and_check)
    return count


@pytest.mark.parametrize("num_seeds", [1, 1000])
def test_an_arm_is_checked_once_however_many_its_seeds(checked, num_seeds):
    base = make_base(STUDY, {})
    checked.clear()
    lanes = make_lanes(STUDY, base, num_seeds)
    assert len(lanes) == len(set(lanes)) == len(STUDY.arms) * num_seeds
    assert checked["checked"] == len(STUDY.arms)


def test_a_setting_of_the_tuning_is_checked_once(checked):
    base = make_base(TUNED, {})
    checked.clear()
    assert len(make_tuning_lanes(TUNED, base)) == 2 * 3 * len(TUNED.arms)
    assert checked["checked"] == 2 * len(TUNED.arms)
    assert {with_seed(trial, 8) for trial in make_trials(TUNED, base)} < set(
        make_tuning_lanes(TUNED, base)
    )


def test_judging_checks_an_arm_once(checked):
    base, records = make_base(STUDY, {}), make_records(num_seeds=20)
    checked.clear()
    judge.judge(STUDY, base, records)
    assert checked["checked"] == len(STUDY.arms)


def test_finding_the_records_of_lanes_checks_none(checked):
    lanes, records = make_lanes(STUDY, make_base(STUDY, {}), 20), make_records(num_seeds=20)
    checked.clear()
    (stock,) = archive.list_complete(lanes, records)
    assert stock.records == records and not checked


def test_planning_makes_no_lanes(checked):
    base = make_base(STUDY, {})
    for num_seeds in (1, 100_000):
        checked.clear()
        found = plan.make_plan(STUDY, base, num_seeds, INFOS)
        assert found.num_lanes == num_seeds * len(STUDY.arms)
        assert checked["checked"] <= 4 * len(STUDY.arms)  # an arm, and its network in `cost`


def test_arms_that_train_one_network_in_many_ways_are_measured_once(monkeypatch):
    measured = []
    monkeypatch.setattr(plan, "measure", lambda *given: measured.append(given) or MEASURED)
    ways = {"optimizer": ("sgd", "adam"), "batch_size": (8, 16), "schedule": ("cosine", "step")}
    own = Study("ways", "Which?", {}, cross({**GRID, **ways}), ())
    found = plan.make_plan(own, make_base(own, {}), 2, INFOS)
    assert found.num_groups == 4 * 8
    assert len(set(measured)) == 4


MEASURED = cost.measure(Config(), *INFOS[request_of(Config())])


@pytest.mark.parametrize("name", plan.TRAINING)
def test_no_network_reads_how_it_is_trained(name):
    """What `plan.TRAINING` names leaves every number of a network as it is."""
    base = BASES.get(name, Config())
    changed = config_module.override(base, {name: OTHER_VALUES[name]})
    measured = [cost.measure(config, (8, 8, 1), 10) for config in (base, changed)]
    assert measured[0] == measured[1] and base != changed


def test_a_lane_is_its_arm_with_a_seed():
    arm = Config(widths=(8,), learning_rate=0.1)
    lane = with_seed(arm, 7)
    assert lane == Config(widths=(8,), learning_rate=0.1, seed=7) and arm.seed == 0
    assert hash(lane) == hash(Config(widths=(8,), learning_rate=0.1, seed=7))
    assert structure_of(lane) == Config(widths=(8,))
    assert json.dumps(to_json(lane)) == json.dumps({**to_json(arm), "seed": 7})
    for seed in (-1, 2**32, 1.0, True):
        with pytest.raises(ConfigError, match="--seed"):
            with_seed(arm, seed)


def test_the_key_of_a_record_that_has_all_knobs_is_as_it_stands(monkeypatch):
    """Defaults are looked for only where a knob is lacking, and then come to the same key."""
    config = to_json(Config(pool="avg"))
    lacking = {name: value for name, value in config.items() if name != "norm"}
    assert arm_key(lacking) == arm_key(config)
    monkeypatch.setattr(address, "fill_in", lambda given: pytest.fail("looked for defaults"))
    assert arm_key(config) == arm_key({**config, "seed": 3, "former_knob": 1})


def test_records_are_judged_alike_in_any_order():
    """A factorial study's verdicts do not depend on the order in which records are read."""
    grid = {"pool": ("max", "avg"), "padding": ("SAME", "VALID")}
    own = STUDY._replace(claims=make_factorial_claims(grid))
    records, base = make_records(own=own), make_base(own, {})
    assert judge.judge(own, base, records) == judge.judge(own, base, records[::-1])
    assert list(make_configs(own, base)) == [
        arm.name for arm in judge.judge(own, base, records).arms
    ]
