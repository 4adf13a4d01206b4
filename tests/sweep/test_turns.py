"""What a job of Slurm does each time that it begins, and what is read of it."""

import json
import os
import signal
import threading
import time

import pytest

from cnnjax.sweep import following, turns

BEGAN, SAVED = {"began": "n1"}, {"saved": 40}


@pytest.fixture
def base(tmp_path):
    (tmp_path / "task-0.json").write_text("a job")
    return str(tmp_path / "task-0")


@pytest.fixture
def turn(base):
    return turns.Turn(base, ".", {}, 1)


def play(monkeypatch, *events):
    """In the place of a worker: tells events, the last its end; and what it was started with."""
    begun = []

    def run_worker(*arguments):
        *own, file = arguments
        begun.append(tuple(own))
        for event in events[:-1]:
            turns.tell(file, event)
        return events[-1]

    monkeypatch.setattr(following, "run_worker", run_worker)
    return begun


@pytest.fixture(autouse=True)
def same_signals():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_a_turn_keeps_what_its_worker_says(monkeypatch, turn, base):
    begun = play(monkeypatch, SAVED, {"ended": 0, "said": ""})
    turn()
    assert begun == [("a job", {}, ".", [])]
    events = [*turns.read_events(base)]
    assert [*events[0]] == ["began"] and events[1:] == [SAVED, {"ended": 0, "said": ""}]


@pytest.mark.parametrize(("status", "own"), [(75, 75), (1, 1), (-9, 1), (3, 1)])
def test_a_turn_that_is_not_the_last_ends_by_its_workers_status(monkeypatch, turn, status, own):
    play(monkeypatch, {"ended": status, "said": ""})
    with pytest.raises(SystemExit) as ended:
        turn()
    assert ended.value.code == own


def test_each_turn_has_a_file_of_its_own_and_all_are_read_in_order(monkeypatch, turn, base):
    reader = turns.Reader(base)
    assert [*reader.read()] == []  # it waits in the queue
    for step in (20, 40):
        play(monkeypatch, {"saved": step}, {"ended": 0, "said": ""})
        turn()
        assert [event["saved"] for event in reader.read() if "saved" in event] == [step]
    assert [event["saved"] for event in turns.read_events(base) if "saved" in event] == [20, 40]


def test_a_line_is_read_when_it_is_whole(base):
    path, reader = turns.name_turn(base, 0), turns.Reader(base)
    with open(path, "w") as file:
        file.write(json.dumps(SAVED)[:5])
    assert [*reader.read()] == []
    with open(path, "a") as file:
        file.write(json.dumps(SAVED)[5:] + "\n" + "{")
    assert [*reader.read()] == [SAVED] and [*reader.read()] == []
    with open(turns.name_turn(base, 1), "w") as file:  # its node was lost in the midst of a line
        turns.tell(file, BEGAN)
    assert [*reader.read()] == [BEGAN]


@pytest.mark.parametrize(
    ("events", "count"),
    [
        ([], 0),
        ([BEGAN], 1),
        ([BEGAN, BEGAN, BEGAN], 3),
        ([BEGAN, SAVED], 0),
        ([BEGAN, BEGAN, {"record": "x"}, BEGAN, {"examples": 5}], 1),
    ],
)
def test_turns_in_a_row_that_saved_nothing_are_counted(events, count):
    assert turns.count_fruitless(events) == count


def test_after_three_turns_that_saved_nothing_there_is_no_fourth(monkeypatch, turn):
    begun = play(monkeypatch, {"ended": 75, "said": ""})
    for _ in range(3):
        with pytest.raises(SystemExit):
            turn()
    with pytest.raises(SystemExit) as ended:
        turn()
    assert ended.value.code == 1 and len(begun) == 3  # no status that Slurm begins again


def test_of_several_nodes_the_first_alone_tells(monkeypatch, base):
    begun = play(monkeypatch, SAVED, {"ended": 0, "said": ""})
    both = turns.Turn(base, ".", {}, 2)
    monkeypatch.setenv("SLURM_PROCID", "1")
    both()
    assert begun[0][3] == ["--multihost"] and [*turns.read_events(base)] == []
    monkeypatch.setenv("SLURM_PROCID", "0")
    both()
    assert SAVED in turns.read_events(base)


WORKER = """
import json, pathlib, signal, sys
def save(*_):
    print(json.dumps({"saved": 40}), flush=True)
    sys.exit(75)
signal.signal(signal.SIGTERM, save)
print(json.dumps({"examples": 3}), flush=True)
signal.pause()
"""


def test_a_turn_that_slurm_stops_has_its_worker_save_and_that_is_known(
    monkeypatch, turn, base, tmp_path
):
    (tmp_path / "cnnjax" / "sweep").mkdir(parents=True)
    for name in ("cnnjax/__init__.py", "cnnjax/sweep/__init__.py"):
        (tmp_path / name).write_text("")
    (tmp_path / "cnnjax" / "sweep" / "worker.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    own = turn._replace(folder=str(tmp_path))

    def stop():
        while not any("examples" in event for event in turns.read_events(base)):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    with pytest.raises(SystemExit) as stopped:
        own()
    assert stopped.value.code == 75
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN  # a second one disturbs no saving
    assert SAVED in turns.read_events(base) and turns.count_fruitless(turns.read_events(base)) == 0


def test_what_is_called_in_the_next_turn_is_the_same(turn):
    again = turn.checkpoint()
    assert again.function == turn and (again.args, again.kwargs) == ((), {})
