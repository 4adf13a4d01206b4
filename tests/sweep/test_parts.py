"""A lane that stops on its way is the whole run up to there, and that goes on from it."""

import dataclasses
import types

import jax
import numpy as np
import pytest

from cnnjax import api
from cnnjax.config.config import request_of, structure_of, with_stop
from cnnjax.records import leases, prune
from cnnjax.records.record import record_path
from cnnjax.study import wanted
from cnnjax.sweep import checkpoints, group, lanes, runner, sessions, waves
from cnnjax.sweep.checkpoints import Checkpoints
from cnnjax.sweep.engines import local
from cnnjax.sweep.observer import Observer
from cnnjax.sweep.session import Session

OPTAX = True  # see conftest.py


@pytest.fixture
def whole(tiny):
    return dataclasses.replace(tiny, eval_every=2, steps=9, schedule="cosine", ema_decay=0.9)


def stop(lane, step, **changes):
    return dataclasses.replace(lane, stop_at=step, **changes)


def run(own, digits, folder, keep="final", observer=None):
    """The results of lanes by config; parts of one run are saved in one folder."""
    saving = Checkpoints(lambda lane: folder / str(lane.seed))
    found = {}
    for result in runner.run_lanes(own, digits, observer or Observer(), saving, keep):
        assert not isinstance(result, runner.Failure), result.error
        found[result.config] = result
    return found


def trained(own, digits, folder):
    """As `run`, and how many steps were trained in it."""
    seen = []
    found = run(own, digits, folder, observer=Observer(on_examples=seen.append))
    return found, sum(seen) // own[0].batch_size


def assert_same(one, other):
    np.testing.assert_equal(one.scores, other.scores)
    assert one.metrics == other.metrics
    jax.tree.map(np.testing.assert_array_equal, one.final.params, other.final.params)


def state(folder, step):
    saved = checkpoints.find_newest(folder)
    assert saved.step == step
    return checkpoints.weights.load(saved.path).tree, saved.lines


def test_a_part_ends_after_its_steps_and_the_run_goes_on_to_the_bits_of_one_never_stopped(
    whole, digits, tmp_path, compiled_as_for_users
):
    (plain,) = run([whole], digits, tmp_path / "plain").values()
    for step in (4, 5):  # where the whole run is evaluated, and where it is not
        folder, part = tmp_path / str(step), stop(whole, step)
        found, steps = trained([part], digits, folder)
        own = found[part]
        assert own.metrics[-1]["step"] == own.final.step == steps == step
        assert own.metrics[:2] == plain.metrics[:2] and len(own.metrics) == step // 2 + step % 2
        assert own.scores["test_accuracy"] > 0
        later, steps = trained([whole], digits, folder)
        assert steps == 9 - step
        assert_same(later[whole], plain)


def test_a_part_is_the_state_of_the_whole_run_there(whole, digits, tmp_path, compiled_as_for_users):
    saving = Checkpoints(lambda lane: tmp_path / "whole", every=5)
    seen = []
    with pytest.raises(runner.Interrupted):  # after 2, 4 and 5 steps
        observer = Observer(on_examples=seen.append, should_stop=lambda: len(seen) >= 3)
        list(runner.run_lanes([whole], digits, observer, saving))
    run([stop(whole, 5)], digits, tmp_path)
    np.testing.assert_equal(state(tmp_path / "0", 5), state(tmp_path / "whole", 5))


def test_a_checkpoint_beyond_its_end_is_left_to_whom_it_belongs(whole, digits, tmp_path):
    alone = run([stop(whole, 2)], digits, tmp_path / "alone")[stop(whole, 2)]
    run([stop(whole, 6)], digits, tmp_path)
    found, steps = trained([stop(whole, 2)], digits, tmp_path)
    assert steps == 2
    assert_same(found[stop(whole, 2)], alone)
    assert checkpoints.find_newest(tmp_path / "0").step == 6
    assert trained([stop(whole, 8)], digits, tmp_path)[1] == 2


def test_an_end_that_is_reached_is_evaluated_and_not_trained_again(whole, digits, tmp_path):
    for step in (4, 5):
        part = stop(whole, step)
        (first,) = run([part], digits, tmp_path, "best").values()
        (again,), steps = (own := trained([part], digits, tmp_path))[0].values(), own[1]
        assert steps == 0 and again.metrics == first.metrics
        np.testing.assert_equal(again.scores, first.scores)


def test_lanes_after_unlike_steps_share_a_wave_and_keep_their_bits(
    whole, digits, tmp_path, monkeypatch, compiled_as_for_users
):
    """A promoted one from 4 to 8, one from 2 to 6, and new ones in the places of the others."""
    promoted, later = stop(whole, 8), stop(whole, 6, seed=1)
    new = [stop(whole, 4, seed=seed, learning_rate=0.01 * seed) for seed in (2, 3)]
    alone = {
        lane: run([lane], digits, tmp_path / "alone" / str(lane.seed))[lane]
        for lane in (promoted, later, *new)
    }
    run([stop(whole, 4), stop(later, 2)], digits, tmp_path)
    opened, begun = [], []
    open_session, run_wave = sessions.open_session, waves.run_wave

    def count_sessions(*arguments):
        opened.append(open_session(*arguments))
        return opened[-1]

    def count_waves(session, own, *others):
        begun.append([saved.step for saved in own.values()])
        return run_wave(session, own, *others)

    monkeypatch.setattr(sessions, "open_session", count_sessions)
    monkeypatch.setattr(runner, "run_wave", count_waves)
    found, steps = trained([promoted, *new, later], digits, tmp_path)
    assert len(opened) == 1 and begun == [[4, 0, 0, 2]] and steps == 4 * 4
    for lane, own in found.items():
        assert_same(own, alone[lane])
        assert checkpoints.find_newest(tmp_path / str(lane.seed)).step == lane.stop_at


def test_a_wave_is_of_lanes_with_the_same_evaluations_before_them(whole):
    assert group.rest_of(stop(whole, 4), 0) == group.rest_of(stop(whole, 8), 4) == (2, 4)
    assert group.rest_of(stop(whole, 5), 1) != group.rest_of(stop(whole, 4), 0)
    assert group.rest_of(stop(whole, 3), 2) == group.rest_of(stop(whole, 1), 0) == (1, 1)
    once = dataclasses.replace(whole, eval_every=0)
    assert group.rest_of(once, 3) == group.rest_of(stop(once, 6), 0)
    assert group.wave_lengths([stop(once, 6), once], [0, 3], 4, 9) == [1, 3, 1, 1]


@pytest.mark.slow
def test_an_evaluation_that_no_checkpoint_has_is_made_beside_new_lanes(whole, digits, tmp_path):
    last, new = stop(whole, 6), stop(whole, 2, seed=2)
    alone = run([last, new], digits, tmp_path / "alone")
    run([stop(whole, 3)], digits, tmp_path)
    run([stop(whole, 4), stop(whole, 1, seed=1)], digits, tmp_path)  # one wave, of unlike ends
    assert state(tmp_path / "0", 4)[1][-1]["step"] == 2
    for lane, own in run([last, new], digits, tmp_path).items():
        assert_same(own, alone[lane])


@pytest.mark.parametrize("stream", [None, "a stream"])
def test_streamed_lanes_share_a_wave_only_after_the_same_steps(whole, stream):
    session = types.SimpleNamespace(data=types.SimpleNamespace(stream=stream))
    later, new = (Session.rest_of(session, *own) for own in ((whole, 4), (stop(whole, 5), 0)))
    assert (later == new) == (stream is None)


def test_parts_of_two_ends_are_trained_one_on_the_other(whole, digits, tmp_path):
    parts = [stop(whole, 6), stop(whole, 2), whole]
    found, steps = trained(parts, digits, tmp_path)
    assert {own: found[own].metrics[-1]["step"] for own in parts} == {
        own: own.last_step for own in parts
    }
    assert steps == 9


def test_their_records_lie_apart_and_their_checkpoints_with_the_whole_run(whole, digits, tmp_path):
    datasets, options = {request_of(whole): digits}, api.Options(tmp_path)
    name, part = lanes.open_namer(datasets), stop(whole, 4)
    folder = tmp_path / "checkpoints" / name(whole)

    def train(lane):
        totals, seen = [], []
        observer = Observer(on_start=lambda _, total: totals.append(total), on_examples=seen.append)
        done = api.train_wanted(wanted.fixed([lane]), datasets, options, observer)
        return done.records[lane], totals, sum(seen) // whole.batch_size

    record, totals, steps = train(part)
    assert record.id == name(part) != name(whole) and record_path(tmp_path, record.id).exists()
    assert record.metrics[-1]["step"] == steps == 4 and totals == [4 * whole.batch_size]
    assert [*folder.glob("step-*4.safetensors")] and len([*folder.parent.iterdir()]) == 1
    assert not [*prune.prune(tmp_path, print)] and folder.exists()
    assert train(whole)[2] == 5
    assert not folder.exists()
    record, _, _ = train(stop(whole, 2))
    with leases.open_leases(tmp_path / leases.FOLDER) as held:
        for stopped in (False, True):
            assert folder.exists()
            local.clear(tmp_path, {stop(whole, 2): record}, name, held, stopped)
    assert not folder.exists()


def test_who_trains_a_part_holds_the_whole_run(whole, digits, tmp_path):
    datasets = {request_of(whole): digits}
    name = lanes.open_namer(datasets)
    others, own = (leases.Leases(tmp_path / leases.FOLDER) for _ in range(2))
    assert others.claim(name(whole))
    assert set(lanes.open_others(name, own)([stop(whole, 4), whole])) == {stop(whole, 4), whole}


def test_the_whole_of_a_part(whole):
    assert with_stop(stop(whole, 4), 0) == whole == with_stop(whole, 0)
    assert structure_of(stop(whole, 4)) == structure_of(whole)
    assert (stop(whole, 4).last_step, whole.last_step) == (4, 9)
