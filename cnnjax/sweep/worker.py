"""A job trained by a process of its own: what engines start wherever there is room.

    python -m cnnjax.sweep.worker < JOB.json

Standard output has a line of JSON for all that an observer hears, and for each group that broke
off; all else that is printed goes to standard error. SIGTERM, and the end of whoever started it,
have it save what is in training and end with status 75.
"""

import ctypes
import json
import os
import pathlib
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from cnnjax.config.errors import ConfigError, RunError
from cnnjax.records import shared
from cnnjax.sweep import backend
from cnnjax.sweep.engines import Job, local
from cnnjax.sweep.observer import Observer
from cnnjax.sweep.runner import Failure, Interrupted

DONE, INTERRUPTED = 0, 75
PR_SET_PDEATHSIG = 1  # of prctl(2)

Tell = Callable[[Mapping[str, Any]], None]


def main() -> int:
    """Trains the job on standard input; gives the exit status."""
    events = _take_stdout()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    _end_with_parent(stop)

    def tell(event: Mapping[str, Any]) -> None:
        print(json.dumps(event), file=events, flush=True)

    job = read_job(sys.stdin.read())
    try:
        backend.configure_jax()
        for failure in local.run([job], _observe(tell, stop)):
            tell({"failure": describe_failure(failure, job)})
    except Interrupted:
        return INTERRUPTED
    except (ConfigError, RunError, OSError) as error:  # of all its lanes: no start, a full disk
        tell({"failure": {"lanes": [*range(len(job.lanes))], "error": str(error)}})
    return DONE


def read_job(text: str) -> Job:
    """The job of `json.dumps(job._asdict())`, its store opened."""
    values = json.loads(text)
    runs = os.fspath(shared.open_runs(values["runs"]))
    own = {name: tuple(values[name]) for name in ("lanes", "plugins")}
    return Job(**{**values, **own, "runs": runs})


def describe_failure(failure: Failure, job: Job) -> dict[str, Any]:
    """What whoever started us is told of a group that broke off: its lanes, by place, and why."""
    from cnnjax.config.config import to_json

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
        should_stop=stop.is_set,
    )


def _take_stdout() -> TextIO:
    """Standard output for events alone: what libraries print there is an error's place."""
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return events


def _end_with_parent(stop: threading.Event) -> None:
    """Has SIGTERM sent to this process when the one that started it ends. Linux alone can."""
    if not pathlib.Path("/proc/self").is_dir():
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent or parent == 1:  # it ended before
        stop.set()


if __name__ == "__main__":
    sys.exit(main())
