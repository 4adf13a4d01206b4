"""Within a process that is to be disturbed: notes what it does with files, and kills it at one.

It is set by `arm`, in the environment, and springs in whichever process of the command comes to
the place first. Python itself says what is about to be done with a file (`sys.addaudithook`), so
nothing in the code that is disturbed knows of it. Imports nothing that takes time.
"""

import json
import os
import pathlib
import re
import signal
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

VARIABLE = "CNNJAX_ENDURE_TRAP"
SITE = "from experiments.endure import trap\ntrap.set_up()\n"
# What a path below the folder of a trial is written for; the first that matches.
PHASES = {
    "preparing": r"^data/",
    "compiling": r"^cache/.*-cache$",
    "sharing": r"^runs/leases/",
    "saving": r"^runs/checkpoints/",
    "reporting": r"^runs/(\.?ablate-|\.?report\.html|\.?index\.html|\.reports)",
    "training": r"^runs/\.?metrics\.jsonl",  # of a single run; of a sweep nothing tells
    "recording": r"^runs/",
}
NUMBERS = {"open": 1, "os.rename": 2, "os.link": 2}  # how many paths an event has first
EVENTS = ("open", "os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Trap(NamedTuple):
    """Where a process is to be killed: before the number-th event of a phase, or later."""

    folder: str  # of the trial
    phase: str = ""  # none: events are only noted
    number: int = 1
    delay: float = 0.0  # seconds after it
    whole: bool = True  # all processes of the command; else the first one alone, others live on


class Event(NamedTuple):
    """Something that a process was about to do."""

    time: float
    pid: int
    phase: str
    name: str  # of Python's, or "read", "start" and "killed"
    path: str  # below the folder of the trial


def arm(trap: Trap, environment: Mapping[str, str], root: pathlib.Path) -> dict[str, str]:
    """The environment of a process that is to step into a trap; `root` has our packages."""
    site = pathlib.Path(trap.folder, "site")
    site.mkdir(parents=True, exist_ok=True)
    (site / "sitecustomize.py").write_text(SITE, encoding="utf-8")
    return {
        **environment,
        VARIABLE: json.dumps(trap),
        "PYTHONPATH": os.pathsep.join([str(site), str(root)]),
    }


def read_log(folder: pathlib.Path) -> list[Event]:
    """What the processes of a trial did since its log was last removed."""
    path = folder / "log"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [Event(*json.loads(line)) for line in lines if line.endswith("]")]  # whole ones


def classify(path: str) -> str:
    """The phase to which a path below the folder of a trial belongs; empty if to none."""
    return next((name for name, form in PHASES.items() if re.search(form, path)), "")


def set_up() -> None:
    """Called at the start of every process of the command."""
    trap = Trap(*json.loads(os.environ[VARIABLE]))
    begin = os.path.join(os.path.realpath(trap.folder), "")
    log = os.open(begin + "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    seen, lock = [0], threading.Lock()

    def note(*fields: Any) -> None:
        line = json.dumps([time.time(), os.getpid(), *fields])
        os.write(log, f"{line}\n".encode())

    def kill() -> None:
        note("", "killed", "")
        os.kill(0 if trap.whole else os.getpgid(0), signal.SIGKILL)

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in EVENTS:
            return
        if event == "open" and not arguments[2] & WRITING:
            event = "read"
        for path in arguments[: NUMBERS.get(event, 1)][::-1]:  # of two the one that is to be
            if not isinstance(path, (str, os.PathLike)):
                return
            below = os.path.abspath(path).removeprefix(begin)
            if phase := classify(below):
                break
        else:
            return
        if event == "read":
            if phase == "saving":
                note(phase, event, below)
            return
        note(phase, event, below)
        if phase == trap.phase:
            with lock:
                seen[0] += 1
                due = seen[0] == trap.number
            if due and trap.delay:
                timer = threading.Timer(trap.delay, kill)
                timer.daemon = True
                timer.start()
            elif due:
                kill()

    note("", "start", " ".join(sys.orig_argv[1:4]))
    sys.addaudithook(hear)
