"""What a study's status counts, from records and claims alone."""

import dataclasses
import time

import pytest

from cnnjax import api
from cnnjax.config.config import Config
from cnnjax.config.datasets import Where
from cnnjax.records.holder import make_holder
from cnnjax.records.leases import Leases
from cnnjax.records.record import Record, record_path
from cnnjax.study import grids
from cnnjax.study.claims import Tuning
from cnnjax.study.looks import LOOKS
from cnnjax.study.options import Options
from cnnjax.study.wanted import is_fixed, of_study
from cnnjax.sweep.observer import QUIET
from cnnjax.sweep.status import (
    Status,
    count_fixed,
    describe,
    describe_holder,
    find_status,
    look,
)  # fmt: skip

OPTAX = True  # see conftest.py
LANES = [dataclasses.replace(Config(), seed=seed) for seed in range(6)]


def record_of(lane, failed=False):
    return Record(str(lane.seed), {"seed": lane.seed}, {"failed": failed}, [], {}, {})


def store(*seeds, failed=()):
    """A finder of the records of some lanes."""
    return lambda lanes: {
        lane: record_of(lane, lane.seed in failed) for lane in lanes if lane.seed in seeds
    }


def hold(**by_seed):
    """Others who hold lanes, each named with its seed."""
    held = {int(name[1:]): who for name, who in by_seed.items()}
    return lambda lanes: {lane: held[lane.seed] for lane in lanes if lane.seed in held}


def test_lanes_are_recorded_held_or_waiting():
    found = find_status(
        lambda records: LANES, store(0, 1, failed=[1]), hold(s2="A", s3="A", s4="B")
    )
    assert found == Status(2, 1, {"A": 2, "B": 1}, 1, False)
    assert describe(found) == [
        "2 recorded, 1 of them failed", "2 in training by A", "1 in training by B", "1 waiting"
    ]  # fmt: skip


def test_what_is_wanted_after_a_look_is_counted_when_its_time_has_come():
    """As winners' seeds after a tuning: unknown until all of that is recorded."""

    def wanted(records):
        return LANES[:2] if len(records) < 2 else LANES

    assert find_status(wanted, store(0), hold()) == Status(1, 0, {}, 1, False)
    assert find_status(wanted, store(0, 1, 2), hold(s3="A")) == Status(3, 0, {"A": 1}, 2, False)
    whole = find_status(wanted, store(*range(6)), hold())
    assert whole == Status(6, 0, {}, 0, True) and describe(whole)[-1] == "nothing more is wanted"


@pytest.mark.parametrize("lanes", [[], LANES[:1] * 3])
def test_nothing_and_the_same_twice(lanes):
    found = find_status(lambda records: lanes, store(), hold())
    assert found == Status(0, 0, {}, len(set(lanes)), not lanes)


def test_lanes_that_are_all_known_are_counted_by_their_addresses_alone():
    failed = {"0": False, "1": True, "of another study": True}
    found = count_fixed(LANES, lambda lane: str(lane.seed), failed, hold(s2="A"))
    assert found == Status(2, 1, {"A": 1}, 3, False)
    whole = {str(seed): False for seed in range(6)}
    assert count_fixed(LANES, lambda lane: str(lane.seed), whole, hold()).complete


def test_who_trains_is_said_with_since_when():
    holder = make_holder()._replace(host="a", pid=7, since=1_800_000_000)
    assert describe_holder(holder) == "process 7 on a, since 2027-01-15 08:00 UTC"
    assert describe_holder(holder._replace(since=0)) == "process 7 on a"
    assert describe_holder(None) == "an unknown process"
    assert abs(make_holder().since - time.time()) < 5


def test_only_what_no_record_changes_is_fixed():
    study = grids.make_study({"pool": ("max", "avg")})
    assert is_fixed(study)
    assert not is_fixed(study._replace(tuning=Tuning({"learning_rate": (0.1, 0.2)})))
    assert not is_fixed(study._replace(looks=LOOKS))


@pytest.mark.slow
def test_a_folder_of_runs_tells_what_is_done_and_who_trains_the_rest(tmp_path, data_dir, digits):
    study = grids.make_study({"pool": ("max", "avg")})
    options = Options(tmp_path, Where(str(data_dir)), num_seeds=1)
    given = {"widths": (4,), "hidden": (), "steps": 2, "eval_every": 0, "train_examples": 64}
    checked = api.check_study(study, given, options)
    api.run_study(checked, options)
    datasets = api.load_datasets(checked, options, QUIET)

    def see(num_seeds):
        own = of_study(checked.study, checked.base, num_seeds)
        found = [look(own, datasets, options, fixed) for fixed in (False, True)]
        assert found[0] == found[1]
        return found[0]._replace(failed=0)  # two steps teach nothing

    assert see(1) == Status(2, 0, {}, 0, True)
    more = options._replace(num_seeds=2)
    trained = next(iter(api.run_study(api.check_study(study, given, more), more).records[-1:]))
    record_path(tmp_path, trained.id).unlink()
    other = Leases(tmp_path / "leases")
    assert other.claim(trained.id)
    assert see(2) == Status(3, 0, {describe_holder(other.me): 1}, 0, False)
    other.close()
    assert see(2) == Status(3, 0, {}, 1, False)
