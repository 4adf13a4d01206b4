"""Runs lanes on a Slurm cluster: each program of them is a job of an array.

submitit writes what sbatch takes, and puts a job back into the queue whose time is over; Slurm does
with one that was preempted or lost its node. What left the queue undone is sent again from here, as
long as it saves something. Needs the extra `slurm`.
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import submitit
from submitit.core.utils import FailedJobError

from cnnjax.config import words
from cnnjax.config.clusters import Placing
from cnnjax.config.errors import ConfigError
from cnnjax.records import shared
from cnnjax.sweep import following, runner, turns
from cnnjax.sweep.engines import Job, attempts
from cnnjax.sweep.observer import Observer

LOOK_SECONDS = 1.0  # between two looks at what tasks say
QUEUE_SECONDS = 10.0  # between two questions to Slurm
ARRAY = 500  # tasks of one array; Slurm takes 1,000 where nobody set another limit
SAVING_SECONDS = 60.0  # that tasks have to save what they train, and to leave the queue
TIMES = 1_000_000  # that a job's time may be over: what saves nothing ends by our own count
OF_A_JOB = ("SLURM_", "SBATCH_", "SRUN_")  # variables that would bind our jobs to one around us


class Sent:
    """A task in the queue, or at work."""

    def __init__(self, task: attempts.Task, base: str):
        self.task, self.base, self.reader = task, base, turns.Reader(base)
        self.given_up = False
        self.send_again()

    def send_again(self) -> None:
        """It is in the queue anew."""
        self.ended = False  # the turn that was heard of last
        self.absent = 0  # looks at the queue that it was not in

    def hear(self, observer: Observer) -> Iterator[runner.Failure]:
        """What it said since the last call; gives failures of groups."""
        for event in self.reader.read():
            failure = self.task.hear(event, observer)
            if failure is not None:
                self.given_up = self.task.is_done()
                yield failure
            self.ended = "ended" in event
            if self.ended:
                failure = self.task.end_attempt(following.describe_end(event))
                self.given_up = failure is not None
                if failure is not None:
                    yield failure

    def is_gone(self, queued: bool) -> bool:
        """Whether it has left the queue; between two states it may seem so once."""
        self.absent = 0 if queued else self.absent + 1
        return self.absent > 1


def run(
    jobs: Iterable[Job], observer: Observer, placing: Placing, mix: Collection[str] = ()
) -> Iterator[runner.Failure]:
    """Trains the lanes of every job on the cluster, as soon as it has room for each program.

    Raises ConfigError where sbatch refuses them or nodes are unlike this machine in more than
    `mix`, runner.Interrupted when the observer asked to stop: tasks have saved what they trained.
    """
    tasks = [attempts.Task(job, mix) for job in attempts.split(jobs)]
    if not tasks:
        return
    folder = _make_folder(pathlib.Path(tasks[0].job.runs))
    sent: dict[str, Sent] = {}  # by the id of the job
    failed = False
    try:
        executor = _open_executor(folder, placing)
        waiting = [_write(own, folder, at) for at, own in enumerate(tasks)]
        _send(waiting, executor, placing, sent)
        observer.on_note(f"{words.count(len(sent), 'task')} sent to Slurm: squeue --me")
        for failure in _follow(sent, executor, placing, observer):
            failed = True
            yield failure
    finally:
        _leave(sent)
        if failed:
            observer.on_note(f"what Slurm's tasks said is in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _follow(
    sent: dict[str, Sent], executor: submitit.SlurmExecutor, placing: Placing, observer: Observer
) -> Iterator[runner.Failure]:
    """Hears all tasks until they are done, and sends those again that left the queue undone."""
    asked, again = 0.0, list[Sent]()
    while True:
        left = {id: own for id, own in sent.items() if not own.task.is_done()}
        if not (left or again):
            return
        if observer.should_stop():
            raise runner.Interrupted
        queued = None
        if time.monotonic() - asked > QUEUE_SECONDS:
            queued, asked = list_queued(), time.monotonic()  # before they are heard for the last
        for own in left.values():
            yield from own.hear(observer)
        gone = [] if queued is None else [
            id for id, own in left.items() if not own.task.is_done() and own.is_gone(id in queued)
        ]  # fmt: skip
        lost = [sent.pop(id) for id in gone]
        for own in lost:
            if not own.ended and (failure := own.task.end_attempt("left Slurm's queue undone")):
                yield failure
        if undone := [own for own in lost if not own.task.is_done()]:
            said = words.count(len(undone), "task")
            observer.on_note(f"{said} left the queue undone: sent again")
        again += undone
        if again and queued is not None:  # where sbatch has no answer it is asked at the next look
            try:
                _send(again, executor, placing, sent)
            except ConfigError as error:
                observer.on_note(f"{error}; it is asked again")
            again = [own for own in again if own not in sent.values()]
        time.sleep(LOOK_SECONDS)


def list_queued() -> set[str] | None:
    """The ids of our own jobs that wait or are at work; None where Slurm does not answer."""
    found = subprocess.run(
        ["squeue", "--me", "--array", "--noheader", "--format=%F_%K"],
        capture_output=True, text=True,
    )  # fmt: skip
    if found.returncode:
        return None
    return {line.strip().removesuffix("_N/A") for line in found.stdout.splitlines()}


def _make_folder(runs: pathlib.Path) -> pathlib.Path:
    """A folder for what tasks read and say, which all nodes share: beside the records, or here."""
    shares = runs if not shared.is_url(shared.name_of(runs)) else pathlib.Path()
    shares.mkdir(parents=True, exist_ok=True)
    return pathlib.Path(tempfile.mkdtemp(prefix="slurm-", dir=shares)).resolve()


def _write(task: attempts.Task, folder: pathlib.Path, number: int) -> Sent:
    """Leaves a task where its job finds it."""
    base = os.fspath(folder / f"task-{number}")
    pathlib.Path(f"{base}.json").write_text(task.describe())
    return Sent(task, base)


def _open_executor(folder: pathlib.Path, placing: Placing) -> submitit.SlurmExecutor:
    """What sends jobs so placed. `srun` starts each on all of its nodes."""
    executor = submitit.SlurmExecutor(folder, max_num_timeout=TIMES)
    asked = {
        "partition": placing.partition, "account": placing.account,
        "constraint": placing.constraint, "gpus_per_node": placing.gpus,
    }  # fmt: skip
    executor.update_parameters(
        job_name="cnnjax", time=placing.minutes, nodes=placing.nodes, ntasks_per_node=1,
        cpus_per_task=placing.cpus,
        # Since 22.05 srun does not take the cores of its job by itself.
        srun_args=["--kill-on-bad-exit=1", f"--cpus-per-task={placing.cpus}"],
        additional_parameters={
            "requeue": True, **{name: value or True for name, value in placing.options}
        },
        **{name: value for name, value in asked.items() if value},
    )  # fmt: skip
    return executor


def _send(
    waiting: Sequence[Sent], executor: submitit.SlurmExecutor, placing: Placing,
    sent: dict[str, Sent],
) -> None:  # fmt: skip
    """Puts tasks into the queue, and each into `sent` by the id of its job.

    Raises ConfigError where sbatch refuses some; those before are sent.
    """
    # A CPU has a device for each core of the task, whatever else the node has.
    environment = {"JAX_NUM_CPU_DEVICES": str(placing.cpus)}
    for first in range(0, len(waiting), ARRAY):
        part = waiting[first : first + ARRAY]
        try:
            with _outside_of_jobs(), executor.batch():
                jobs = [
                    executor.submit(turns.Turn(own.base, os.getcwd(), environment, placing.nodes))
                    for own in part
                ]
        except FailedJobError as error:
            said = [line for line in str(error).splitlines() if "error" in line] or [str(error)]
            raise ConfigError(f"--engine=slurm: {said[0].strip()}") from None
        for own, job in zip(part, jobs, strict=True):
            own.send_again()
            sent[job.job_id] = own


@contextlib.contextmanager
def _outside_of_jobs() -> Iterator[None]:
    """Within, jobs can be sent as from outside, where we are in a job of Slurm ourselves."""
    before = dict(os.environ)
    if "SLURM_JOB_ID" in before:
        for name in before:
            if name.startswith(OF_A_JOB) and name != "SLURM_CONF":
                del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(before)


def _leave(sent: Mapping[str, Sent]) -> None:
    """Has tasks that are not done save what they train; waits until all have left the queue.

    One that was given up may be there to be begun again.
    """
    cancel([id for id, own in sent.items() if own.given_up or not own.task.is_done()])
    end = time.monotonic() + SAVING_SECONDS
    while time.monotonic() < end and not (list_queued() or set()).isdisjoint(sent):
        time.sleep(LOOK_SECONDS)


def cancel(ids: Collection[str]) -> None:
    """Asks jobs to end."""
    if ids:
        subprocess.run(["scancel", *ids], capture_output=True)
