"""--patience: a lane ends by itself, and what is measured of it is its best network."""

import dataclasses

import jax
import numpy as np
import pytest

from cnnjax.sweep import best, checkpoints, runner
from cnnjax.sweep.checkpoints import Checkpoints
from cnnjax.sweep.observer import Observer
from tests.sweep.test_best import line

OPTAX = True  # see conftest.py


@pytest.fixture
def short(tiny):
    """Its rate is too high to go on learning."""
    return dataclasses.replace(
        tiny, eval_every=1, steps=14, learning_rate=0.3, schedule="constant", patience=2,
        norm="batch", seed=1,
    )  # fmt: skip


@pytest.fixture
def long(short):
    return dataclasses.replace(short, seed=2, learning_rate=0.03)


def run(own, digits, keep="final", **given):
    return {result.config: result for result in runner.run_lanes(own, digits, keep=keep, **given)}


def assert_same(one, other):
    np.testing.assert_equal(one.scores, other.scores)
    assert one.metrics == other.metrics and one.final.step == other.final.step
    jax.tree.map(np.testing.assert_array_equal, one.final.params, other.final.params)
    jax.tree.map(np.testing.assert_array_equal, one.final.stats, other.final.stats)


@pytest.mark.parametrize(
    ("accuracies", "step", "is_out"),
    [
        ([0.5, 0.6, 0.6], 2, False),
        ([0.5, 0.6, 0.6, 0.4], 2, True),
        ([0.0, None, None], 1, True),
        ([None], 0, False),
        ([None, None], 0, True),
        ([], 0, False),
    ],
)
def test_it_waits_for_a_higher_accuracy(accuracies, step, is_out):
    curve = [
        line(at, own, own and 1 / at) for at, own in enumerate(accuracies, 1)
    ]  # the loss falls all the while
    assert best.find_best(curve, 2) == step
    assert best.has_run_out(curve, 2) == is_out
    assert not best.has_run_out(curve, 0)


def test_a_lane_ends_by_itself_and_leaves_the_others_their_bits(
    short, long, digits, compiled_as_for_users
):
    both = run([short, long], digits)
    steps = {lane: own.metrics[-1]["step"] for lane, own in both.items()}
    assert steps[short] < steps[long] and steps[short] < short.steps
    for lane, own in both.items():
        assert_same(own, run([lane], digits)[lane])
        plain = run([dataclasses.replace(lane, patience=0)], digits)
        (whole,) = plain.values()
        assert own.metrics == whole.metrics[: len(own.metrics)]
        assert best.has_run_out(own.metrics, 2) or steps[lane] == lane.steps
        assert not best.has_run_out(own.metrics[:-1], 2)


def test_all_that_is_measured_and_kept_is_of_the_best_evaluation(short, long, digits):
    for lane in (short, dataclasses.replace(long, patience=1000)):  # which never runs out
        lane = dataclasses.replace(lane, ema_decay=0.5)
        (own,) = run([lane], digits).values()
        at = best.find_best(own.metrics, lane.patience)
        assert own.scores["best_step"] == own.final.step == at
        assert own.scores["trained_steps"] == own.metrics[-1]["step"] >= at
        (there,) = run([dataclasses.replace(lane, stop_at=at % lane.steps)], digits).values()
        assert there.final.step == at
        np.testing.assert_equal(
            {**own.scores, "trained_steps": at}, {**there.scores, "trained_steps": at}
        )
        jax.tree.map(np.testing.assert_array_equal, own.final.params, there.final.params)
        np.testing.assert_equal(own.predictions, there.predictions)


@pytest.mark.parametrize("after", [2, pytest.param(4, marks=pytest.mark.slow), 7])
def test_an_interruption_changes_none_of_it(short, long, digits, tmp_path, after):
    lanes, seen = [short, long], []
    whole = run(lanes, digits)
    assert whole[short].metrics[-1]["step"] < 7 < whole[long].metrics[-1]["step"]
    saving = Checkpoints(lambda lane: tmp_path / str(lane.seed), every=0)
    observer = Observer(on_examples=seen.append, should_stop=lambda: len(seen) >= after)
    with pytest.raises(runner.Interrupted):
        run(lanes, digits, observer=observer, saving=saving)
    assert checkpoints.find_newest(tmp_path / "1").step == after
    for lane, own in run(lanes, digits, saving=saving).items():
        assert_same(own, whole[lane])


def test_a_wave_ends_with_the_last_of_its_lanes(short, digits):
    seen, lanes = [], [short, dataclasses.replace(short, seed=2)]
    found = run(lanes, digits, observer=Observer(on_examples=seen.append))
    longest = max(own.metrics[-1]["step"] for own in found.values())
    assert longest < short.steps
    assert sum(seen) == 2 * longest * short.batch_size


def test_a_run_that_diverges_has_no_score_and_ends(short, digits):
    wild = dataclasses.replace(short, optimizer="sgd", learning_rate=1e30)
    (own,) = run([wild], digits).values()
    assert own.scores["diverged"] and own.scores["trained_steps"] < wild.steps
    assert own.predictions is None


def test_a_part_that_ran_out_of_patience_is_the_whole_run(short, digits, tmp_path):
    (whole,) = run([short], digits).values()
    saving = Checkpoints(lambda lane: tmp_path)
    part = dataclasses.replace(short, stop_at=short.steps - 1)
    (own,) = run([part], digits, saving=saving).values()
    assert_same(own, whole)
    seen = []
    observer = Observer(on_examples=seen.append)
    (again,) = run([short], digits, saving=saving, observer=observer).values()
    assert_same(again, whole)
    assert not seen
