"""A job that is tried until it is done: by workers that may end at any moment, anywhere.

A worker that ended before its job was done is an attempt. What it saved is not lost, and the next
goes on from there; several in a row that saved nothing new end the job.
"""

import contextlib
import json
import os
import pathlib
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cnnjax.config.config import Config, from_json, structure_of, to_json
from cnnjax.config.errors import RunError
from cnnjax.records import shared
from cnnjax.records.record import load_record
from cnnjax.sweep import runner
from cnnjax.sweep.engines import Job
from cnnjax.sweep.observer import Observer

MOST = 3  # attempts in a row that saved nothing
LOOK_SECONDS = 0.5
LAST_WORDS = 2_000  # characters of what a worker said as it broke
STARTER = "CNNJAX_STARTER"  # tells a worker which process started it, by its number


class Task:
    """A job, and how far its attempts came."""

    def __init__(self, job: Job):
        self.job = job
        self._lanes = [from_json(dict(values)) for values in job.lanes]
        self._left = [*self._lanes]  # without a record
        self._fruitless = 0
        self._saved = False  # by the attempt that is under way
        self._done = False

    def describe(self) -> str:
        """The job as a worker reads it, in whose store's own name another machine finds it."""
        runs = shared.name_of(pathlib.Path(self.job.runs))
        runs = runs if shared.is_url(runs) else os.path.abspath(runs)
        return json.dumps(self.job._replace(runs=runs)._asdict())

    def hear(self, event: Mapping[str, Any], observer: Observer) -> runner.Failure | None:
        """Takes a worker's event: the observer hears of it, or it is the failure of a group."""
        if "examples" in event:
            observer.on_examples(event["examples"])
        elif "waiting" in event:
            observer.on_waiting(event["waiting"])
        elif "note" in event:
            observer.on_note(event["note"])
        elif "saved" in event:
            self._saved = True
        elif "record" in event:
            self._saved = True
            runs = pathlib.Path(self.job.runs)
            shared.pull(runs / "records" / event["record"], "record.json")
            record = load_record(runs, event["record"])
            if record is not None:
                self._left = [lane for lane in self._left if to_json(lane) != record.config]
                observer.on_record(record)
        elif "failure" in event:
            found = event["failure"]
            shown = found.get("traceback")
            error = RunError(f"{found['error']}\n{shown}" if shown else found["error"])
            lanes = [self._lanes[place] for place in found["lanes"]]
            broken = [lane for lane in lanes if lane in self._left]
            self._left = [lane for lane in self._left if lane not in broken]
            return make_failure(broken, error) if broken else None
        elif "ended" in event:
            self._done = event["ended"] == 0
        return None

    def end_attempt(self, how: str) -> runner.Failure | None:
        """Closes an attempt whose worker ended, `how` so; a failure where there is to be no other.

        `is_done` tells whether there is anything left to try.
        """
        self._fruitless = 0 if self._saved else self._fruitless + 1
        self._saved = False
        self._done = self._done or not self._left
        if self._done or self._fruitless < MOST:
            return None
        self._done = True
        said = f"{MOST} attempts in a row saved nothing new; the last {how}"
        return make_failure(self._left, RunError(said))

    def is_done(self) -> bool:
        """Whether no other attempt is to be made."""
        return self._done


def make_failure(lanes: Iterable[Config], error: Exception) -> runner.Failure:
    """Lanes of one structure that broke off."""
    own = tuple(lanes)
    return runner.Failure(runner.Group(structure_of(own[0]), own), error)


def split(jobs: Iterable[Job]) -> Iterator[Job]:
    """Each job as one for each program: what a task of a cluster compiles and trains."""
    for job in jobs:
        lanes = [from_json(dict(values)) for values in job.lanes]
        for group in runner.group_lanes(lanes):
            yield job._replace(lanes=tuple(map(to_json, group.lanes)))


def follow_worker(
    job: str, environment: Mapping[str, str], folder: str = "."
) -> Iterator[dict[str, Any]]:
    """Starts a worker here on a job; gives its events, and last how it `ended` and what it `said`.

    It works in a folder, where there is such. Closed early, it saves what it trains, and is waited
    for.
    """
    own = {**os.environ, **environment, STARTER: str(os.getpid())}
    with tempfile.TemporaryFile() as said, subprocess.Popen(
        [sys.executable, "-m", "cnnjax.sweep.worker"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=said, env=own, text=True,
        cwd=folder if os.path.isdir(folder) else None,
    ) as process:  # fmt: skip
        try:
            yield from _listen(process, job)
            status = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
        said.seek(max(said.seek(0, os.SEEK_END) - LAST_WORDS, 0))
        yield {"ended": status, "said": said.read().decode(errors="replace")}


def _listen(process: "subprocess.Popen[str]", job: str) -> Iterator[dict[str, Any]]:
    """Gives a worker its job, and its events as they come.

    A thread reads them, so that whoever waits here can be interrupted while nothing comes.
    """
    assert process.stdin and process.stdout
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    stdout = process.stdout

    def read() -> None:
        for line in stdout:
            lines.put(line)
        lines.put(None)

    with contextlib.suppress(OSError):  # it ended before it read: it is told how
        process.stdin.write(job)
        process.stdin.close()
    threading.Thread(target=read, name="events", daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            continue
        if line is None:
            return
        yield json.loads(line)


def describe_end(event: Mapping[str, Any]) -> str:
    """How a worker ended, in words: by its status, with what it said last where it broke."""
    status, lines = event["ended"], event["said"].strip().splitlines()
    how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    return f"{how}: {lines[-1]}" if lines and status not in (0, 75) else how
