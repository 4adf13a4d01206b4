"""Runs that are killed at random moments and started again, beside one that nobody disturbs.

    python -m experiments.endure.kills [KILLS] [SEED]

A small sweep and a single run are each done in peace once; then they are killed with SIGKILL again
and again, and started by the same command, until they have lived through KILLS (20) kills in all.
Every number, learning curve, answer and weight must be that of peace, to the bit.
"""

import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

SMALL = ("--train_examples=100", "--steps=1500", "--keep=final", "--quiet")
OFTEN = "--checkpoint_minutes=0.02"
SWEEP = ("experiments.ablate", "--grid=pool=max,avg", "--grid=padding=SAME,VALID", "--seeds=3")
TRAIN = ("experiments.train", "--optimizer=adam", "--ema_decay=0.99", "--norm=batch")
BYTES = ("final.safetensors", "predictions.npz", "metrics.jsonl")  # compared byte by byte
TIMES = ("compile_seconds", "examples_per_second")  # no numbers of a run


class Kind(NamedTuple):
    """A command that is to be disturbed."""

    name: str
    module: str
    flags: tuple[str, ...]
    place: str  # the flag that says where it leaves what it does

    def command(self, folder: Path) -> list[str]:
        """What starts it in a folder, again and again."""
        return [sys.executable, "-m", self.module, *self.flags, *SMALL, OFTEN,
                f"{self.place}={folder}"]  # fmt: skip


KINDS = (
    Kind("sweep", SWEEP[0], SWEEP[1:], "--runs"),
    Kind("train", TRAIN[0], TRAIN[1:], "--workdir"),
)


class Tally(NamedTuple):
    """What became of one kind under kills."""

    kills: int
    finished: int  # times that it came to its end in spite of them
    complaints: tuple[str, ...]


def start(kind: Kind, folder: Path) -> subprocess.Popen[str]:
    """The command as a process group of its own."""
    return subprocess.Popen(
        kind.command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def read_numbers(folder: Path) -> dict[str, str]:
    """What each run in a folder came to, by its place there; times and dates are left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.name in BYTES:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.name in ("record.json", "result.json"):
            value = json.loads(path.read_text(encoding="utf-8"))
            value.pop("provenance")
            for part in (value, value.get("cost", {})):
                for time_of in TIMES:
                    part.pop(time_of, None)
            found[name] = json.dumps(value, sort_keys=True)
    return found


def list_leftovers(folder: Path) -> list[str]:
    """Files that should be gone when all is done."""
    kinds = ("checkpoints/**/*.*", "leases/**/*", "**/.*.json.*", "**/*.damaged")
    found = itertools.chain.from_iterable(map(folder.glob, kinds))
    return sorted({str(path.relative_to(folder)) for path in found if path.is_file()})


def compare(peace: dict[str, str], found: dict[str, str]) -> list[str]:
    """How numbers differ from those of peace."""
    names = sorted(peace.keys() | found.keys())
    return [f"{name} differs" for name in names if peace.get(name) != found.get(name)]


def disturb(kind: Kind, folder: Path, kills: int, draws: random.Random) -> Tally:
    """Kills and starts again until there were so many kills and the last start came to its end."""
    began = time.monotonic()
    with start(kind, folder / "peace") as process:
        _, said = process.communicate()
    if process.returncode:
        raise SystemExit(f"{kind.name} fails in peace: {said}")
    seconds, peace = time.monotonic() - began, read_numbers(folder / "peace")
    print(f"{kind.name}: {len(peace)} files in {seconds:.0f} s of peace", flush=True)
    done, finished, complaints = 0, 0, []
    place = folder / "war"
    while done < kills or place.exists():
        with start(kind, place) as process:
            try:
                late = draws.uniform(0, seconds) if done < kills else None
                _, said = process.communicate(timeout=late)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                done += 1
                continue
        finished += 1
        if process.returncode:
            complaints.append(f"status {process.returncode}: {said.strip()[-300:]}")
        complaints += compare(peace, read_numbers(place))
        complaints += [f"{left} is left" for left in list_leftovers(place)]
        print(f"{kind.name}: {done} kills, done {finished} times: {complaints}", flush=True)
        shutil.rmtree(place)
    return Tally(done, finished, tuple(complaints))


def main(argv: Sequence[str]) -> int:
    """Disturbs each kind; prints the figures and gives the exit status."""
    kills, seed = (int(text) for text in (*argv[1:], *("20", "0")[len(argv) - 1 :]))
    draws, faults = random.Random(seed), 0
    for kind in KINDS:
        with tempfile.TemporaryDirectory(prefix="kills-") as folder:
            tally = disturb(kind, Path(folder), kills // len(KINDS), draws)
        print(
            f"{kind.name}: {tally.kills} kills, {tally.finished} times done,"
            f" {len(tally.complaints)} faults"
        )
        faults += len(tally.complaints)
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv))
