"""File systems that are full, refuse a file, are only read, or flip bits, and what becomes of work.

Small sweeps and single runs are done in peace once; then each is tried on such a disk. It must end
in one line, and the same command must afterwards come to the numbers of peace; or it recovers by
itself and comes to them at once.
"""

import errno
import itertools
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from experiments.endure import forks, rot, work
from experiments.endure.tally import Tally
from experiments.endure.work import Command, Peace

ROOM = "64m"  # more than a trial leaves


class Fault(NamedTuple):
    """What should not be."""

    trial: str
    said: str

    def __str__(self) -> str:
        return f"{self.trial}: {self.said}"


def run(full: bool, seed: int, trials: range | None = None) -> Tally:
    """Tries all in a process of its own; where that is allowed, in one with mounts of its own.

    Of `trials` those numbers alone, from 1 on.
    """
    chosen = [str(trials.start), str(trials.stop)] if trials else []
    own = [sys.executable, "-m", "experiments.endure.files", *["--full"] * full, str(seed), *chosen]
    unshare = ["unshare", "--mount", *own, "--mounts"]
    for command in ([unshare] if shutil.which("unshare") else []) + [own]:
        ended = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if ended.returncode == 0:
            figures, *faults = ended.stdout.splitlines()
            return Tally("files", figures, tuple(faults))
    return Tally("files", "nothing was tried", (f"status {ended.returncode} of {own}",))


def try_all(full: bool, seed: int, mounts: bool, chosen: range | None = None) -> Tally:
    """Every kind of trial, in folders that are gone afterwards; of `chosen` those numbers alone."""
    draws, counts, faults = random.Random(seed), Counter[str](), []
    with tempfile.TemporaryDirectory(prefix="files-") as folder:
        peace = work.make_peace(pathlib.Path(folder) / "peace")
        trials = [
            *(try_full(peace, draws, full) if mounts else ()),
            *try_refused(peace, draws, full),
            *(try_read_only(peace)[:: 1 if full else 2] if mounts else ()),
            *(try_clocks(peace) if full else try_clocks(peace)[:1]),
            *rot.list_trials(peace, draws, full),
        ]
        for number, trial in enumerate(trials, start=1):
            if chosen and number not in chosen:
                continue
            place = pathlib.Path(folder) / str(number)
            place.mkdir()
            try:
                found = list(trial.act(place))
            finally:
                unmount(place)
            shutil.rmtree(place)
            counts[trial.kind] += 1
            faults += [str(Fault(f"{trial.kind}: {trial.name}", said)) for said in found]
            print(f"files: {number} of {len(trials)}, {len(faults)} faults", file=sys.stderr)
    figures = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    figures += f" (of {len(trials)} trials {chosen[0]} to {chosen[-1]})" if chosen else ""
    figures += "" if mounts else " (no mounts allowed: no full and no read-only file system)"
    return Tally("files", f"{figures}: {len(faults)} faults", tuple(faults))


def mount(place: pathlib.Path, size: str) -> None:
    """Puts a file system of so much memory on a folder, or gives the one there another size."""
    remount = ["-o", f"remount,size={size}"] if os.path.ismount(place) else ["-o", f"size={size}"]
    command = ["mount", "-t", "tmpfs", *remount, "tmpfs", place]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def forbid_writing(place: pathlib.Path) -> None:
    """Makes what lies in a folder something that is only read."""
    subprocess.run(["mount", "--bind", place, place], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)


def unmount(place: pathlib.Path) -> None:
    """Takes away all that was mounted on a folder."""
    while not subprocess.run(["umount", place], stderr=subprocess.DEVNULL).returncode:
        pass


def try_full(peace: Peace, draws: random.Random, full: bool) -> list[work.Trial]:
    """Disks that are full before all is done, at any moment; then there is room again."""

    def make(command: Command, on_disk: Sequence[str], size: int) -> work.Trial:
        def act(place: pathlib.Path) -> Iterator[str]:
            mount(place, f"{size}k")
            yield from work.judge_refusal(peace.run(command, place, on_disk), place)
            mount(place, ROOM)
            yield from peace.settle(command, place, on_disk)

        return work.Trial("full disks", f"{command.name}, {size} KiB of {on_disk}", act)

    disks = (("runs",), ("runs", "data", "cache"))
    tried = list(itertools.product(peace.commands, disks, range(20)))
    if not full:
        tried = list(zip(peace.commands, disks, (0, 0), strict=True))
    return [
        make(command, on_disk, draws.randrange(4, peace.measure(command, on_disk)))
        for command, on_disk, _ in tried
    ]


def try_refused(peace: Peace, draws: random.Random, full: bool) -> list[work.Trial]:
    """The content of a file that does not reach the disk, nor that of any after it."""

    def make(command: Command, number: int, code: int) -> work.Trial:
        def act(place: pathlib.Path) -> Iterator[str]:
            before = forks.fail_sync(number, code)
            yield from work.judge_refusal(peace.run(command, place, ("runs",), before), place)
            yield from peace.settle(command, place, ("runs",))

        return work.Trial("files refused", f"{command.name}, the {number}. of them", act)

    trials = []
    for command in peace.commands:
        numbers = range(1, peace.count_files(command) + 1)
        for number in numbers if full else [draws.choice(numbers)]:
            trials.append(make(command, number, draws.choice((errno.ENOSPC, errno.EIO))))
    return trials


def try_clocks(peace: Peace) -> list[work.Trial]:
    """Clocks that jump, back or on, at each look: half a run goes on to the numbers of peace."""

    def make(command: Command, seconds: float) -> work.Trial:
        def act(place: pathlib.Path) -> Iterator[str]:
            peace.copy(place, f"{command.name}-half")
            for path in place.rglob("*"):
                os.utime(path, (4e9, 4e9))
            yield from peace.settle(command, place, ("runs",), before=forks.jump(seconds))

        return work.Trial("wrong clocks", f"{command.name}, {seconds:g} s", act)

    return [make(command, seconds) for command in peace.commands for seconds in (-3600, 3600)]


def try_read_only(peace: Peace) -> list[work.Trial]:
    """Folders that are only read: what is there is shown, and what is to be written is refused."""

    def make(name: str, act: work.Act) -> work.Trial:
        def act_there(place: pathlib.Path) -> Iterator[str]:
            peace.copy(place)
            forbid_writing(place)
            yield from act(place)

        return work.Trial("read-only folders", name, act_there)

    def show(*more: str) -> work.Act:
        def act(place: pathlib.Path) -> Iterator[str]:
            ended = peace.run(peace.sweep, place, ("runs",), more=more)
            told = [line for line in ended.out.splitlines() if "mean%" in line]
            if (
                ended.fault
                or ended.status
                or not told
                or "no report is written" not in ended.errors
            ):
                yield f"no verdict: {ended}"

        return act

    def refuse(command: Command, *more: str) -> work.Act:
        def act(place: pathlib.Path) -> Iterator[str]:
            ended = peace.run(command, place, ("runs",), more=more)
            yield from work.judge_refusal(ended, place)
            if ended.status != 1:
                yield f"not refused: {ended}"

        return act

    def list_them(flag: str) -> work.Act:
        def act(place: pathlib.Path) -> Iterator[str]:
            ended = forks.start("experiments.records", [flag, f"--runs={place / 'sweep'}"])
            if ended.fault or ended.status:
                yield f"{ended}"

        return act

    return [
        make("a finished study", show()),
        make("--judge_only", show("--judge_only")),
        make("a study of more seeds", refuse(peace.sweep, "--seeds=3")),
        make("another run", refuse(peace.train, "--workdir=train/other")),
        make("--list", list_them("--list")),
        make("--check", list_them("--check")),
    ]


def may_mount() -> bool:
    """Whether this process may mount."""
    with tempfile.TemporaryDirectory() as place:
        try:
            mount(pathlib.Path(place), "64k")
        except subprocess.CalledProcessError:
            return False
        unmount(pathlib.Path(place))
    return True


def main(argv: Sequence[str]) -> int:
    """Tries all, with --mounts or status 9; prints the figures, then a line a fault."""
    mounts = "--mounts" in argv
    if mounts and not may_mount():
        return 9
    seed, *chosen = [int(own) for own in argv[1:] if own.isdecimal()]
    tally = try_all("--full" in argv, seed, mounts, range(*chosen) if chosen else None)
    print(tally.figures, *(fault.replace("\n", " | ") for fault in tally.faults), sep="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv))
