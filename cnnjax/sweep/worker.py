"""A job trained by a process of its own: what engines start wherever there is room.

    python -m cnnjax.sweep.worker [--multihost] < JOB.json

Several on as many hosts of a cluster train it together, each given the same job. Standard output
has a line of JSON for all that an observer hears, and for each group that broke off; all else that
is printed goes to standard error. SIGTERM, Slurm's signal that time is over and the end of whoever
started it have it save what is in training and end with status 75.
"""

import contextlib
import json
import os
import pathlib
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NoReturn, TextIO

from cnnjax.config import plugins, processes
from cnnjax.config.config import to_json
from cnnjax.config.datasets import Where
from cnnjax.config.errors import ConfigError, HostLost, RunError
from cnnjax.config.hosts import Hosts
from cnnjax.records import shared
from cnnjax.records.leases import Leases
from cnnjax.records.record import record_path
from cnnjax.sweep import backend, follow, multihost
from cnnjax.sweep.channel import Crew
from cnnjax.sweep.engines import Job, local
from cnnjax.sweep.following import STARTER
from cnnjax.sweep.observer import Observer
from cnnjax.sweep.runner import Failure, Interrupted
from cnnjax.sweep.turns import MANY

DONE, FAILED, INTERRUPTED = 0, 1, 75
LOOK_SECONDS = 0.5

Tell = Callable[[Mapping[str, Any]], None]


def main(argv: Sequence[str]) -> int:
    """Trains the job on standard input; gives the exit status."""
    events = _take_stdout()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2):
        signal.signal(number, lambda *_: stop.set())
    _end_with_parent(stop)

    def tell(event: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more: all is saved the same
            print(json.dumps(event), file=events, flush=True)

    job, observer = read_job(sys.stdin.read()), _observe(tell, stop)
    try:
        crew = _join(job, stop) if MANY in argv else None
        backend.configure_jax()
        if crew is not None:
            follow.agree(crew)
            if not crew.leads:
                return follow.follow(Where(**job.where), observer.on_note)
        tell({"machine": backend.describe()})
        for failure in train(job, observer):
            tell({"failure": describe_failure(failure, job)})
    except Interrupted:
        return INTERRUPTED
    except HostLost as error:
        _end_lost(str(error))
    except (ConfigError, RunError) as error:  # of all its lanes: none can be as it is
        tell({"failure": {"lanes": [*range(len(job.lanes))], "error": str(error)}})
    except OSError as error:  # a full disk, a store that does not answer: it may go another time
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    return DONE


def _join(job: Job, stop: threading.Event) -> Crew:
    """Meets the other workers of a job, before any device is touched."""
    plugins.load(job.plugins)  # they must be the same on all
    return multihost.join(Hosts(), stop.is_set, _end_lost)


def _end_lost(reason: str, status: int | None = None) -> NoReturn:
    """Ends this worker, another of whose job is lost: at once, for JAX would wait for it."""
    print(reason, file=sys.stderr, flush=True)
    os._exit(INTERRUPTED if status is None else status)


def train(job: Job, observer: Observer) -> Iterator[Failure]:
    """Trains the job by the local engine; lanes of a worker that was lost elsewhere are waited for.

    That one holds what it trained until its heart was seen to stand still for long enough.
    """
    runs = pathlib.Path(job.runs)
    names, dataset = local.open_job(job, observer)
    left = {*names.values()}
    with shared.open_leases(runs) as held:
        while True:
            for failure in local.train(job, names, dataset, observer, held):
                left -= {names[lane] for lane in failure.group.lanes}
                yield failure
            left = {own for own in left if not record_path(runs, own.record).exists()}
            if not wait_for_lost({own.run for own in left}, held, observer):
                return


def wait_for_lost(left: Collection[str], held: Leases, observer: Observer) -> bool:
    """Looks whether those live who hold these lanes, until that is known; whether one does not."""
    others = held.find_others(left)
    while any(not held.is_alive(id) for id in held.find_others(others)):
        if observer.should_stop():
            raise Interrupted
        time.sleep(LOOK_SECONDS)
    return len(held.find_others(others)) < len(others)


def read_job(text: str) -> Job:
    """The job of `json.dumps(job._asdict())`, its store opened."""
    values = json.loads(text)
    runs = os.fspath(shared.open_runs(values["runs"]))
    own = {name: tuple(values[name]) for name in ("lanes", "plugins")}
    return Job(**{**values, **own, "runs": runs})


def describe_failure(failure: Failure, job: Job) -> dict[str, Any]:
    """What whoever started us is told of a group that broke off: its lanes, by place, and why."""
    broken = [to_json(lane) for lane in failure.group.lanes]
    lanes = [place for place, lane in enumerate(job.lanes) if lane in broken]
    error = failure.error
    if isinstance(error, (ConfigError, RunError)):
        return {"lanes": lanes, "error": str(error)}
    shown = "".join(traceback.format_exception(error))
    return {"lanes": lanes, "error": f"{type(error).__name__}: {error}", "traceback": shown}


def _observe(tell: Tell, stop: threading.Event) -> Observer:
    return Observer(
        on_examples=lambda count: tell({"examples": count}),
        on_waiting=lambda share: tell({"waiting": share}),
        on_record=lambda record: tell({"record": record.id}),
        on_note=lambda text: tell({"note": text}),
        on_saved=lambda step: tell({"saved": step}),
        should_stop=lambda: stop.is_set() or multihost.is_asked(),
    )


def _take_stdout() -> TextIO:
    """Standard output for events alone: what libraries print there is an error's place."""
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return events


def _end_with_parent(stop: threading.Event) -> None:
    """Has SIGTERM sent to this process when the one that started it ends."""
    processes.end_with_parent(signal.SIGTERM)
    if os.environ.get(STARTER, str(os.getppid())) != str(os.getppid()):  # it ended before
        stop.set()


if __name__ == "__main__":
    status = main(sys.argv)
    multihost.end(status)
    if status == INTERRUPTED:
        os._exit(status)  # a compilation in another thread must not keep whoever waits
    sys.exit(status)
