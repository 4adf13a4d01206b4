"""One program on several hosts, here processes of one machine, of which one is lost or comes late.

A sweep and a single run are done in peace by one process. Then several do them together; one of
these is killed, stopped, asked to stop, late or missing. All must end in seconds, with the status
that says so, and started again come to the numbers of peace, to the bit.
"""

import contextlib
import functools
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from cnnjax.config import words
from experiments.endure import nodes, outcomes, trials
from experiments.endure.signals import INTERRUPTED, Figure, is_claimed, wait_for
from experiments.endure.tally import Tally, say
from experiments.endure.trials import Command, Ended, Peace

SWEEP = trials.SWEEP._replace(flags=("--grid=pool=max,avg", "--seeds=3"))
ONE_DEVICE = {"JAX_NUM_CPU_DEVICES": "1"}
JOIN_SECONDS = 8.0
END_SECONDS = 15.0  # until all others have ended that were there: a stopped one is silent for 10
GO_ON = "run the same command again"


class Case(NamedTuple):
    """What becomes of one of several processes; `act` does it and gives what is wrong, or took."""

    name: str
    command: Command
    count: int  # processes
    act: "Callable[[Crew], Iterator[str | Figure]]"
    full: bool = True  # left out of a tenth


class Crew:
    """The processes of a command, each in a group of its own."""

    def __init__(self, case: Case, folder: pathlib.Path, draws: random.Random):
        self.case, self.folder, self.draws = case, folder, draws
        self.begun, self.port = time.monotonic(), nodes.find_port()
        self.processes: dict[int, subprocess.Popen[str]] = {}

    def start(self, process: int) -> None:
        more = [
            "--multihost", f"--coordinator_address=127.0.0.1:{self.port}",
            f"--num_processes={self.case.count}", f"--process_id={process}",
            f"--join_minutes={JOIN_SECONDS / 60}",
        ]  # fmt: skip
        self.processes[process] = trials.start(
            self.case.command, self.folder, more=more, variables=ONE_DEVICE
        )

    def start_all(self) -> None:
        for process in range(self.case.count):
            self.start(process)

    def train_a_while(self) -> None:
        """Until lanes are claimed, and a moment more."""
        wait_for(self.processes[0], self.folder, is_claimed)
        time.sleep(self.draws.uniform(1, 4))

    def finish(self) -> dict[int, Ended]:
        return {
            process: trials.finish(own, self.folder, self.begun)
            for process, own in self.processes.items()
        }

    def pid_of(self, process: int) -> int:
        """Of the child that works, whose parent only waits for it."""
        return nodes.list_children(self.processes[process].pid)[0]


def disturb(crew: Crew, number: signal.Signals, victim: int) -> Iterator[str | Figure]:
    """Sends one of the processes a signal while they train; the others must end soon."""
    crew.start_all()
    crew.train_a_while()
    own = crew.processes[victim]
    if own.poll() is None:
        target = crew.pid_of(victim) if number == signal.SIGSTOP else own.pid
        signal_to(target, number)
    sent = time.monotonic()
    others = [process for at, process in crew.processes.items() if at != victim]
    for process in others:
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            yield "another did not end within a minute"
    took = time.monotonic() - sent
    if number == signal.SIGSTOP:  # it notices as soon as it goes on, or was ended with the others
        trials.end(own)
    ended = crew.finish()
    yield Figure(f"others ended after {number.name}", took)
    if took > END_SECONDS:
        yield f"the others ended after {took:.1f} s"
    expected = {at: INTERRUPTED for at in ended}
    if number in (signal.SIGKILL, signal.SIGSTOP):
        expected[victim] = -signal.SIGKILL
    if all(one.status == 0 for one in ended.values()):  # done before it came
        return
    for at, one in ended.items():
        if one.status != expected[at] or (one.status == INTERRUPTED and GO_ON not in one.said):
            yield f"process {at}: status {one.status}: {one.said.strip()[-300:]}"
        if "Traceback" in one.said:
            yield f"process {at}: {one.said.strip()[-600:]}"


def signal_to(pid: int, number: signal.Signals) -> None:
    """Sends a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def come_late(crew: Crew) -> Iterator[str | Figure]:
    """One process comes some seconds after the others, and all is done."""
    for process in range(1, crew.case.count):
        crew.start(process)
    time.sleep(JOIN_SECONDS / 4)
    crew.start(0)
    for at, one in crew.finish().items():
        if one.status:
            yield f"process {at}: status {one.status}: {one.said.strip()[-300:]}"


def stay_away(crew: Crew) -> Iterator[str | Figure]:
    """One process does not come: the others say which."""
    for process in range(crew.case.count - 1):
        crew.start(process)
    absent, ended = crew.case.count - 1, crew.finish()
    for at, one in ended.items():
        if one.status != 1 or f"did not come within {JOIN_SECONDS:g} seconds: {absent};" not in (
            one.said
        ):
            yield f"process {at}: status {one.status}: {one.said.strip()[-300:]}"


kill = functools.partial(functools.partial, disturb, number=signal.SIGKILL)
suspend = functools.partial(functools.partial, disturb, number=signal.SIGSTOP)
ask = functools.partial(functools.partial, disturb, number=signal.SIGTERM)
CASES = (
    Case("SIGKILL of another", SWEEP, 2, kill(victim=1)),
    Case("SIGKILL of the first", trials.TRAIN, 2, kill(victim=0)),
    Case("SIGKILL of the first", SWEEP, 2, kill(victim=0)),
    Case("SIGKILL of another", trials.TRAIN, 2, kill(victim=1), False),
    Case("SIGSTOP of another", SWEEP, 2, suspend(victim=1)),
    Case("SIGSTOP of the first", trials.TRAIN, 2, suspend(victim=0)),
    Case("SIGTERM to another", trials.TRAIN, 2, ask(victim=1)),
    Case("SIGTERM to the first", SWEEP, 2, ask(victim=0)),
    Case("the first late", SWEEP, 2, come_late),
    Case("one missing", SWEEP, 3, stay_away),
    Case("SIGKILL of another", SWEEP, 4, kill(victim=3)),
    Case("SIGKILL of the first", trials.TRAIN, 4, kill(victim=0)),
)


def run(full: bool, seed: int) -> Tally:
    """Disturbs each command; gives the figures."""
    faults, took, tried = [], {}, 0
    peace: dict[Command, Peace] = {}
    with tempfile.TemporaryDirectory(prefix="hosts-") as place:
        folder = pathlib.Path(place).resolve()
        for number, case in enumerate(case for case in CASES if full or not case.full):
            if case.command not in peace:
                peace[case.command] = trials.make_peace(case.command, folder / case.command.name)
            draws = random.Random(f"{seed} {number}")
            found = []
            for own in try_case(case, folder / str(number), peace[case.command], draws):
                if isinstance(own, Figure):
                    took[own.name] = max(own.seconds, took.get(own.name, 0.0))
                else:
                    found.append(f"{case.name} of {case.count}, {case.command.name}: {own}")
            say(f"{case.name} of {case.count}", found)
            faults += found
            tried += 1
    figures = (f"{name} {seconds:.1f} s at most" for name, seconds in took.items())
    said = ", ".join([words.count(tried, "case"), *figures])
    return Tally("hosts", said, tuple(faults))


def try_case(
    case: Case, folder: pathlib.Path, peace: Peace, draws: random.Random
) -> Iterator[str | Figure]:
    """Disturbs a crew, then lets all of it go on; gives what is wrong, and figures."""
    yield from case.act(Crew(case, folder, draws))
    again = Crew(case, folder, draws)
    again.start_all()
    for at, one in again.finish().items():
        if one.status:
            yield f"again, process {at}: status {one.status}: {one.said.strip()[-300:]}"
        yield from trials.list_alarms(one)
    yield from outcomes.compare(peace.numbers, outcomes.read_numbers(folder / "runs"))
    yield from trials.list_leftovers(folder)
