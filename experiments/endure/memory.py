"""Memory, file descriptors and threads of one process that trains hundreds of groups.

    python -m experiments.endure.memory [GROUPS] [SEED]

Every group is a structure of its own: logistic regressions of ever another batch, and every fifth a
CNN of random widths where there are many. The first groups fill caches that stay; from then on the
process must not grow.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cnnjax.config.config import Config, make_config
from experiments.endure.tally import Tally

GROUPS, TENTH = 300, 30
FEW = 60  # groups, up to which none is a CNN: one takes four times as long
MOST = 0.1  # by which memory may grow from the first group that is warm to the last
SMALL = {"train_examples": 400, "steps": 2}


class Taken(NamedTuple):
    """What a process has after so many groups."""

    groups: int
    mib: float  # resident
    descriptors: int
    threads: int


def list_groups(count: int, seed: int) -> list[Config]:
    """So many runs, no two of one structure."""
    draws = random.Random(seed)
    found = []
    for place in range(count):
        if count > FEW and place % 5 == 4:
            widths = (draws.randrange(2, 9), draws.randrange(2, 9))
            own = {"widths": widths, "hidden": (4,), "batch_size": 8 + place // 5}
        else:
            own = {"model": "mlp", "hidden": (), "batch_size": 8 + place}
        found.append(make_config({**SMALL, **own}))
    return found


def list_marks(count: int) -> list[int]:
    """After how many groups it is looked, the first of them warm."""
    return [mark for mark in (10, 20, 60, 100, 200) if mark < count] + [count]


def look(groups: int) -> Taken:
    """What this process has now; Linux says it in /proc."""
    own = Path("/proc/self")
    pages = int((own / "statm").read_text().split()[1])
    mib = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return Taken(groups, mib, len(os.listdir(own / "fd")), len(os.listdir(own / "task")))


def train(count: int, seed: int) -> Iterator[Taken]:
    """Trains so many groups in this process, and looks after some."""
    from cnnjax.config.datasets import Where
    from cnnjax.data import load
    from cnnjax.sweep import backend, runner

    backend.configure_jax()
    dataset, marks = load.load_dataset(Config(), Where()), list_marks(count)
    for done, result in enumerate(runner.run_lanes(list_groups(count, seed), dataset), 1):
        if isinstance(result, runner.Failure):
            raise result.error
        if done in marks:
            yield look(done)


def judge(found: Sequence[Taken]) -> Tally:
    """The figures, and what grew."""
    warm = found[1 if len(found) > 3 else 0]
    last, faults = found[-1], []
    growth = last.mib / warm.mib - 1
    if growth > MOST:
        faults.append(f"memory grew by {growth:.0%} from the {warm.groups}th group on")
    for name in ("descriptors", "threads"):
        if getattr(last, name) > getattr(warm, name):
            faults.append(f"{name}: {getattr(warm, name)}, in the end {getattr(last, name)}")
    shown = ", ".join(f"{taken.mib:.0f} MiB after {taken.groups}" for taken in found)
    return Tally(
        "memory",
        f"{last.groups} groups in one process: {shown} ({growth:+.1%} from the {warm.groups}th on),"
        f" {warm.descriptors} file descriptors and in the end {last.descriptors}",
        tuple(faults),
    )


def run(full: bool, seed: int) -> Tally:
    """Trains in a process of its own, whose memory nothing else has used."""
    count = GROUPS if full else TENTH
    command = [sys.executable, "-m", __spec__.name, str(count), str(seed)]
    found = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            found.append(Taken(*json.loads(line)))
            print(f"memory: {found[-1].groups} of {count} groups", file=sys.stderr, flush=True)
    if process.returncode or not found:
        return Tally("memory", "", (f"status {process.returncode} after {len(found)} looks",))
    return judge(found)


def main(argv: Sequence[str]) -> None:
    """Trains here, and prints a line of JSON a look."""
    count, seed = (int(text) for text in (*argv[1:], *(str(GROUPS), "0")[len(argv) - 1 :]))
    for taken in train(count, seed):
        print(json.dumps(taken), flush=True)


if __name__ == "__main__":
    main(sys.argv)
