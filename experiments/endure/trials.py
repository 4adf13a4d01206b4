"""Commands that are disturbed, and what they leave, to be compared with what peace leaves."""

import hashlib
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from experiments.endure import trap
from experiments.endure.outcomes import BYTES, VALUES, compare, read_numbers
from experiments.endure.trap import Event, Trap

ROOT = pathlib.Path(__file__).parents[2]
MINUTES = 0.005  # between checkpoints
SMALL = (
    "--widths=4", "--hidden=8", "--pool_every=1", "--train_examples=48", "--batch_size=16",
    "--keep=final", f"--checkpoint_minutes={MINUTES:g}", "--quiet",
)  # fmt: skip
# Files that should be gone when all is done: of runs in training, unfinished, damaged.
LEFT = ("runs/checkpoints/**/*", "runs/leases/**/*", "**/.*.*", "**/*.damaged", "data/**/*incompl*")
KEPT = ("runs/.reports.lock",)  # empty, and there to stay
LONGEST = 600  # seconds of a command


class Command(NamedTuple):
    """A command that leaves all that it does below a folder."""

    name: str
    module: str
    flags: tuple[str, ...]
    steps: int  # of each run
    place: str = "--runs"  # the flag for it

    def arguments(self, folder: pathlib.Path, *more: str) -> list[str]:
        """What starts it in a folder, again and again."""
        own = (f"--steps={self.steps}", f"--data_dir={folder / 'data'}")
        return [sys.executable, "-m", self.module, *self.flags, *SMALL, *own,
                f"{self.place}={folder / 'runs'}", *more]  # fmt: skip


SWEEP = Command(
    "sweep", "experiments.ablate", ("--grid=pool=max,avg,stride", "--seeds=2"), steps=3000
)
TRAIN = Command(
    "train", "experiments.train", ("--optimizer=adam", "--ema_decay=0.99", "--norm=batch"),
    steps=6000, place="--workdir",
)  # fmt: skip


class Ended(NamedTuple):
    """How a command ended."""

    status: int  # below 0 the signal
    said: str  # on stderr
    seconds: float
    events: list[Event]


def start(
    command: Command, folder: pathlib.Path, own: Trap | None = None, more: Sequence[str] = (),
    variables: Mapping[str, str] = {},
) -> subprocess.Popen[str]:  # fmt: skip
    """The command as a process group of its own, with caches of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), **variables}
    return subprocess.Popen(
        command.arguments(folder, *more), cwd=ROOT, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=trap.arm(own or Trap(str(folder)), environment, ROOT),
    )  # fmt: skip


def finish(process: subprocess.Popen[str], folder: pathlib.Path, begun: float) -> Ended:
    """Waits for the end of a command, whose whole group then goes, and takes its log away."""
    try:
        _, said = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        end(process)
        _, said = process.communicate()
        said += f"\nkilled for taking more than {LONGEST} s"
    except BaseException:  # whoever is interrupted leaves nobody at work
        end(process)
        raise
    events = trap.read_log(folder)
    (folder / "log").unlink(missing_ok=True)
    return Ended(process.returncode, said, time.monotonic() - begun, events)


def end(process: subprocess.Popen[str]) -> None:
    """Kills the whole group of a command."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(command: Command, folder: pathlib.Path, own: Trap | None = None, **more: Any) -> Ended:
    """The command to its end, whatever that is."""
    begun = time.monotonic()
    return finish(start(command, folder, own, **more), folder, begun)


class Peace(NamedTuple):
    """A command that nobody disturbed."""

    ended: Ended
    numbers: dict[str, str]


def make_peace(command: Command, folder: pathlib.Path) -> Peace:
    """The command from nothing to its end. Raises RuntimeError where it fails by itself."""
    ended = run(command, folder)
    if ended.status:
        raise RuntimeError(f"{command.name} fails in peace: {ended.said}")
    return Peace(ended, read_numbers(folder / "runs"))


def go_on(command: Command, folder: pathlib.Path, peace: Peace) -> list[str]:
    """Starts a command again, to its end, and gives how all that it left differs from peace."""
    ended = run(command, folder)
    faults = [*list_alarms(ended)]
    if ended.status:
        faults.append(f"status {ended.status}: {ended.said.strip()[-300:]}")
    return [*faults, *compare(peace.numbers, read_numbers(folder / "runs")),
            *list_leftovers(folder)]  # fmt: skip


def list_alarms(ended: Ended) -> Iterator[str]:
    """What a command says to a person though nothing but a process was ended."""
    for line in ended.said.splitlines():
        if "set aside" in line or "Traceback" in line:
            yield line


def read_finished(runs: pathlib.Path) -> dict[str, str]:
    """A checksum of every file of runs that are finished, by its place: to be there for ever."""
    ends = [*runs.glob("records/*/record.json"), *runs.glob("result.json")]
    paths = [
        path for end in ends for path in end.parent.iterdir() if path.name in (*BYTES, *VALUES)
    ]
    return {
        str(path.relative_to(runs)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths
    }


def list_lost(before: Mapping[str, str], runs: pathlib.Path) -> list[str]:
    """What was finished and is not as it was any more."""
    now = read_finished(runs)
    gone = [f"{name} is lost" for name in before if name not in now]
    return gone + [f"{name} was made again" for name in before if now.get(name, "") != before[name]
                   and name in now]  # fmt: skip


def find_saved(folder: pathlib.Path) -> dict[str, str]:
    """The newest checkpoint of each run in training, by the folder of its checkpoints."""
    paths = sorted(folder.glob("runs/checkpoints/**/step-*.safetensors"))
    return {str(path.parent.relative_to(folder)): path.name for path in paths}


def list_passed_over(saved: Mapping[str, str], events: Sequence[Event]) -> list[str]:
    """Runs that did not go on from the checkpoint that was the newest before a start."""
    first: dict[str, str] = {}
    for event in events:
        path = pathlib.PurePath(event.path)
        if event.name == "read" and path.name.startswith("step-"):
            first.setdefault(str(path.parent), path.name)
    return [f"{place}: {saved[place]} was passed over for {name}"
            for place, name in first.items() if saved.get(place, name) != name]  # fmt: skip


def list_leftovers(folder: pathlib.Path) -> list[str]:
    """Files that should be gone when all is done."""
    found = {str(path.relative_to(folder)) for kind in LEFT for path in folder.glob(kind)}
    return [f"{name} is left" for name in sorted(found - set(KEPT))]
