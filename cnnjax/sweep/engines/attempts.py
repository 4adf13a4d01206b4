"""A job that is tried until it is done: by workers that may end at any moment, anywhere.

A worker that ended before its job was done is an attempt. What it saved is not lost, and the next
goes on from there; several in a row that saved nothing new end the job.
"""

import json
import os
import pathlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from cnnjax.config.config import Config, from_json, structure_of, to_json
from cnnjax.config.errors import ConfigError, RunError
from cnnjax.records import origin, shared
from cnnjax.records.record import load_record
from cnnjax.sweep import backend, following, runner
from cnnjax.sweep.engines import Job
from cnnjax.sweep.observer import Observer


class Task:
    """A job, and how far its attempts came; `mix` is in what its workers may be unlike us."""

    def __init__(self, job: Job, mix: Collection[str] = ()):
        self.job, self.mix = job, mix
        self._lanes = [from_json(dict(values)) for values in job.lanes]
        self._left = [*self._lanes]  # without a record
        self._fruitless = 0
        self._under_way = False
        self._saved = False  # by the attempt that is under way
        self._done = False

    def describe(self) -> str:
        """The job as a worker reads it, in whose store's own name another machine finds it."""
        runs = shared.name_of(pathlib.Path(self.job.runs))
        runs = runs if shared.is_url(runs) else os.path.abspath(runs)
        return json.dumps(self.job._replace(runs=runs)._asdict())

    def hear(self, event: Mapping[str, Any], observer: Observer) -> runner.Failure | None:
        """Takes a worker's event: the observer hears of it, or it is the failure of a group.

        Raises ConfigError where it works on what this machine does not compare with itself.
        """
        if "began" in event:
            failure = self.end_attempt("was stopped") if self._under_way else None
            self._under_way = True
            return failure
        if "machine" in event:
            check_machine(event["machine"], self.mix)
        elif "examples" in event:
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
        self._saved = self._under_way = False
        self._done = self._done or not self._left
        if self._done or self._fruitless < following.MOST:
            return None
        self._done = True
        said = f"{following.MOST} attempts in a row saved nothing new; the last {how}"
        return make_failure(self._left, RunError(said))

    def is_done(self) -> bool:
        """Whether no other attempt is to be made."""
        return self._done


def check_machine(there: Mapping[str, Any], mix: Collection[str]) -> None:
    """Raises ConfigError where records made there are not what we look for: before there is any."""
    both = [backend.describe(), there]
    if unlike := origin.compare(both, mix):
        name = origin.find_way(both, mix)
        way = f"--mix={name} takes them" if name else "the same must be on every node"
        raise ConfigError(
            f"this machine would not take for its own what tasks train ({'; '.join(unlike)}): {way}"
        )


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
