"""Tasks of a sweep as jobs of Slurm, against one that runs them on this machine."""

import os
import pathlib
import re
import signal
import sys

import pytest

from cnnjax.config import clusters
from cnnjax.config.clusters import Placing
from cnnjax.config.config import to_json, with_seed
from cnnjax.config.datasets import Where
from cnnjax.config.errors import ConfigError
from cnnjax.records.record import load_record
from cnnjax.sweep import engines, turns
from cnnjax.sweep.engines import Job, attempts, on_slurm
from cnnjax.sweep.observer import Observer
from cnnjax.sweep.runner import Interrupted

FAKE = pathlib.Path(__file__).parents[1] / "fake_slurm.py"


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """The queue of a Slurm whose commands are on the PATH."""
    queue, commands = tmp_path / "queue", tmp_path / "bin"
    for folder in (queue / "jobs", queue / "scripts", commands):
        folder.mkdir(parents=True)
    for name in ("sbatch", "srun", "squeue", "scancel"):
        own = commands / name
        own.write_text(f"#!{sys.executable}\n{FAKE.read_text()}")
        own.chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SLURM", str(queue))
    monkeypatch.setattr(on_slurm, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(on_slurm, "QUEUE_SECONDS", 0.5)
    monkeypatch.setattr(attempts, "check_machine", lambda *_: None)  # JAX is stricter in tests
    return queue


@pytest.fixture
def job(tiny, tmp_path):
    lanes = tuple(to_json(with_seed(tiny, seed)) for seed in range(2))
    return Job(lanes, str(tmp_path / "runs"), Where()._asdict(), "memory")


@pytest.fixture
def sent(job, tmp_path):
    own = on_slurm.Sent(attempts.Task(job), str(tmp_path / "task-0"))
    own.send_again()
    return own


def say(sent, number, *events):
    with open(turns.name_turn(sent.base, number), "a") as file:
        for event in events:
            turns.tell(file, event)


def send(tasks, cluster, tmp_path, **placed):
    """What sbatch is given for so many tasks of a placing, and the ids of the jobs."""
    placing = Placing(**placed)
    executor = on_slurm._open_executor(tmp_path, placing)
    before = len([*(cluster / "scripts").iterdir()])
    sent = {}
    on_slurm._send(tasks, executor, placing, sent)
    return (cluster / "scripts" / str(before + 1)).read_text(), [*sent]


@pytest.mark.parametrize(
    ("placed", "lines"),
    [
        ({}, ["time=60", "nodes=1", "cpus-per-task=1", "requeue", "signal=USR2@90"]),
        ({"minutes": 5, "cpus": 4, "gpus": 2, "nodes": 3},
         ["time=5", "cpus-per-task=4", "gpus-per-node=2", "nodes=3", "ntasks-per-node=1"]),
        ({"partition": "gpu", "account": "lab", "constraint": "a100|h100"},
         ["partition=gpu", "account=lab", "constraint='a100|h100'"]),
        ({"options": (("qos", "long"), ("exclusive", ""))}, ["qos=long", "exclusive"]),
    ],
)  # fmt: skip
def test_sbatch_is_asked_for_what_was_placed(cluster, sent, tmp_path, placed, lines):
    text, _ = send([sent], cluster, tmp_path, **placed)
    for line in lines:
        assert f"#SBATCH --{line}\n" in text
    assert "srun " in text and "--kill-on-bad-exit=1" in text
    assert f"--cpus-per-task={placed.get('cpus', 1)} " in text.partition("srun ")[2]
    for name in {"gpus", "partition", "account", "constraint"} - placed.keys():
        assert f"--{name}" not in text


def test_several_tasks_are_an_array_and_one_is_none(cluster, sent, job, tmp_path, monkeypatch):
    tasks = [on_slurm.Sent(attempts.Task(job), str(tmp_path / f"{at}")) for at in range(5)]
    monkeypatch.setattr(on_slurm, "ARRAY", 3)
    text, ids = send(tasks, cluster, tmp_path)
    assert "--array=0-2%" in text and ids == ["1_0", "1_1", "1_2", "2_0", "2_1"]
    text, ids = send([sent], cluster, tmp_path)
    assert "--array" not in text and ids == ["3"]


def test_what_sbatch_refuses_is_told_in_a_line(cluster, job):
    (cluster / "refuse").touch()
    with pytest.raises(ConfigError, match=r"^--engine=slurm: .*invalid partition .*: nowhere$"):
        next(on_slurm.run([job], Observer(), Placing()))
    assert not [*pathlib.Path(job.runs).glob("slurm-*")]


def test_tasks_before_one_that_sbatch_refuses_are_known_to_be_sent(
    cluster, job, tmp_path, monkeypatch
):
    tasks = [on_slurm.Sent(attempts.Task(job), str(tmp_path / f"{at}")) for at in range(4)]
    monkeypatch.setattr(on_slurm, "ARRAY", 2)
    monkeypatch.setenv("FAKE_LIMIT", "1")
    executor, sent = on_slurm._open_executor(tmp_path, Placing()), {}
    with pytest.raises(ConfigError, match="QOSMaxSubmitJobPerUserLimit"):
        on_slurm._send(tasks, executor, Placing(), sent)
    assert [*sent] == ["1_0", "1_1"]


def test_the_job_around_us_does_not_bind_ours(monkeypatch):
    for name in ("SLURM_JOB_ID", "SLURM_MEM_PER_CPU", "SLURM_CONF", "SBATCH_ACCOUNT"):
        monkeypatch.setenv(name, "own")
    with on_slurm._outside_of_jobs():
        left = {name for name, value in os.environ.items() if value == "own"}
    assert left == {"SLURM_CONF"} and os.environ["SLURM_JOB_ID"] == "own"
    monkeypatch.delenv("SLURM_JOB_ID")
    with on_slurm._outside_of_jobs():  # who sets them outside of a job means ours
        assert os.environ["SBATCH_ACCOUNT"] == "own"


def test_a_slurm_that_does_not_answer_is_asked_again_later(cluster, monkeypatch):
    (cluster / "jobs" / "7_N-A").write_text(str(os.getpgrp()))
    (cluster / "jobs" / "8_3").write_text(str(os.getpgrp()))
    assert on_slurm.list_queued() == {"7", "8_3"}
    (cluster.parent / "bin" / "squeue").write_text("#!/bin/sh\nexit 1\n")
    assert on_slurm.list_queued() is None


def test_a_task_between_two_states_is_not_gone(sent):
    assert not sent.is_gone(queued=False)
    assert not sent.is_gone(queued=True)
    assert not sent.is_gone(queued=False)
    assert sent.is_gone(queued=False)


def test_three_turns_that_saved_nothing_end_a_task(sent):
    for turn in range(3):
        say(sent, turn, {"began": "n1"})
        assert [*sent.hear(Observer())] == []
    say(sent, 3, {"began": "n1"})
    (failure,) = sent.hear(Observer())
    assert "3 attempts in a row saved nothing new; the last was stopped" in str(failure.error)
    assert sent.task.is_done()


def test_a_turn_that_told_its_end_is_one_attempt(sent):
    for turn in range(2):
        say(sent, turn, {"began": "n1"}, {"ended": 75, "said": ""})
    assert [*sent.hear(Observer())] == [] and sent.ended and not sent.task.is_done()
    say(sent, 2, {"began": "n2"}, {"saved": 20})
    assert [*sent.hear(Observer())] == [] and not sent.ended
    say(sent, 3, {"began": "n2"}, {"ended": 0, "said": ""})
    assert [*sent.hear(Observer())] == [] and sent.task.is_done()


def test_where_there_is_no_slurm_it_is_said(monkeypatch):
    monkeypatch.setattr(clusters.shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match="no sbatch is here"):
        engines.find("slurm", Placing())


def listen(notes):
    return Observer(on_note=notes.append)


@pytest.mark.slow
def test_a_sweep_goes_through_slurm(cluster, job, tmp_path):
    notes, records = [], []
    observer = listen(notes)._replace(on_record=records.append)
    assert [*on_slurm.run([job], observer, Placing())] == []
    assert notes == ["1 task sent to Slurm: squeue --me"]
    assert [load_record(tmp_path / "runs", own.id) for own in records] == records
    assert len(records) == 2 and records[0].provenance["num_devices"] == 1
    assert not [*(tmp_path / "runs").glob("slurm-*")] and not on_slurm.list_queued()


@pytest.mark.slow
def test_a_task_that_left_the_queue_undone_is_sent_again(cluster, job, tmp_path):
    notes = []

    def lose(count):  # the first time that it trains
        if len(notes) == 1:
            os.killpg(int((cluster / "jobs" / "1_N-A").read_text()), signal.SIGKILL)

    observer = listen(notes)._replace(on_examples=lose)
    assert [*on_slurm.run([job], observer, Placing())] == []
    assert len([*(cluster / "scripts").iterdir()]) == 2
    assert re.fullmatch("1 task left the queue undone: sent again", notes[1])
    assert len([*(tmp_path / "runs" / "records").glob("*/record.json")]) == 2


@pytest.mark.slow
def test_whoever_stops_has_the_tasks_save_and_leave_the_queue(cluster, job, tiny, tmp_path):
    lane = to_json(tiny) | {"steps": 10_000_000, "eval_every": 0}
    trained = []
    observer = Observer(on_examples=trained.append, should_stop=lambda: bool(trained))
    endless = job._replace(lanes=(lane,), checkpoint_minutes=1000.0)
    with pytest.raises(Interrupted):
        next(on_slurm.run([endless], observer, Placing()))
    assert [*(tmp_path / "runs" / "checkpoints").glob("*/step-*")]
    assert not on_slurm.list_queued()
