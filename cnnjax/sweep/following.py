"""A worker started here, and what it says: by whoever an engine has on that machine.

No JAX here, so that what only waits takes little memory and starts at once.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TextIO

LOOK_SECONDS = 0.5
MOST = 3  # attempts in a row that saved nothing
LAST_WORDS = 2_000  # characters of what a worker said as it broke
STARTER = "CNNJAX_STARTER"  # tells a worker which process started it, by its number


def follow_worker(
    job: str, environment: Mapping[str, str], folder: str = "."
) -> Iterator[dict[str, Any]]:
    """Starts a worker here on a job; gives its events, and last how it `ended` and what it `said`.

    It works in a folder, where there is such. Closed early, it saves what it trains, and is waited
    for.
    """
    with _start(environment, folder, [], subprocess.PIPE) as (process, ended):
        yield from _listen(process, job)
        process.wait()
        yield ended()


def run_worker(
    job: str, environment: Mapping[str, str], folder: str, flags: Sequence[str], file: TextIO
) -> dict[str, Any]:
    """As `follow_worker`, where the worker itself writes its events into a file; gives the last.

    Whatever is raised here meanwhile, it saves what it trains and tells of it, before that goes on.
    """
    with _start(environment, folder, flags, file) as (process, ended):
        _give(process, job)
        process.wait()
        return ended()


@contextlib.contextmanager
def _start(
    environment: Mapping[str, str], folder: str, flags: Sequence[str], stdout: int | TextIO
) -> Iterator[tuple["subprocess.Popen[str]", Callable[[], dict[str, Any]]]]:
    """A worker, and what tells how it ended; what is raised within has it save and end first."""
    own = {**os.environ, **environment, STARTER: str(os.getpid())}
    with tempfile.TemporaryFile() as said, subprocess.Popen(
        [sys.executable, "-m", "cnnjax.sweep.worker", *flags], stdin=subprocess.PIPE,
        stdout=stdout, stderr=said, env=own, text=True,
        cwd=folder if os.path.isdir(folder) else None,
    ) as process:  # fmt: skip

        def ended() -> dict[str, Any]:
            said.seek(max(said.seek(0, os.SEEK_END) - LAST_WORDS, 0))
            return {"ended": process.returncode, "said": said.read().decode(errors="replace")}

        try:
            yield process, ended
        except BaseException:
            process.terminate()
            process.wait()
            raise


def _give(process: "subprocess.Popen[str]", job: str) -> None:
    assert process.stdin
    with contextlib.suppress(OSError):  # it ended before it read: it is told how
        process.stdin.write(job)
        process.stdin.close()


def _listen(process: "subprocess.Popen[str]", job: str) -> Iterator[dict[str, Any]]:
    """Gives a worker its job, and its events as they come.

    A thread reads them, so that whoever waits here can be interrupted while nothing comes.
    """
    assert process.stdout
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    stdout = process.stdout

    def read() -> None:
        for line in stdout:
            lines.put(line)
        lines.put(None)

    _give(process, job)
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
