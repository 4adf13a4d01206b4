"""What a job of Slurm does on each of its nodes: it follows a worker, whose events go to a file.

Slurm stops a job, puts it back into the queue and begins it again, on other nodes: each time is a
turn, and has a file of its own. Whoever launched reads them; nobody needs to. No JAX here.
"""

import contextlib
import json
import os
import pathlib
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TextIO

from cnnjax.sweep import following

MANY = "--multihost"  # to a worker that is one of several


class Turn(NamedTuple):
    """What submitit calls on each node that a job has."""

    base: str  # path of its files, without what tells them apart, in a folder that nodes share
    folder: str  # in which it works
    environment: Mapping[str, str]  # beside that of whoever launched
    nodes: int

    def __call__(self) -> None:
        """One turn. Ends the process with status 75 where it was stopped, or 1 where it broke.

        So it does where turns before saved nothing: then there is no other.
        """
        job = pathlib.Path(f"{self.base}.json").read_text()
        leads = os.environ.get("SLURM_PROCID", "0") == "0"
        if leads and count_fruitless(read_events(self.base)) >= following.MOST:
            sys.exit(1)  # other nodes are not to wait for this one
        signal.signal(signal.SIGTERM, _end)
        flags = [MANY] if self.nodes > 1 else []
        with _open_turn(self.base) if leads else open(os.devnull, "w") as file:
            tell(file, {"began": os.uname().nodename})
            last = following.run_worker(job, self.environment, self.folder, flags, file)
            tell(file, last)
        if status := last["ended"]:
            sys.exit(os.EX_TEMPFAIL if status == os.EX_TEMPFAIL else 1)

    def checkpoint(self) -> Any:
        """What is called in the next turn, as submitit asks when the time of this one is over."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def tell(file: TextIO, event: Mapping[str, Any]) -> None:
    """Writes an event, for others to read at once."""
    file.write(json.dumps(event) + "\n")
    file.flush()


def _end(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)  # Slurm may say so again while the worker saves
    sys.exit(os.EX_TEMPFAIL)


def _open_turn(base: str) -> TextIO:
    """A new file behind those of earlier turns."""
    number = 0
    while True:
        with contextlib.suppress(FileExistsError):
            open(name_turn(base, number), "x").close()
            return open(name_turn(base, number), "a", encoding="utf-8")  # the worker writes too
        number += 1


def name_turn(base: str, number: int) -> str:
    """The file with the events of a turn."""
    return f"{base}-{number}.jsonl"


def read_events(base: str) -> Iterator[dict[str, Any]]:
    """All events of all turns so far."""
    return Reader(base).read()


def count_fruitless(events: Iterable[Mapping[str, Any]]) -> int:
    """How many turns in a row saved nothing, up to the last."""
    count = 0
    for event in events:
        if "began" in event:
            count += 1
        elif "saved" in event or "record" in event:
            count = 0
    return count


class Reader:
    """Reads events as they come, turn by turn."""

    def __init__(self, base: str):
        self.base, self.turn, self.read_bytes = base, 0, 0

    def read(self) -> Iterator[dict[str, Any]]:
        """What came since the last call. A line is read when it is whole."""
        while True:
            later = os.path.exists(name_turn(self.base, self.turn + 1))
            try:
                with open(name_turn(self.base, self.turn), "rb") as file:
                    file.seek(self.read_bytes)
                    whole = file.read().rpartition(b"\n")[0]
            except FileNotFoundError:  # it waits in the queue
                return
            self.read_bytes += len(whole) + 1 if whole else 0
            yield from map(json.loads, whole.splitlines())
            if not later:
                return
            self.turn, self.read_bytes = self.turn + 1, 0
