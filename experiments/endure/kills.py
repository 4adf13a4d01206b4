"""Runs that are killed at every phase and started again, beside one that nobody disturbs.

A sweep of three groups and a single run are each done in peace once. Then each is killed with
SIGKILL, phase after phase and at random times, and started by the same command until it is done,
and all that anew until there were enough kills. Nothing that was finished may be lost or made
again; every number, learning curve, answer, weight and verdict must be that of peace, to the bit;
and no file may be left that should be gone.
"""

import collections
import itertools
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from experiments.endure import trials
from experiments.endure.tally import Tally
from experiments.endure.trap import Event, Trap
from experiments.endure.trials import Command, Ended

KILLS = (10, 100)  # at least, of a tenth and of the whole
COMMANDS = (trials.SWEEP, trials.TRAIN)
# In the order in which a command comes to them: a war goes on until it is done.
CAMPAIGN = (
    "preparing", "preparing", "compiling", "compiling", "any", "sharing", "training", "saving",
    "recording", "any", "saving", "training", "recording", "reporting", "reporting",
)  # fmt: skip
MOST_SECONDS = 60 * trials.MINUTES + 10  # of work repeated: an interval, a stretch and its saving


class Kill(NamedTuple):
    """What a kill cost."""

    phase: str
    repeated: float  # seconds of training that no checkpoint has


class War(NamedTuple):
    """A command that was killed until it was done."""

    kills: list[Kill]
    faults: list[str]


def run(full: bool, seed: int) -> Tally:
    """Disturbs each command; gives the figures."""
    draws = random.Random(seed)
    kills: list[Kill] = []
    faults: list[str] = []
    starts = 0
    with tempfile.TemporaryDirectory(prefix="kills-") as place:
        folder = pathlib.Path(place).resolve()
        peace = {command: make_peace(command, folder / command.name) for command in COMMANDS}
        turns = itertools.cycle(COMMANDS)
        for number in itertools.count():
            command = next(turns)
            campaign = CAMPAIGN if full else CAMPAIGN[number % 2 :: 2]
            war = disturb(command, folder / str(number), peace[command], campaign, draws)
            kills += war.kills
            faults += [f"{command.name}: {fault}" for fault in war.faults]
            starts += 1
            print(f"{command.name}: {len(kills)} kills, {len(faults)} faults", file=sys.stderr)
            if len(kills) >= KILLS[full] and number % 2:
                break
    return Tally("kills", describe(kills, starts, faults), tuple(faults))


def describe(kills: Sequence[Kill], wars: int, faults: Sequence[str]) -> str:
    """The line of figures."""
    by_phase = collections.Counter(kill.phase for kill in kills)
    times = [kill.repeated for kill in kills if kill.repeated]
    lost, differing, left = (
        sum(word in fault for fault in faults) for word in ("lost", "differs", "is left")
    )
    worst = f"{max(times):.1f} s at most, {statistics.median(times):.1f} s" if times else "0 s"
    return (
        f"{len(kills)} kills in {wars} lives"
        f" ({', '.join(f'{number} {phase}' for phase, number in by_phase.items())}),"
        f" {lost} records lost, {differing} files differ, {left} left over,"
        f" {len(faults)} faults; repeated after a kill {worst} in the median,"
        f" with a checkpoint every {60 * trials.MINUTES:g} s"
    )


class Peace(NamedTuple):
    """A command that nobody disturbed."""

    ended: Ended
    numbers: dict[str, str]


def make_peace(command: Command, folder: pathlib.Path) -> Peace:
    """The command from nothing to its end. Raises RuntimeError where it fails by itself."""
    ended = trials.run(command, folder)
    if ended.status:
        raise RuntimeError(f"{command.name} fails in peace: {ended.said}")
    return Peace(ended, trials.read_numbers(folder / "runs"))


def draw(phase: str, peace: Ended, folder: pathlib.Path, draws: random.Random) -> Trap:
    """Where a command is killed next, by what it did in peace."""
    counts = collections.Counter(event.phase for event in peace.events)
    whole = draws.random() < 0.8
    if phase == "training":  # soon after a lane is claimed
        return Trap(str(folder), "sharing", 3, draws.uniform(0, 3), whole)
    number = draws.randint(1, max(counts[phase] // (1 if phase == "reporting" else 2), 1))
    delay = draws.choice([0, 0, draws.uniform(0, 0.5)])
    return Trap(str(folder), phase, number, delay, whole)


def disturb(
    command: Command, folder: pathlib.Path, peace: Peace, campaign: Iterable[str],
    draws: random.Random,
) -> War:  # fmt: skip
    """Kills a command at each phase and starts it again; the last time it comes to its end."""
    kills: list[Kill] = []
    faults: list[str] = []
    finished: Mapping[str, str] = {}
    for phase in itertools.chain(campaign, [""]):
        ended = strike(command, folder, phase, peace, draws)
        faults += trials.list_lost(finished, folder / "runs")
        finished = trials.read_finished(folder / "runs")
        faults += [f"{phase}: {line}" for line in list_alarms(ended)]
        if ended.status != -9:
            if ended.status:
                faults.append(f"status {ended.status}: {ended.said.strip()[-300:]}")
            break
        kills.append(Kill(phase, count_repeated(ended.events)))
        if kills[-1].repeated > MOST_SECONDS:
            faults.append(f"{phase}: {kills[-1].repeated:.1f} s of training are repeated")
    faults += trials.compare(peace.numbers, trials.read_numbers(folder / "runs"))
    faults += trials.list_leftovers(folder)
    return War(kills, faults)


def strike(
    command: Command, folder: pathlib.Path, phase: str, peace: Peace, draws: random.Random
) -> Ended:
    """Starts a command and kills it in a phase, if it comes to it; with none it is let be."""
    begun = time.monotonic()
    if phase != "any":
        trap = draw(phase, peace.ended, folder, draws) if phase else None
        return trials.run(command, folder, trap)
    process = trials.start(command, folder)
    try:
        process.wait(draws.uniform(0, peace.ended.seconds))
    except subprocess.TimeoutExpired:
        trials.end(process)
    return trials.finish(process, folder, begun)


def list_alarms(ended: Ended) -> Iterator[str]:
    """What a command says to a person though nothing but a process was killed."""
    for line in ended.said.splitlines():
        if "set aside" in line or "Traceback" in line:
            yield line


def count_repeated(events: Sequence[Event]) -> float:
    """Seconds of training at the moment of a kill that no checkpoint has.

    They begin when a lane is claimed or saved, and are over when its record is written. A single
    run claims its folder before it compiles.
    """
    since, single = 0.0, False
    for event in events:
        name = pathlib.PurePath(event.path).name
        if event.phase == "sharing" and event.name == "os.link":
            since, single = event.time, "/claims/folder/" in event.path
        elif event.phase == "saving" and event.name == "os.rename":
            since, single = event.time, False
        elif event.phase == "compiling" and single:
            since = event.time
        elif name in trials.VALUES:
            since = 0.0
    return events[-1].time - since if since and events else 0.0
