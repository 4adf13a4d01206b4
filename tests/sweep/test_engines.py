"""Jobs are plain JSON, an engine leaves its results in the store, and one loop asks for them."""

import dataclasses
import datetime
import json
import platform

import numpy as np
import pytest

from cnnjax import api
from cnnjax.config.config import request_of
from cnnjax.config.datasets import Where
from cnnjax.config.knobs import RunError
from cnnjax.records import predictions
from cnnjax.records.packed import unpack_values
from cnnjax.records.record import Record, record_path
from cnnjax.records.store import load_records
from cnnjax.study import wanted
from cnnjax.sweep import lanes as lanes_lib
from cnnjax.sweep import loop, runner
from cnnjax.sweep.engines import Job, local
from cnnjax.sweep.observer import QUIET, Observer

OPTAX = True  # see conftest.py


def test_a_job_says_all_that_an_engine_needs_in_json(tiny, data_dir, tmp_path):
    lanes = [dataclasses.replace(tiny, seed=seed) for seed in (0, 1)]
    (job,) = loop.make_jobs(lanes, tmp_path, Where(str(data_dir)), {request_of(tiny): "memory"})
    sent = Job(**json.loads(json.dumps(job._asdict())))
    heard = []
    assert list(local.run([sent], Observer(on_record=heard.append))) == []
    found = {record.seed: record for record in load_records(tmp_path)}
    assert sorted(found) == [0, 1] and len(heard) == 2
    assert found[1].config["pool"] == tiny.pool and found[1].scores["num_test_examples"] == 1000


def test_a_record_says_where_when_and_how_its_run_was_trained_and_its_address_does_not(
    tiny, digits, tmp_path, monkeypatch
):
    lanes = [dataclasses.replace(tiny, seed=seed) for seed in (0, 1)]
    before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    done = api.train_wanted(wanted.fixed(lanes), {request_of(tiny): digits}, api.Options(tmp_path))
    own = done.records[lanes[0]].provenance
    assert own["host"] == platform.node() and own["clean"] in (True, False, None)
    assert own["strategy"] == {"lanes": 2, "devices": 2, "devices_a_lane": 1, "chunk": 1}
    started, date = map(datetime.datetime.fromisoformat, (own["started"], own["date"]))
    assert before <= started <= date and 0 < own["seconds"] < 60
    assert own["seconds"] == done.records[lanes[1]].provenance["seconds"]  # of the wave
    monkeypatch.setattr(platform, "node", lambda: "elsewhere")
    found = lanes_lib.open_finder({request_of(tiny): digits}, tmp_path)(lanes)
    assert found == done.records


def test_an_older_record_of_another_config_is_not_its_lanes(tiny, digits, tmp_path):
    lane = dataclasses.replace(tiny, seed=0)
    done = api.train_wanted(wanted.fixed([lane]), {request_of(tiny): digits}, api.Options(tmp_path))
    path, said = record_path(tmp_path, done.records[lane].id), []
    fields = json.loads(path.read_text())
    fields["config"]["learning_rate"] = 0.5
    path.write_text(json.dumps({**fields, "schema": 1}))
    find = lanes_lib.open_finder({request_of(tiny): digits}, tmp_path, on_note=said.append)
    assert find([lane]) == {} and path.with_name("record.json.damaged").exists()
    assert len(said) == 1 and "has another config than its address says" in said[0]


def test_a_record_keeps_the_answers_that_its_scores_are_of(tiny, digits, tmp_path):
    lane = dataclasses.replace(tiny, steps=60, eval_every=0, learning_rate=0.01)
    done = api.train_wanted(wanted.fixed([lane]), {request_of(lane): digits}, api.Options(tmp_path))
    (record,) = done.records.values()
    found = predictions.load_of(tmp_path, record)
    by_image = {name: unpack_values(text) for name, text in record.scores["by_image"].items()}
    np.testing.assert_array_equal(found.label, by_image["label"])
    right = found.predicted == found.label
    np.testing.assert_array_equal(right, by_image["test_accuracy"])
    excess = found.probability - right  # what the calibration is made of
    np.testing.assert_allclose(excess, by_image["test_overconfidence"], atol=2e-3)
    confused = np.zeros((10, 10), int)
    np.add.at(confused, (found.label, found.predicted), 1)
    assert np.trace(confused) / confused.sum() == pytest.approx(record.scores["test_accuracy"])
    assert record.provenance["class_names"] == [str(digit) for digit in range(10)]


def test_a_failed_run_keeps_no_answers(tiny, digits, tmp_path):
    wild = dataclasses.replace(tiny, optimizer="sgd", learning_rate=1e20)
    options = api.Options(tmp_path)
    done = api.train_wanted(wanted.fixed([wild]), {request_of(wild): digits}, options)
    (record,) = done.records.values()
    assert record.scores["failed"] and predictions.load_of(tmp_path, record) is None


def test_a_job_is_fed_as_was_decided_where_it_was_made(tiny, data_dir, tmp_path, monkeypatch):
    """Not as the machine that trains it would, whose memory may be another."""
    fed = []
    monkeypatch.setattr(runner, "run_lanes", lambda _, dataset, *rest: fed.append(dataset) or [])
    for feed in ("stream", "memory"):
        lane, where = dataclasses.replace(tiny, feed="auto"), Where(str(data_dir))
        (job,) = loop.make_jobs([lane], tmp_path, where, {request_of(lane): feed})
        assert list(local.run([job], QUIET)) == []
    assert [dataset.feed for dataset in fed] == ["stream", "memory"]
    assert fed[0].num_train == fed[1].num_train and len(fed[0].sample.labels) <= 2048


def test_a_lane_that_is_recorded_leaves_no_checkpoint(tiny, digits, tmp_path):
    options = api.Options(tmp_path, checkpoint_every=0)
    lanes = [dataclasses.replace(tiny, seed=seed) for seed in (0, 1)]
    datasets, seen = {request_of(tiny): digits}, []

    def train(stop_at):
        observer = Observer(on_examples=seen.append, should_stop=lambda: len(seen) >= stop_at)
        return api.train_wanted(wanted.fixed(lanes), datasets, options, observer)

    with pytest.raises(runner.Interrupted):
        train(stop_at=1)
    assert len(list(tmp_path.glob("checkpoints/*/step-*3.safetensors"))) == 2
    assert len(train(stop_at=99).records) == 2 and sum(seen) == 2 * tiny.steps * tiny.batch_size
    assert not list(tmp_path.glob("checkpoints/*"))
    (plain,) = (r for r in runner.run_lanes(lanes[:1], digits))
    record = next(own for own in load_records(tmp_path) if own.seed == 0)
    np.testing.assert_equal(record.metrics, plain.metrics)


def test_a_damaged_record_is_set_aside_said_and_made_again(tiny, digits, tmp_path):
    datasets, notes = {request_of(tiny): digits}, []

    def train():
        observer = Observer(on_note=notes.append)
        return api.train_wanted(wanted.fixed([tiny]), datasets, api.Options(tmp_path), observer)

    (first,) = train().records.values()
    path = record_path(tmp_path, first.id)
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 7'))
    done = train()
    (again,) = done.records.values()
    assert done.num_trained == 1 and again.scores == first.scores
    (note,) = notes
    assert str(path) in note and "was changed since it was written" in note and "\n" not in note
    assert path.with_name("record.json.damaged").exists() and train().num_trained == 0


def make_record(lane):
    return Record("id", {"seed": lane.seed}, {}, [], {}, {})


@pytest.fixture
def trained():
    """What a store holds, by lane."""
    return {}


def run(ask, trained, engine):
    def find(lanes):
        return {lane: trained[lane] for lane in lanes if lane in trained}

    def make_jobs(lanes):
        return [lanes]

    return loop.run_wanted(ask, find, make_jobs, engine, QUIET)


def test_the_loop_ends_when_nothing_is_wanted(tiny, trained):
    """One lane more at a time, up to four, of which one was there before."""
    lanes = [dataclasses.replace(tiny, seed=seed) for seed in range(4)]
    trained[lanes[1]] = make_record(lanes[1])

    def engine(jobs, observer):
        for lane in jobs[0]:
            trained[lane] = make_record(lane)
            observer.on_record(trained[lane])
        return iter(())

    done = run(lambda records: lanes[len(records) : len(records) + 1], trained, engine)
    assert list(done.records) == lanes and done.num_trained == 3


def test_a_failure_ends_the_loop_and_keeps_what_was_trained(tiny, trained):
    lanes = [dataclasses.replace(tiny, seed=seed) for seed in range(2)]
    failure = runner.Failure(runner.Group(tiny, (lanes[1],)), ValueError("no"))

    def engine(jobs, observer):
        trained[lanes[0]] = make_record(lanes[0])
        observer.on_record(trained[lanes[0]])
        yield failure

    done = run(lambda records: lanes[len(records) :], trained, engine)
    assert done == loop.Outcome({lanes[0]: trained[lanes[0]]}, 1, (failure,))


def test_an_engine_that_leaves_nothing_is_an_error_and_no_endless_loop(tiny, trained):
    with pytest.raises(RunError, match="lanes were trained and left no record: 1"):
        run(lambda records: [tiny], trained, lambda jobs, observer: iter(()))


def test_what_is_wanted_though_it_is_there_is_an_error_and_no_endless_loop(tiny, trained):
    trained[tiny] = make_record(tiny)
    with pytest.raises(RunError, match="wanted though they are recorded"):
        run(lambda records: [tiny], trained, lambda jobs, observer: iter(()))
