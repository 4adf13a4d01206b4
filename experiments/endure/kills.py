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
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cnnjax.config import words
from experiments.endure import outcomes, signals, trials
from experiments.endure.tally import Tally, say
from experiments.endure.trap import Event, Trap
from experiments.endure.trials import Command, Ended, Peace

KILLS = (10, 100)  # at least, of a tenth and of the whole
COMMANDS = (trials.SWEEP, trials.TRAIN)
# In the order in which a command comes to them: a life goes on until it is done.
CAMPAIGN = (
    "preparing", "preparing", "compiling", "compiling", "any", "sharing", "training", "saving",
    "recording", "any", "saving", "training", "recording", "reporting", "reporting",
)  # fmt: skip
# By which event of a phase it is killed at the latest: a start may have less to do than the one
# before. All of a report is written anew each time.
MOST = {"preparing": 5, "compiling": 4, "reporting": 100}
MOST_SECONDS = 60 * trials.MINUTES + 10  # of work repeated: an interval, a stretch and its saving


class Kill(NamedTuple):
    """What a kill cost."""

    phase: str
    repeated: float  # seconds of training that no checkpoint has


class Life(NamedTuple):
    """A command that was killed until it was done."""

    kills: list[Kill]
    faults: list[str]


def run(full: bool, seed: int) -> Tally:
    """Disturbs each command; gives the figures."""
    with tempfile.TemporaryDirectory(prefix="kills-") as place:
        folder = pathlib.Path(place).resolve()
        peace = {command: trials.make_peace(command, folder / command.name) for command in COMMANDS}
        lives = kill_all(full, seed, folder, peace)
        faults = [f"{command}: {fault}" for command, life in lives for fault in life.faults]
        kills = [kill for _, life in lives for kill in life.kills]
        kept, tried = describe_kills(kills, len(lives), faults), []
        words.say(kept, sys.stderr)
        for case, figures, found in signals.try_cases(full, seed, folder, peace):
            tried.append((case, figures, found))
            say(f"{case.name} of {case.command.name}", found)
            faults += [f"{case.name} of {case.command.name}: {fault}" for fault in found]
    return Tally("kills", f"{kept}; {describe_cases(tried)}", tuple(faults))


def kill_all(
    full: bool, seed: int, folder: pathlib.Path, peace: Mapping[Command, Peace]
) -> list[tuple[str, Life]]:
    """Lives of the commands, in turn, until there were enough kills."""
    lives: list[tuple[str, Life]] = []
    for number in itertools.count():
        command = COMMANDS[number % len(COMMANDS)]
        campaign = CAMPAIGN if full else CAMPAIGN[number % 3 :: 3]
        draws = random.Random(f"{seed} {number}")
        life = disturb(command, folder / str(number), peace[command], campaign, draws)
        lives.append((command.name, life))
        total = sum(len(own.kills) for _, own in lives)
        say(f"{total} kills", life.faults)
        if total >= KILLS[full] and len(lives) >= len(COMMANDS):
            return lives
    raise AssertionError("it counts for ever")


def describe_kills(kills: Sequence[Kill], lives: int, faults: Sequence[str]) -> str:
    """The figures of kills."""
    by_phase = collections.Counter(kill.phase for kill in kills)
    times = [kill.repeated for kill in kills if kill.repeated] or [0.0]
    kinds = {"is lost": "lost", "again": "made again", "differs": "differ", "is left": "left over"}
    counts = [
        f"{sum(fault.endswith(end) for fault in faults)} {name}" for end, name in kinds.items()
    ]
    return (
        f"{len(kills)} kills in {lives} lives"
        f" ({', '.join(f'{number} {phase}' for phase, number in by_phase.items())}):"
        f" files {', '.join(counts)}; repeated {max(times):.1f} s of training at most,"
        f" {statistics.median(times):.1f} s in the median, saved every {60 * trials.MINUTES:g} s"
    )


def describe_cases(tried: Sequence[signals.Tried]) -> str:
    """The figures of what else was done to commands."""
    names = collections.Counter(case.name for case, _, _ in tried)
    longest: dict[str, float] = {}
    for _, figures, _ in tried:
        for name, seconds in figures:
            longest[name] = max(seconds, longest.get(name, 0.0))
    said = [f"{number} {name}" for name, number in names.items()]
    return ", ".join([*said, *(f"{name} after {most:.1f} s" for name, most in longest.items())])


def draw(phase: str, peace: Ended, folder: pathlib.Path, draws: random.Random) -> Trap:
    """Where a command is killed next, by what it did in peace."""
    counts = collections.Counter(event.phase for event in peace.events)
    whole = draws.random() < 0.8
    if phase == "training" and not counts[phase]:  # soon after a lane is claimed
        return Trap(str(folder), "sharing", 3, draws.uniform(0, 3), whole)
    number = draws.randint(1, max(min(counts[phase], MOST.get(phase, 8)), 1))
    delay = draws.choice([0, 0, draws.uniform(0, 0.5)])
    return Trap(str(folder), phase, number, delay, whole)


def disturb(
    command: Command, folder: pathlib.Path, peace: Peace, campaign: Iterable[str],
    draws: random.Random,
) -> Life:  # fmt: skip
    """Kills a command at each phase and starts it again; the last time it comes to its end."""
    kills: list[Kill] = []
    faults: list[str] = []
    finished: Mapping[str, str] = {}
    for phase in itertools.chain(campaign, [""]):
        saved = trials.find_saved(folder)
        ended = strike(command, folder, phase, peace, draws)
        faults += trials.list_passed_over(saved, ended.events)
        faults += trials.list_lost(finished, folder / "runs")
        finished = trials.read_finished(folder / "runs")
        faults += [f"{phase}: {line}" for line in trials.list_alarms(ended)]
        if ended.status != -9:
            if ended.status:
                faults.append(f"status {ended.status}: {ended.said.strip()[-300:]}")
            break
        kills.append(Kill(phase, count_repeated(ended.events)))
        if kills[-1].repeated > MOST_SECONDS:
            faults.append(f"{phase}: {kills[-1].repeated:.1f} s of training are repeated")
    faults += outcomes.compare(peace.numbers, outcomes.read_numbers(folder / "runs"))
    faults += trials.list_leftovers(folder)
    return Life(kills, faults)


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
        elif name in outcomes.VALUES:
            since = 0.0
    return events[-1].time - since if since and events else 0.0
