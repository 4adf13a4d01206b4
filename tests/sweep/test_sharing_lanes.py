"""The engine of this machine takes lanes just before their wave; what others have is left out."""

import dataclasses
import functools
import shutil

import numpy as np
import pytest

from cnnjax import api
from cnnjax.config.config import request_of
from cnnjax.records import holder, leases
from cnnjax.records.address import record_id
from cnnjax.records.provenance import program_version
from cnnjax.study import wanted
from cnnjax.sweep import backend, runner
from cnnjax.sweep import lanes as lanes_lib
from cnnjax.sweep.checkpoints import Checkpoints
from cnnjax.sweep.observer import Observer

OPTAX = True  # see conftest.py


@pytest.fixture
def lanes(tiny):
    return [dataclasses.replace(tiny, seed=seed) for seed in range(3)]


def test_what_the_dead_of_another_machine_held_is_trained_when_it_gave_no_sign(
    tiny, digits, tmp_path, monkeypatch
):
    """As after a power cut: the process cannot be seen to be gone."""
    datasets = {request_of(tiny): digits}
    with monkeypatch.context() as earlier:
        earlier.setattr(holder, "_find_place", lambda: ("host", "an-earlier-boot"))
        dead = leases.Leases(tmp_path / leases.FOLDER)
    origin = lanes_lib.describe_origin(tiny, digits, program_version(), backend.describe())
    assert dead.claim(record_id(tiny, origin))
    soon = functools.partial(leases.open_leases, stale_seconds=1, beat_seconds=0.1)
    monkeypatch.setattr(leases, "open_leases", soon)
    notes = []
    observer = Observer(on_note=notes.append)
    done = api.train_wanted(wanted.fixed([tiny]), datasets, api.Options(tmp_path), observer)
    assert done.num_trained == 1 and len(notes) == 1
    assert not (tmp_path / leases.FOLDER).exists()


def test_two_calls_at_once_train_each_lane_once(lanes, digits, tmp_path):
    """The second is called while the first trains, and waits for the lanes that it holds."""
    datasets, options = {request_of(lanes[0]): digits}, api.Options(tmp_path)
    heard, inner, notes = [], [], []

    def train_too(count):
        if not inner:
            inner.append(None)
            with pytest.raises(runner.Interrupted):
                train(Observer(on_note=notes.append, should_stop=lambda: bool(notes)))

    def train(observer):
        return api.train_wanted(wanted.fixed(lanes), datasets, options, observer)

    done = train(Observer(on_examples=train_too, on_record=heard.append))
    assert len(heard) == done.num_trained == 3 and inner
    assert len(notes) == 1 and "3 lanes trained by process" in notes[0]


def test_a_lane_goes_on_where_another_launch_has_let_it_go_meanwhile(lanes, digits, tmp_path):
    whole = {own.config: own.metrics for own in runner.run_lanes(lanes, digits)}
    elsewhere, here = tmp_path / "elsewhere", tmp_path / "here"
    seen = []
    observer = Observer(on_examples=seen.append, should_stop=lambda: bool(seen))
    with pytest.raises(runner.Interrupted):
        saving = Checkpoints(lambda lane: elsewhere / str(lane.seed), every=3)
        list(runner.run_lanes(lanes[:1], digits, observer, saving))

    def take(lane):
        if lane == lanes[0] and elsewhere.exists():
            shutil.move(elsewhere, here)
        return True

    seen.clear()
    saving = Checkpoints(lambda lane: here / str(lane.seed), every=3)
    observer = Observer(on_examples=seen.append)
    results = runner.run_lanes(lanes, digits, observer, saving, claim=take)
    again = {own.config: own.metrics for own in results}
    np.testing.assert_equal(again, whole)
    assert sum(seen) < 3 * lanes[0].steps * lanes[0].batch_size


def test_checkpoints_of_recorded_lanes_go_unless_another_has_them(lanes, digits, tmp_path):
    """A kill may come when a record is written, and before they are removed."""
    datasets, options = {request_of(lanes[0]): digits}, api.Options(tmp_path)
    done = api.train_wanted(wanted.fixed(lanes), datasets, options)
    ids = [done.records[lane].id for lane in lanes]
    others = leases.Leases(tmp_path / leases.FOLDER)
    assert others.claim(ids[0])
    for name in (*ids, "of-another-study"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    assert not api.train_wanted(wanted.fixed(lanes), datasets, options).num_trained
    left = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert left == {ids[0], "of-another-study"}
