"""Several launches on one folder: the loop leaves to others what they hold, and misses nothing."""

import dataclasses

import pytest

from cnnjax.config.knobs import RunError
from cnnjax.records.record import Record
from cnnjax.sweep import loop, runner
from cnnjax.sweep.observer import Observer


class Store:
    """Records and claims of lanes; `train` is an engine that leaves out what others hold."""

    def __init__(self):
        self.records, self.held, self.calls = {}, {}, []
        self.failing = set()

    def write(self, lane):
        record = Record(f"record-{lane.seed}", {"seed": lane.seed}, {}, [], {}, {})
        self.records[lane] = record
        return record

    def find(self, lanes):
        return {lane: self.records[lane] for lane in lanes if lane in self.records}

    def others(self, lanes):
        return {lane: self.held[lane] for lane in lanes if lane in self.held}

    def train(self, jobs, observer):
        self.calls.append([lane.seed for lane in jobs])
        for lane in jobs:
            if lane in self.failing:
                yield runner.Failure(runner.Group(lane, (lane,)), ValueError("no"))
            elif lane not in self.held:
                observer.on_record(self.write(lane))


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def lanes(tiny):
    return [dataclasses.replace(tiny, seed=seed) for seed in range(4)]


@pytest.fixture
def meanwhile(monkeypatch):
    """What others do, one function at each pause of the loop."""
    steps = []
    monkeypatch.setattr(loop.time, "sleep", lambda seconds: steps.pop(0)())
    return steps


def run(store, lanes, observer=None, engine=None, on_error="continue"):
    return loop.run_wanted(
        lambda records: lanes if len(records) < len(lanes) else [], store.find,
        lambda lanes: lanes, engine or store.train,
        observer or Observer(), store.others, on_error,
    )  # fmt: skip


def test_what_others_hold_is_waited_for_and_not_trained(store, lanes, meanwhile):
    one, two = lanes[:2]
    store.held = {one: "process 1 on a", two: "process 1 on a"}

    def finish(lane):
        store.write(lane)
        del store.held[lane]

    meanwhile += [lambda: None, lambda: finish(one), lambda: finish(two)]
    notes, heard = [], []
    observer = Observer(on_note=notes.append, on_record=lambda record: heard.append(record.seed))
    done = run(store, lanes, observer)
    assert sorted(*store.calls) == [2, 3] and not meanwhile
    assert set(done.records) == set(lanes) and done.num_trained == 2
    assert notes == ["2 lanes trained by process 1 on a: their records are waited for"]
    assert sorted(heard) == [0, 1, 2, 3]


def test_what_others_let_go_without_a_record_is_trained_here(store, lanes, meanwhile):
    store.held = dict.fromkeys(lanes[:2], "process 1 on a")
    meanwhile += [store.held.clear]
    done = run(store, lanes)
    assert list(map(sorted, store.calls)) == [[2, 3], [0, 1]] and done.num_trained == 4


def test_what_others_finished_while_we_trained_is_found(store, lanes):
    store.held = {lanes[0]: "process 1 on a"}

    def engine(jobs, observer):
        yield from store.train(jobs, observer)
        store.write(lanes[0])
        store.held.clear()

    done = run(store, lanes, engine=engine)
    assert sorted(*store.calls) == [1, 2, 3] and done.num_trained == 3 and len(done.records) == 4


def test_lanes_that_were_taken_as_the_engine_came_to_them_are_waited_for(store, lanes, meanwhile):
    """Taken and let go, by one launch after the other."""

    def engine(jobs, observer):
        if len(store.calls) < 3:
            store.held = dict.fromkeys(lanes, f"process {len(store.calls)} on a")
        yield from store.train(jobs, observer)

    meanwhile += [lambda: store.held.clear()] * 3
    done = run(store, lanes, engine=engine)
    assert len(store.calls) == 4 and done.num_trained == 4


def test_while_waiting_one_can_be_asked_to_stop(store, lanes, meanwhile):
    store.held = dict.fromkeys(lanes, "process 1 on a")
    asked = []
    meanwhile += [lambda: asked.append(True)]
    with pytest.raises(runner.Interrupted):
        run(store, lanes, Observer(should_stop=lambda: bool(asked)))
    assert not meanwhile and not store.calls


def test_beside_a_failure_what_others_train_is_waited_for(store, lanes, meanwhile):
    store.held, store.failing = {lanes[0]: "process 1 on a"}, {lanes[1]}
    meanwhile += [lambda: (store.write(lanes[0]), store.held.clear())]
    done = run(store, lanes)
    assert len(done.failures) == 1 and set(done.records) == {lanes[0], *lanes[2:]}
    assert [sorted(call) for call in store.calls] == [[1, 2, 3]]


def test_told_to_stop_at_an_error_the_first_failure_ends_the_loop(store, lanes):
    store.failing = {lanes[1], lanes[2]}
    done = run(store, lanes, on_error="stop")
    assert len(done.failures) == 1 and set(done.records) == {lanes[0]}


def test_an_engine_that_fails_lanes_of_others_is_an_error(store, lanes):
    def engine(jobs, observer):
        yield runner.Failure(runner.Group(lanes[0], (None,)), ValueError("no"))

    with pytest.raises(RunError, match="lanes that were not its own"):
        run(store, lanes, engine=engine)


def test_an_engine_that_leaves_nothing_is_an_error_and_no_endless_loop(store, lanes):
    with pytest.raises(RunError, match="lanes were trained and left no record: 4"):
        run(store, lanes, engine=lambda jobs, observer: iter(()))
