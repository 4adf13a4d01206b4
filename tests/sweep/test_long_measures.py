"""Measuring may take hours: who asks to stop does not wait for it, and no training is lost."""

import dataclasses
import itertools
import time

import numpy as np
import pytest

from cnnjax.sweep import checkpoints, runner, sessions, waves
from cnnjax.sweep.checkpoints import Checkpoints
from cnnjax.sweep.observer import Observer

OPTAX = True  # see conftest.py


class Late:
    """An array at which a device is at work for so many seconds."""

    def __init__(self, value, seconds):
        self.value, self.until = value, time.monotonic() + seconds

    def is_ready(self):
        return time.monotonic() >= self.until

    def __array__(self, *_, **__):
        return np.asarray(self.value)


@pytest.fixture
def lanes(tiny):
    return [dataclasses.replace(tiny, seed=seed) for seed in range(2)]


def run(lanes, digits, folder, should_stop=lambda: False, **saving):
    """Scores, learning curve and best network by seed; and how many examples it trained on."""
    seen, saving = [], Checkpoints(lambda lane: folder / str(lane.seed), **saving)
    observer = Observer(on_examples=seen.append, should_stop=should_stop)
    results = runner.run_lanes(lanes, digits, observer, saving, "best")
    return {own.config.seed: (own.scores, own.metrics, own.final) for own in results}, sum(seen)


@pytest.fixture
def whole(lanes, digits, tmp_path):
    return run(lanes, digits, tmp_path / "whole")


def delay(monkeypatch, name, number, seconds, begun):
    """Has one program take so long at its so-manieth call; `begun` hears of it."""
    open_session, calls = sessions.open_session, itertools.count(1)

    def open_slow(*arguments):
        session = open_session(*arguments)
        program = getattr(session.executables, name)

        def late(*arguments):
            found = program(*arguments)
            if next(calls) != number:
                return found
            begun.append(name)
            return runner.jax.tree.map(lambda leaf: Late(leaf, seconds), found)

        return session._replace(executables=session.executables._replace(**{name: late}))

    monkeypatch.setattr(sessions, "open_session", open_slow)


@pytest.mark.parametrize(
    ("name", "number", "step", "lines"),
    [
        pytest.param("evaluate_validation", 1, 3, 0, marks=pytest.mark.slow),
        ("evaluate_validation", 2, 6, 1),
        # Of the lanes before their first step, in the end.
        pytest.param("evaluate_validation", 3, 6, 2, marks=pytest.mark.slow),
        ("examine", 1, 6, 2),
    ],
)
def test_who_asks_to_stop_does_not_wait_for_it(
    lanes, digits, tmp_path, monkeypatch, whole, name, number, step, lines
):
    begun, folder = [], tmp_path / "own"
    with monkeypatch.context() as patch:
        patch.setattr(waves, "PATIENCE", 0.0)
        delay(patch, name, number, 1e9, begun)
        with pytest.raises(runner.Interrupted):
            run(lanes, digits, folder, lambda: bool(begun))
    saved = [checkpoints.find_newest(folder / str(lane.seed), best=True) for lane in lanes]
    assert [(own.step, len(own.lines)) for own in saved] == [(step, lines)] * 2
    found, trained = run(lanes, digits, folder)
    np.testing.assert_equal(found, whole[0])
    assert trained == whole[1] - step * 2 * lanes[0].batch_size


def test_what_is_soon_measured_is_kept(lanes, digits, tmp_path, monkeypatch, whole):
    begun = []
    delay(monkeypatch, "examine", 1, 0.2, begun)
    found, _ = run(lanes, digits, tmp_path / "own", lambda: bool(begun))
    np.testing.assert_equal(found, whole[0])


def test_training_is_saved_while_it_is_measured(lanes, digits, tmp_path, monkeypatch, whole):
    """Once, where the time is over for which a kill may cost training."""
    delay(monkeypatch, "examine", 1, 0.5, [])
    saved, save = [], checkpoints.save
    monkeypatch.setattr(
        checkpoints,
        "save",
        lambda _, steps, *others: saved.append(steps[0]) or save(_, steps, *others),
    )
    found, _ = run(lanes, digits, tmp_path / "own", minutes=0.2 / 60)
    np.testing.assert_equal(found, whole[0])
    assert saved.count(6) == 1
