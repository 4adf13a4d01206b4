"""--keep=best: the weights of a lane that did best on validation images stay, whatever comes."""

import dataclasses
import os

import jax
import numpy as np
import pytest

from cnnjax.records import weights
from cnnjax.records.record import record_path
from cnnjax.sweep import best, checkpoints, final, runner
from cnnjax.sweep import lanes as lanes_lib
from cnnjax.sweep.checkpoints import Checkpoints
from cnnjax.sweep.observer import Observer
from tests.records.test_store import RECORD

OPTAX = True  # see conftest.py


@pytest.fixture
def lanes(tiny):
    """The rate at which the first learns is too high to last."""
    longer = dataclasses.replace(
        tiny, eval_every=2, steps=12, learning_rate=0.3, schedule="constant"
    )
    return [longer, dataclasses.replace(longer, seed=1, learning_rate=0.01)]


def train(lanes, digits, keep="best", **given):
    return {own.config: own for own in runner.run_lanes(lanes, digits, keep=keep, **given)}


def line(step, accuracy, loss=1.0):
    return {"step": step, "validation_accuracy": accuracy, "validation_loss": loss}


@pytest.mark.parametrize(
    ("curve", "step"),
    [
        ([line(2, 0.5), line(4, 0.7), line(6, 0.6)], 4),
        ([line(2, 0.7, 0.5), line(4, 0.7, 0.4), line(6, 0.7, 0.4)], 4),
        ([line(2, 0.5), line(4, None, None)], 2),
        ([line(2, None, None)], 0),
        ([], 0),
    ],
)
def test_the_highest_accuracy_then_the_lower_loss_then_the_earlier_one(curve, step):
    assert best.find_best(curve) == step


@pytest.mark.slow
def test_they_are_those_of_a_run_that_ends_there(lanes, digits):
    found = train(lanes, digits)
    steps = {own.final.step for own in found.values()}
    assert len(steps) > 1, "the lanes should differ in when they are best"
    for lane, own in found.items():
        assert own.final.step == best.find_best(own.metrics)
        shorter = dataclasses.replace(lane, steps=own.final.step)  # its schedule is constant
        (alone,) = runner.run_lanes([shorter], digits, keep="final")
        same = jax.tree.map(np.array_equal, own.final.params, alone.final.params)
        assert jax.tree.all(same) and alone.final.step == own.final.step


@pytest.mark.slow
def test_an_interruption_does_not_lose_them(lanes, digits, tmp_path):
    def folder_of(lane):
        return tmp_path / str(lane.seed)

    whole, seen = train(lanes, digits), []
    observer = Observer(on_examples=seen.append, should_stop=lambda: len(seen) >= 3)
    saving = Checkpoints(folder_of, every=0)
    with pytest.raises(runner.Interrupted):
        train(lanes, digits, observer=observer, saving=saving)
    found = train(lanes, digits, saving=saving)
    for lane in lanes:
        one, other = whole[lane].final, found[lane].final
        assert one.step == other.step
        assert jax.tree.all(jax.tree.map(np.array_equal, one.params, other.params))


@pytest.mark.slow
def test_a_checkpoint_without_them_is_not_used_where_they_are_asked_for(lanes, digits, tmp_path):
    lane, seen, notes = lanes[0], [], []
    saving = Checkpoints(lambda _: tmp_path, every=0)
    stopping = Observer(on_examples=seen.append, should_stop=lambda: len(seen) >= 2)
    with pytest.raises(runner.Interrupted):
        train([lane], digits, "none", observer=stopping, saving=saving)
    assert checkpoints.find_newest(tmp_path).step == 4
    found = train([lane], digits, observer=Observer(on_note=notes.append), saving=saving)
    assert "has not the best weights so far, which --keep=best asks for" in notes[0]
    assert found[lane].final.step == train([lane], digits)[lane].final.step


def test_a_run_without_a_score_keeps_its_last(tiny, digits, tmp_path):
    wild = dataclasses.replace(tiny, optimizer="sgd", learning_rate=1e30)
    own = train([wild], digits)[wild]
    assert own.final.step == wild.steps
    final.save(tmp_path, wild, own.final, "best")
    assert weights.load(tmp_path / "best.safetensors").about["step"] == wild.steps


def test_kept_weights_are_read_once_however_often_records_are_looked_for(
    tmp_path, tiny, monkeypatch
):
    path = record_path(tmp_path, RECORD.id).with_name("final.safetensors")
    weights.save(path, {"params": {"bias": np.zeros(3, np.float32)}})
    read = []
    monkeypatch.setattr(weights, "load", read.append)
    for _ in range(3):
        find = lanes_lib.require_weights(lambda asked: {tiny: RECORD}, tmp_path, "final")
        assert find([tiny]) == {tiny: RECORD}
    assert read == [path]
    os.utime(path, (1, 1))
    assert find([tiny]) and len(read) == 2


@pytest.mark.parametrize(
    "act",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-3]),
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\x01"),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["empty", "cut", "flipped", "folder"],
)
def test_a_record_beside_damaged_weights_has_not_those_that_are_to_be_kept(tmp_path, tiny, act):
    path = record_path(tmp_path, RECORD.id).with_name("best.safetensors")
    weights.save(path, {"params": {"bias": np.zeros(3, np.float32)}})
    said = []
    find = lanes_lib.require_weights(lambda asked: {tiny: RECORD}, tmp_path, "best", said.append)
    assert find([tiny]) == {tiny: RECORD} and not said
    act(path)
    os.utime(path, (1, 1))  # as it is elsewhere, later
    assert find([tiny]) == {}
    assert not path.exists() and path.with_name("best.safetensors.damaged").exists()
    (line,) = said
    assert str(path) in line and "its run made again" in line and "\n" not in line
