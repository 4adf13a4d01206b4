"""A lane goes on from the newest checkpoint that is whole, whatever became of the others."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from cnnjax.config.config import structure_of
from cnnjax.records import weights
from cnnjax.sweep import checkpoints, placement, runner
from cnnjax.sweep.checkpoints import Checkpoints
from cnnjax.sweep.observer import Observer
from cnnjax.sweep.session import open_session

OPTAX = True  # see conftest.py


@pytest.fixture
def lane(tiny):
    return dataclasses.replace(tiny, eval_every=2, steps=6)


@pytest.fixture
def plain(lane, digits):
    (result,) = runner.run_lanes([lane], digits)
    return result.scores, result.metrics


def interrupt(lane, digits, folder, after=2, **saving):
    """A lane that was stopped after so many segments."""
    seen = []
    observer = Observer(on_examples=seen.append, should_stop=lambda: len(seen) >= after)
    with pytest.raises(runner.Interrupted):
        list(runner.run_lanes([lane], digits, observer, Checkpoints(lambda _: folder, **saving)))


def go_on(lane, digits, folder):
    """What the lane comes to, the training examples that it still saw, and what was said."""
    seen, notes = [], []
    observer = Observer(on_examples=seen.append, on_note=notes.append)
    (result,) = runner.run_lanes([lane], digits, observer, Checkpoints(lambda _: folder))
    return (result.scores, result.metrics), sum(seen) // lane.batch_size, notes


def halve(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)


def change_line(path):
    """As one who would have liked another accuracy."""
    content = path.read_bytes()
    found = str(json.loads(weights.load(path).about["lines"][0])["validation_accuracy"])
    changed = str(0.9).ljust(len(found), "1")
    path.write_bytes(content.replace(found.encode(), changed.encode()))


DAMAGES = {
    "halved": halve,
    "flipped": flip,
    "a line": change_line,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("null"),
}


@pytest.mark.parametrize(
    "damage",
    ["halved", *(pytest.param(own, marks=pytest.mark.slow) for own in DAMAGES if own != "halved")],
)
def test_the_checkpoint_before_a_damaged_one_is_used(lane, digits, plain, tmp_path, damage):
    interrupt(lane, digits, tmp_path, every=0)
    newest, before = checkpoints.list_files(tmp_path)
    DAMAGES[damage](newest)
    found, steps, (note,) = go_on(lane, digits, tmp_path)
    assert found == plain and steps == 4
    assert str(newest) in note and "set aside" in note and "\n" not in note
    assert [own.name for own in tmp_path.glob("*.damaged")] == [newest.name + ".damaged"]


def test_without_any_that_is_whole_a_lane_begins(lane, digits, plain, tmp_path):
    interrupt(lane, digits, tmp_path, every=0)
    for path in checkpoints.list_files(tmp_path):
        halve(path)
    found, steps, notes = go_on(lane, digits, tmp_path)
    assert found == plain and steps == 6 and len(notes) == 2


def test_two_stay_and_of_another_form_none(lane, digits, tmp_path):
    interrupt(lane, digits, tmp_path, after=5, every=1)
    names = [path.name for path in checkpoints.list_files(tmp_path)]
    assert names == ["step-000000000005.safetensors", "step-000000000004.safetensors"]
    tree, about = weights.load(tmp_path / names[0])
    weights.save(tmp_path / names[0], tree, {**about, "form": 0})
    assert checkpoints.find_newest(tmp_path).step == 4


@pytest.mark.slow
def test_lanes_are_saved_by_the_clock(lane, digits, tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    saved = []
    monkeypatch.setattr(
        checkpoints, "save", lambda folders, steps, *others: saved.append((steps[0], list(folders)))
    )

    def tick(count):
        now[0] += 100

    saving = Checkpoints(lambda _: tmp_path, every=1, minutes=None)
    list(runner.run_lanes([lane], digits, Observer(on_examples=tick), saving))
    assert [step for step, _ in saved] == [1, 2, 3, 4, 5, 6]
    for minutes, steps in ((3, [4]), (100 / 60, [2, 4, 6]), (0, [2, 4, 6]), (100, [])):
        saved.clear()
        saving = Checkpoints(lambda _: tmp_path, minutes=minutes)
        list(runner.run_lanes([lane], digits, Observer(on_examples=tick), saving))
        assert [step for step, _ in saved] == steps


def test_a_run_that_diverged_before_its_last_checkpoint_ends_so(lane, digits, tmp_path):
    wild = dataclasses.replace(lane, optimizer="sgd", learning_rate=1e30)
    (whole,) = runner.run_lanes([wild], digits)
    assert whole.scores["diverged"] and whole.scores["diverged_at"] <= 4
    interrupt(wild, digits, tmp_path, every=0)
    found, steps, _ = go_on(wild, digits, tmp_path)
    assert found[1] == whole.metrics and steps == 2
    np.testing.assert_equal(found[0], whole.scores)
    for line in whole.metrics[whole.scores["diverged_at"] // 2 :]:
        known = {name for name, value in line.items() if value is not None}
        assert known == {"step", "diverged_at"}


@pytest.mark.slow
def test_what_was_saved_goes_on_on_other_devices(lane, digits, tmp_path, monkeypatch):
    lanes = [dataclasses.replace(lane, seed=seed) for seed in range(3)]
    whole = {own.config: own.metrics for own in runner.run_lanes(lanes, digits)}
    seen = []
    observer = Observer(on_examples=seen.append, should_stop=lambda: bool(seen))
    saving = Checkpoints(lambda own: tmp_path / str(own.seed))
    with pytest.raises(runner.Interrupted):
        list(runner.run_lanes(lanes, digits, observer, saving))
    one = jax.local_devices()[:1]
    monkeypatch.setattr(placement.jax, "local_devices", lambda *_, **__: one)
    again = {own.config: own.metrics for own in runner.run_lanes(lanes, digits, saving=saving)}
    assert again == whole and len(seen) == 1


def test_a_checkpoint_of_another_network_is_refused(lane, digits, tmp_path):
    interrupt(lane, digits, tmp_path)
    wider = dataclasses.replace(lane, widths=(16,))
    session = open_session(structure_of(wider), [wider], digits)
    saved = checkpoints.find_newest(tmp_path)
    with pytest.raises(checkpoints.ConfigError, match="of another network or optimizer"):
        checkpoints.restore([saved], session, [wider])
