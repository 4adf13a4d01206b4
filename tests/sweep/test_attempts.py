"""A job tried until it is done, by workers that may end at any moment."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from cnnjax.config import clusters
from cnnjax.config.config import to_json, with_seed
from cnnjax.config.datasets import Where
from cnnjax.config.errors import ConfigError, RunError
from cnnjax.records.leases import Leases
from cnnjax.records.record import load_record
from cnnjax.sweep import backend, engines, following, loop, runner, worker
from cnnjax.sweep.engines import Job, attempts
from cnnjax.sweep.observer import Observer

LOST = {"ended": -9, "said": "one\nno room left\n"}


@pytest.fixture
def job(tiny, tmp_path):
    lanes = tuple(to_json(with_seed(tiny, seed)) for seed in range(2))
    return Job(lanes, str(tmp_path / "runs"), Where()._asdict(), "memory")


@pytest.fixture
def task(job):
    return attempts.Task(job)


def lose(task):
    return task.end_attempt(following.describe_end(LOST))


def test_three_attempts_in_a_row_that_save_nothing_end_a_job(task, tiny):
    assert lose(task) is None and lose(task) is None and not task.is_done()
    failure = lose(task)
    assert task.is_done() and isinstance(failure.error, RunError)
    said = "3 attempts in a row saved nothing new; the last was ended by signal 9: no room left"
    assert str(failure.error) == said
    assert failure.group.lanes == tuple(with_seed(tiny, seed) for seed in range(2))


@pytest.mark.parametrize("saved", [{"saved": 40}, {"record": "unknown"}])
def test_an_attempt_that_saved_something_lets_it_go_on(task, saved):
    for _ in range(7):
        assert lose(task) is None
        assert lose(task) is None
        task.hear(saved, Observer())
        assert lose(task) is None
    assert not task.is_done()


def test_a_job_whose_worker_ended_well_is_done(task):
    assert task.hear({"ended": 0, "said": ""}, Observer()) is None
    assert task.end_attempt("ended with status 0") is None and task.is_done()


def test_the_observer_hears_what_a_worker_does(task):
    heard = []
    observer = Observer(
        on_examples=lambda count: heard.append(("examples", count)),
        on_waiting=lambda share: heard.append(("waiting", share)),
        on_note=lambda text: heard.append(("note", text)),
    )
    events = [("examples", 48), ("waiting", 0.5), ("note", "a note")]
    for name, value in events:
        assert task.hear({name: value}, observer) is None
    assert heard == events


UNLIKE_CPU = {"cpu_threads": 99}
UNLIKE_DEVICE = {"platform": "gpu", "device_kind": "H100", "cpu": None, "cpu_threads": None}


@pytest.mark.parametrize(
    ("there", "mix", "said"),
    [
        ({}, (), None),
        (UNLIKE_CPU, (), r"cpu_threads: \d+ against 99\): --mix=cpu takes them"),
        (UNLIKE_CPU, ("cpu",), None),
        (UNLIKE_DEVICE, (), r"platform: cpu against gpu; .*: --mix=device takes them"),
        (UNLIKE_DEVICE, ("cpu",), "--mix=device takes them"),
        (UNLIKE_DEVICE, ("device",), None),
        ({"versions": {"jax": "0.1"}}, ("device",), "the same must be on every node"),
    ],
)
def test_workers_that_are_unlike_us_are_refused_before_they_train(job, there, mix, said):
    event = {"machine": backend.describe() | there}
    task = attempts.Task(job, mix)
    if said is None:
        assert task.hear(json.loads(json.dumps(event)), Observer()) is None
    else:
        with pytest.raises(ConfigError, match=said):
            task.hear(event, Observer())


def test_a_group_that_broke_off_is_the_failure_that_it_was(task, tiny):
    refused = task.hear({"failure": {"lanes": [1], "error": "no such choice"}}, Observer())
    assert str(refused.error) == "no such choice"
    assert refused.group.lanes == (with_seed(tiny, 1),)
    broken = {"lanes": [0, 1], "error": "ValueError: 3", "traceback": "Traceback ..."}
    shown = str(task.hear({"failure": broken}, Observer()).error)
    assert shown == "ValueError: 3\nTraceback ..."


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (LOST, "was ended by signal 9: no room left"),
        ({"ended": 1, "said": ""}, "ended with status 1"),
        ({"ended": 75, "said": "interrupted"}, "ended with status 75"),
    ],
)
def test_it_is_said_how_a_worker_ended(event, said):
    assert following.describe_end(event) == said


def test_each_program_of_lanes_is_a_task(tiny, tmp_path):
    other = dataclasses.replace(tiny, widths=(6,))
    lanes = [with_seed(tiny, 0), other, with_seed(tiny, 1)]
    jobs = loop.make_jobs(lanes, tmp_path, Where(), {loop.request_of(tiny): "memory"})
    parts = [*attempts.split(jobs)]
    assert [len(part.lanes) for part in parts] == [2, 1]
    assert parts[1].lanes == (to_json(other),) and parts[0].feed == "memory"


def test_a_job_crosses_to_another_process_as_it_is(job, task):
    assert worker.read_job(task.describe()) == job._replace(
        lanes=tuple(json.loads(json.dumps(job.lanes)))
    )


def test_a_failure_is_told_by_the_places_of_its_lanes(job, tiny):
    group = runner.Group(tiny, (with_seed(tiny, 1),))
    told = worker.describe_failure(runner.Failure(group, RunError("too large")), job)
    assert told == {"lanes": [1], "error": "too large"}
    told = worker.describe_failure(runner.Failure(group, ValueError("odd")), job)
    assert told["error"] == "ValueError: odd" and "ValueError: odd" in told["traceback"]


def test_an_engine_of_ours_that_is_not_installed_says_how_to_have_it(monkeypatch):
    monkeypatch.setattr(clusters.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"--engine=ray: ray is missing: .*\[ray\]"):
        engines.find("ray", clusters.Placing())


@pytest.mark.slow
def test_a_worker_leaves_the_records_of_its_job_once(job, task, tmp_path):
    events = [*following.follow_worker(task.describe(), {"JAX_NUM_CPU_DEVICES": "1"})]
    assert events[-1]["ended"] == 0, events[-1]["said"]
    ids = [event["record"] for event in events if "record" in event]
    assert len(ids) == 2 and sum(event.get("examples", 0) for event in events) > 0
    records = [load_record(tmp_path / "runs", id) for id in ids]
    assert [record.config for record in records] == [
        json.loads(json.dumps(own)) for own in job.lanes
    ]
    assert all(record.provenance["num_devices"] == 1 for record in records)
    again = [*following.follow_worker(task.describe(), {})]
    assert [*again[-1]] == ["ended", "said"] and not any("record" in event for event in again)


@pytest.mark.slow
def test_a_worker_that_cannot_write_is_an_attempt(job, tmp_path):
    (tmp_path / "file").write_text("")
    lost = attempts.Task(job._replace(runs=str(tmp_path / "file" / "runs")))
    *_, ended = following.follow_worker(lost.describe(), {})
    assert ended["ended"] == 1 and "file" in following.describe_end(ended)


def endless(job, tiny):
    lane = dataclasses.replace(tiny, steps=10_000_000, eval_every=0)
    return attempts.Task(job._replace(lanes=(to_json(lane),), checkpoint_minutes=1000.0))


def find_saved(tmp_path):
    return [*(tmp_path / "runs" / "checkpoints").glob("*/step-*")]


@pytest.mark.slow
def test_a_worker_that_is_no_longer_followed_saves_what_it_trains(job, tiny, tmp_path):
    events = following.follow_worker(endless(job, tiny).describe(), {})
    assert any("examples" in event for event in events)  # behind what it says of its machine
    assert not find_saved(tmp_path)
    events.close()
    assert find_saved(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="Linux alone tells of the end")
def test_a_worker_saves_and_ends_with_whoever_started_it(job, tiny, tmp_path):
    starter = (
        "import os, signal, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-m', 'cnnjax.sweep.worker'],"
        " stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)\n"
        "child.stdin.write(sys.argv[1]); child.stdin.close()\n"
        "while 'examples' not in child.stdout.readline(): pass\n"  # it trains
        "print(child.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", starter, endless(job, tiny).describe()],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    child, end = int(found.stdout), time.monotonic() + 60
    while os.path.exists(f"/proc/{child}") and time.monotonic() < end:
        time.sleep(0.1)
    alive = os.path.exists(f"/proc/{child}")
    if alive:
        os.kill(child, signal.SIGKILL)
    assert not alive and find_saved(tmp_path)


def claim_elsewhere(folder, key):
    """A claim of a process of another machine, whose heart stands still."""
    there = Leases(folder)
    there.me = there.me._replace(host="elsewhere", boot="another")
    assert there.claim(key)
    return there


@pytest.mark.parametrize("lives", [False, True])
def test_lanes_of_a_worker_that_was_lost_elsewhere_are_waited_for(tmp_path, monkeypatch, lives):
    monkeypatch.setattr(worker, "LOOK_SECONDS", 0.01)
    there = claim_elsewhere(tmp_path, "lane")
    held = Leases(tmp_path, stale_seconds=0.2)
    assert not held.claim("lane")  # at the first look nobody knows
    looks = []

    def look():
        looks.append(held.is_alive("lane"))
        if lives:
            there.beat()
        return False

    assert worker.wait_for_lost(["lane"], held, Observer(should_stop=look)) is not lives
    assert looks and held.claim("lane") is not lives


def test_lanes_that_nobody_holds_are_not_waited_for(tmp_path):
    assert not worker.wait_for_lost(["lane"], Leases(tmp_path), Observer())


def test_who_waits_for_others_may_be_stopped(tmp_path):
    claim_elsewhere(tmp_path, "lane")
    stopping = Observer(should_stop=lambda: True)
    with pytest.raises(runner.Interrupted):
        worker.wait_for_lost(["lane"], Leases(tmp_path), stopping)


def test_a_failure_is_told_once_and_not_of_what_is_recorded(task, tiny):
    broken = {"failure": {"lanes": [0, 1], "error": "no"}}
    assert len(task.hear(broken, Observer()).group.lanes) == 2
    assert task.hear(broken, Observer()) is None
    assert lose(task) is None and task.is_done()  # nothing is left to be tried
