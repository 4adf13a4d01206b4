"""A session serves any of a structure's lanes, from their seeds or from where they were saved."""

import dataclasses

import numpy as np
import pytest

from cnnjax.config import machine
from cnnjax.config.config import structure_of
from cnnjax.config.knobs import RunError
from cnnjax.data import batches
from cnnjax.networks import cost
from cnnjax.sweep import checkpoints, group, placed, placement, runner
from cnnjax.sweep.checkpoints import Checkpoints
from cnnjax.sweep.observer import Observer
from cnnjax.sweep.session import open_session

OPTAX = True  # see conftest.py


def test_groups_that_see_the_same_pixels_hold_the_same_arrays(tiny, digits):
    shared, mesh = placed.Shared(), placement.make_mesh(1)

    def place(**changes):
        return placed.place_data(dataclasses.replace(tiny, **changes), digits, mesh, shared)

    one, other = place(), place(pool="avg", widths=(8,), learning_rate=0.1)
    assert one.train is other.train and one.test is other.test
    assert one.validation is other.validation and one.spec.mean is other.spec.mean
    fewer, turned, unlike = place(train_examples=32), place(permute_pixels=True), place(draw="seed")
    for others in (fewer, turned, unlike):
        assert others.train is not one.train
    assert unlike.spec.drawn and len(unlike.train.labels) == 600
    whole = place(draw="seed", train_examples=100)
    assert whole.train is unlike.train and whole.spec.num_train == 100
    assert place(standardise="all").train is one.train


def test_images_of_large_maps_are_evaluated_few_at_once(tiny, digits, monkeypatch):
    (whole,) = runner.run_lanes([tiny], digits)
    shared, mesh = placed.Shared(), placement.make_mesh(1)
    layer = cost.measure(tiny, digits.image_shape, digits.num_classes).layer_bytes
    before = placed.place_data(tiny, digits, mesh, shared)
    monkeypatch.setattr(batches, "EVALUATION_BYTES", 40 * layer)
    after = placed.place_data(tiny, digits, mesh, shared)
    assert after.train is before.train  # which are not evaluated
    assert after.test.labels.shape[1] <= 32 < before.test.labels.shape[1]
    (cut,) = runner.run_lanes([tiny], digits)
    assert cut.scores["test_accuracy"] == whole.scores["test_accuracy"]
    assert cut.scores["test_loss"] == pytest.approx(whole.scores["test_loss"], rel=1e-5)


def test_what_training_has_room_for_and_its_evaluation_has_not_is_refused(
    tiny, digits, monkeypatch
):
    wide = dataclasses.replace(tiny, widths=(32, 8), batch_size=1)
    own = open_session(structure_of(wide), [wide], digits).executables
    training, all_of_it = (
        group.memory_of(some, "cpu")
        for some in (own._replace(examine=None, evaluate_validation=None), own)
    )
    assert all_of_it > 2 * training
    assert all_of_it > group.memory_of(own, "gpu")  # its convolutions take no more than is counted
    monkeypatch.setattr(machine, "find_room", lambda: 2 * training)
    with pytest.raises(RunError, match=r"takes .* of memory, and this process may still have"):
        open_session(structure_of(wide), [wide], digits)


@pytest.mark.slow
def test_an_interrupted_sweep_goes_on_in_other_waves_to_the_same_bits(tiny, digits, tmp_path):
    lanes = [dataclasses.replace(tiny, seed=seed, steps=9) for seed in range(3)]

    def run(own, folder, stop_at=None):
        """Scores and curves by seed, of lanes saved in folders of their own."""
        saving = Checkpoints(lambda lane: tmp_path / folder / str(lane.seed), every=0)
        seen = []
        observer = Observer(
            on_examples=seen.append,
            should_stop=lambda: stop_at is not None and len(seen) >= stop_at,
        )
        results = runner.run_lanes(own, digits, observer, saving)
        return {result.config.seed: (result.scores, result.metrics) for result in results}

    whole = {r.config.seed: (r.scores, r.metrics) for r in runner.run_lanes(lanes, digits)}
    assert run(lanes, "whole") == whole
    with pytest.raises(runner.Interrupted):
        run(lanes[:2], "broken", stop_at=1)
    assert checkpoints.find_newest(tmp_path / "broken" / "1").step == 3
    assert run(lanes, "broken") == whole  # two go on, one begins


@pytest.mark.slow
@pytest.mark.usefixtures("compiled_as_for_users")
def test_checkpoints_between_evaluations_change_no_bit(tiny, digits, tmp_path):
    lane = dataclasses.replace(tiny, eval_every=0, steps=7)
    saving = Checkpoints(lambda lane: tmp_path, every=2)
    (plain,) = runner.run_lanes([lane], digits)
    seen = []
    with pytest.raises(runner.Interrupted):
        observer = Observer(on_examples=seen.append, should_stop=lambda: len(seen) >= 2)
        list(runner.run_lanes([lane], digits, observer, saving))
    assert checkpoints.find_newest(tmp_path).step == 4
    for every in (3, 2):  # another interval is no other run
        (result,) = runner.run_lanes(
            [lane], digits, saving=Checkpoints(lambda lane: tmp_path, every)
        )
        assert (result.scores, result.metrics) == (plain.scores, plain.metrics)


def test_a_run_that_diverges_between_checkpoints_says_when(tiny, digits, tmp_path):
    wild = dataclasses.replace(tiny, optimizer="sgd", learning_rate=1e20, eval_every=0)
    (plain,) = runner.run_lanes([wild], digits)
    saving = Checkpoints(lambda lane: tmp_path, every=5)
    (saved,) = runner.run_lanes([wild], digits, saving=saving)
    assert saved.scores["diverged_at"] == plain.scores["diverged_at"] < 5


def test_a_wave_of_a_session_is_filled_up(tiny, digits):
    lanes = [dataclasses.replace(tiny, seed=seed) for seed in range(3)]
    session = open_session(structure_of(tiny), lanes, digits)
    assert session.wave == 3
    assert np.asarray(session.stack(lanes[:1])["seed"]).tolist() == [0, 0, 0, 0]
    *_, last = session.train(lanes[1:2])
    (alone,) = session.finish(lanes[1:2], last.states, [[{"step": 6, "train_loss": 1.0,
                                                          "constant_loss": 2.0}]])  # fmt: skip
    assert not alone.scores["failed"] and 0 < alone.scores["test_accuracy"] < 1


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating"),
        pytest.param(MemoryError(), marks=pytest.mark.slow),
    ],
)
def test_lanes_that_did_not_fit_go_in_smaller_waves(tiny, digits, monkeypatch, error):
    lanes = [dataclasses.replace(tiny, seed=seed) for seed in range(4)]
    whole = {own.config: own.scores for own in runner.run_lanes(lanes, digits)}
    waves, run_wave = [], runner.run_wave

    def refuse_many(session, begun, *others):
        waves.append(len(begun))
        if len(begun) > 2:
            raise error
        yield from run_wave(session, begun, *others)

    monkeypatch.setattr(runner, "run_wave", refuse_many)
    found = {own.config: own.scores for own in runner.run_lanes(lanes, digits)}
    assert found == whole and waves[0] > 2 and max(waves[-2:]) <= 2


def test_one_that_does_not_fit_alone_is_a_failure(tiny, digits, monkeypatch):
    def refuse(session, begun, *others):
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating")
        yield

    monkeypatch.setattr(runner, "run_wave", refuse)
    (failure,) = runner.run_lanes([tiny], digits)
    assert isinstance(failure, runner.Failure) and isinstance(failure.error, RunError)
    said = "1 lane at once, the fewest, did not fit the memory: give a smaller --batch_size"
    assert str(failure.error).startswith(said)
    assert "Out of memory" in str(failure.error.__cause__)
