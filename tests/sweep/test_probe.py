"""The time of a plan by a stretch of training of each of its programs."""

import dataclasses

import pytest

from cnnjax.config.config import Config, request_of, structure_of
from cnnjax.study.timing import Group, Speed, sum_up
from cnnjax.sweep import probe, runner
from cnnjax.sweep.observer import Observer

OPTAX = True  # see conftest.py


def test_each_group_takes_what_its_own_speed_says():
    groups = [Group(structure_of(Config(steps=steps)), 7, 10) for steps in (1000, 3000)]
    found = sum_up(groups, [Speed(7, 3200.0, 2.0), Speed(7, 6400.0, 3.0)], 2)
    assert found.by_group == (100.0, 150.0) and found.training_seconds == 250.0
    assert (found.compile_seconds, found.num_records, found.num_devices) == (5.0, 0, 2)


def test_a_stretch_is_trained_of_each_and_nothing_recorded(tiny, digits, monkeypatch):
    trained = []
    open_session = probe.open_session

    def open_and_count(structure, lanes, *arguments, **named):
        session = open_session(structure, lanes, *arguments, **named)

        def advance(numbers, states, data, length):
            trained.append((structure.pool, len(numbers["seed"]), int(length)))
            return session.executables.advance(numbers, states, data, length)

        return session._replace(executables=session.executables._replace(advance=advance))

    monkeypatch.setattr(probe, "open_session", open_and_count)
    groups = [
        Group(structure_of(dataclasses.replace(tiny, pool=pool)), 100, 3) for pool in ("max", "avg")
    ]
    told = []
    observer = Observer(on_start=lambda *numbers: told.append(numbers))
    found = probe.time_groups(groups, {request_of(tiny): digits}, observer=observer)
    # Three lanes are filled up to the devices' four; a segment ends where an evaluation is due.
    assert trained == [("max", 4, 3), ("avg", 4, 3)] and told == [(2, 0)]
    assert all(0 < seconds < 60 for seconds in found.by_group) and found.compile_seconds > 0


def test_it_can_be_stopped(tiny, digits):
    with pytest.raises(runner.Interrupted):
        groups = [Group(structure_of(tiny), 100, 1)]
        observer = Observer(should_stop=lambda: True)
        probe.time_groups(groups, {request_of(tiny): digits}, observer=observer)
