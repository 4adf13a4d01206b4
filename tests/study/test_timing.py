"""Minutes of a plan, by records of this machine alone; without any nothing is said."""

import dataclasses
import os

import pytest

from cnnjax.config.config import Config, structure_of, to_json
from cnnjax.records.index import list_newest
from cnnjax.records.record import Record, record_path, write_record
from cnnjax.report.console import open_console
from cnnjax.report.terminal import describe_timing, print_times
from cnnjax.study import timing
from cnnjax.study.plan import Plan
from cnnjax.study.timing import Group
from tests.by_hand import COST, LINES, PROVENANCE, SCORES

HERE = {"platform": "cpu", "device_kind": "cpu", "cpu": "haswell", "versions": {"jax": "0.10.2"}}
CONFIG = Config(steps=1000)
GROUP = Group(structure_of(CONFIG), 2000, 20)


def make_record(config=CONFIG, rate=6400.0, compiling=3.0, macs=2000, num_devices=2, **origin):
    cost = {**COST, "macs": macs, "examples_per_second": rate, "compile_seconds": compiling}
    provenance = {**PROVENANCE, "origin": {**HERE, **origin}, "num_devices": num_devices}
    return Record("id", to_json(config), SCORES, LINES, cost, provenance)


def estimate(records, groups=(GROUP,)):
    return timing.estimate(groups, records, HERE, 2)


def test_a_program_takes_as_long_as_it_took():
    records = [make_record(rate=rate) for rate in (6400.0, 100.0, 6400.0)]  # one was disturbed
    seconds = 20 * 1000 * 32 / 6400
    assert estimate(records) == timing.Timing(seconds, 3.0, 1, 3, 2, (seconds,))


@pytest.mark.parametrize("changed", [
    {"steps": 50}, {"eval_every": 0}, {"learning_rate": 0.1}, {"seed": 9}, {"stop_at": 7},
    {"patience": 2},
])  # fmt: skip
def test_runs_that_differ_in_length_or_in_numbers_tell_of_each_other(changed):
    found = estimate([make_record(dataclasses.replace(CONFIG, **changed))])
    assert found is not None and found.num_alike == 1


def test_lanes_that_stop_before_take_as_long_as_they_train():
    some = GROUP._replace(all_steps=5 * 1000 + 15 * 10)
    found = estimate([make_record()], [some])
    assert found is not None and found.training_seconds == (5 * 1000 + 15 * 10) * 32 / 6400


def test_another_network_is_as_fast_as_the_nearest_by_macs():
    near, far = Config(widths=(17, 32)), Config(widths=(512,))
    records = [make_record(near, 4000.0, 5.0, macs=1000), make_record(far, 1.0, 99.0, macs=10**6)]
    found = estimate(records)
    seconds = 2 * 20 * 1000 * 32 / 4000
    assert found == timing.Timing(seconds, 5.0, 0, 2, 2, (seconds,))


def test_what_was_just_measured_is_said_to_be():
    told = describe_timing(timing.Timing(150.0, 30.0, 4, 0, 2), 4)
    assert told.endswith("; as a stretch of each program took just now (nothing reused)")


def test_each_group_has_its_own_time():
    other = GROUP._replace(structure=structure_of(Config(steps=3000)), num_lanes=10)
    found = estimate([make_record()], (GROUP, other))
    assert found is not None and found.by_group == (100.0, 150.0)
    assert found.training_seconds == 250.0


@pytest.mark.parametrize("record", [
    make_record(device_kind="A100"), make_record(cpu="zen"), make_record(num_devices=8),
    make_record(rate=None), make_record(rate=0.0),
])  # fmt: skip
def test_records_of_another_machine_or_without_a_rate_tell_nothing(record):
    assert estimate([record]) is None
    assert estimate([]) is None


def test_what_is_said_says_whence_it_is():
    assert describe_timing(timing.Timing(150.0, 30.0, 4, 80, 2), 4) == (
        "time: 2.5 minutes of training on 2 devices (0.083 device-hours), and beside it 0.5 of"
        " compiling, several programs at once; as 80 records of this machine took (nothing reused)"
    )
    mixed = describe_timing(timing.Timing(150.0, 30.0, 1, 80), 4)
    assert "; 3 of 4 groups by their MACs from the nearest of those" in mixed


def test_each_group_is_a_line_of_minutes_and_device_hours(capsys):
    groups = (GROUP, GROUP._replace(structure=structure_of(Config(pool="avg")), num_lanes=30))
    plan = Plan(groups, 50, 0, 0, {}, {}, 0)
    told = timing.Timing(5400.0, 1.0, 2, 9, 2, (1800.0, 3600.0))
    print_times(plan, told, open_console())
    shown = " ".join(capsys.readouterr().out.split())
    assert "max 1000 20 30.0 1.000 avg 400 30 60.0 2.000" in shown


def test_the_newest_records_are_read(tmp_path):
    for age, name in enumerate(("new", "old", "older")):
        write_record(tmp_path, make_record()._replace(id=name))
        os.utime(record_path(tmp_path, name), (1e9 - age, 1e9 - age))
    (tmp_path / "records" / "notes.txt").write_text("of somebody's own")
    assert [record.id for record in list_newest(tmp_path, 2)] == ["new", "old"]
    assert list_newest(tmp_path / "nothing", 2) == []
