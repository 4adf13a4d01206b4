"""Runs that are asked to stop, that several launches share, and that go on elsewhere.

Each case disturbs a command in its own way and then starts it again until it is done; what it came
to must be what peace came to, to the bit, with nothing left over.
"""

import functools
import pathlib
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from experiments.endure import trap, trials
from experiments.endure.trap import Event
from experiments.endure.trials import Command, Ended, Peace

# One segment from its beginning to its end: devices train for as long at a stretch as they may.
LONG_SWEEP = trials.SWEEP._replace(
    name="long sweep", steps=20000,
    flags=("--grid=pool=max,avg", "--seeds=2", "--eval_every=20000"),
)  # fmt: skip
LONG_TRAIN = trials.TRAIN._replace(
    name="long train", steps=25000, flags=(*trials.TRAIN.flags, "--eval_every=25000")
)
STOP_SECONDS = 10  # from a signal to the end
SECOND_SECONDS = 3  # from a second signal
TAKE_SECONDS = 5  # until what a killed launch held is another's, on one machine
INTERRUPTED, REFUSED = 75, 2
GO_ON = "run the same command again to go on"


class Case(NamedTuple):
    """One way to disturb a command; `act` does it and gives what is wrong, and a figure."""

    name: str
    command: Command
    act: "Callable[[Command, pathlib.Path, Peace, random.Random], Iterator[str | Figure]]"
    full: bool = True  # left out of a tenth


class Figure(NamedTuple):
    """Something that was measured."""

    name: str
    seconds: float


def interrupt(
    command: Command, folder: pathlib.Path, peace: Peace, draws: random.Random,
    number: signal.Signals = signal.SIGINT, twice: bool = False,
) -> Iterator[str | Figure]:  # fmt: skip
    """Asks a command to stop at a random moment after it has begun to work, once or twice."""
    begun = time.monotonic()
    process = trials.start(command, folder)
    wait_for(process, folder, is_claimed)
    claimed = next(event.time for event in peace.ended.events if is_claimed([event]))
    late = draws.uniform(0, 0.8) * (peace.ended.events[-1].time - claimed)
    try:
        process.wait(late)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
    sent = time.monotonic()
    if twice:
        time.sleep(draws.uniform(0, 0.2))
        process.send_signal(number)
    ended = trials.finish(process, folder, begun)
    took, most = time.monotonic() - sent, SECOND_SECONDS if twice else STOP_SECONDS
    if ended.status == 0:  # it was done before
        return
    yield Figure("stopped at the second" if twice else "stopped", took)
    if took > most:
        yield f"{number.name}: it ended after {took:.1f} s"
    if ended.status != INTERRUPTED or GO_ON not in ended.said:
        yield f"{number.name}: status {ended.status}: {ended.said.strip()[-300:]}"


def limit_time(
    command: Command, folder: pathlib.Path, peace: Peace, draws: random.Random
) -> Iterator[str | Figure]:
    """Gives a command so little time that it stops on its way."""
    seconds = STOP_SECONDS + draws.uniform(0.5, 0.9) * peace.ended.seconds
    ended = trials.run(command, folder, more=[f"--time_limit={seconds / 60:g}"])
    yield Figure("stopped beyond --time_limit", max(ended.seconds - seconds, 0.0))
    if ended.seconds > seconds + 1:
        yield f"it took {ended.seconds:.1f} s of {seconds:.1f} s"
    if ended.status not in (0, INTERRUPTED):
        yield f"status {ended.status}: {ended.said.strip()[-300:]}"


def share(
    command: Command, folder: pathlib.Path, peace: Peace, draws: random.Random
) -> Iterator[str | Figure]:
    """Starts a command twice at once and kills one of them after it began to train."""
    begun = time.monotonic()
    both = [trials.start(command, folder) for _ in range(2)]
    one, two = both if draws.random() < 0.5 else both[::-1]
    wait_for(one, folder, lambda events: is_claimed([own for own in events if own.pid == one.pid]))
    time.sleep(draws.uniform(0, 1))
    trials.end(one)
    killed = time.time()
    one.communicate()
    ended = trials.finish(two, folder, begun)
    if ended.status:
        yield f"the other ends with {ended.status}: {ended.said.strip()[-300:]}"
    yield from count_records(ended, len([name for name in peace.numbers if "record.json" in name]))
    since = killed  # or when it had done what was its own
    for event in ended.events:
        if is_claimed([event]) and event.time > killed and event.path.endswith("/2"):
            yield Figure("taken over", event.time - since)
            if event.time - since > TAKE_SECONDS:
                yield f"lanes were taken over after {event.time - since:.1f} s"
            break
        since = max(since, event.time if is_record(event) else 0.0)


def share_whole(
    command: Command, folder: pathlib.Path, peace: Peace, draws: random.Random
) -> Iterator[str | Figure]:
    """Starts a command twice at once and lets both be."""
    begun = time.monotonic()
    both = [trials.start(command, folder) for _ in range(2)]
    _, said = both[1].communicate(timeout=trials.LONGEST)
    ended = trials.finish(both[0], folder, begun)
    if any(process.returncode for process in both):
        yield f"one fails: {ended.said.strip()[-300:]} {said.strip()[-300:]}"
    yield from count_records(ended, len([name for name in peace.numbers if "record.json" in name]))


def refuse(
    command: Command, folder: pathlib.Path, peace: Peace, draws: random.Random
) -> Iterator[str | Figure]:
    """Starts a second run in the folder of one that trains."""
    begun = time.monotonic()
    process = trials.start(command, folder)
    wait_for(process, folder, is_claimed)
    second = trials.start(command, folder)
    _, said = second.communicate(timeout=trials.LONGEST)
    if second.returncode != REFUSED or "in use by" not in said or len(said.splitlines()) != 1:
        yield f"the second ends with {second.returncode}: {said.strip()[-300:]}"
    ended = trials.finish(process, folder, begun)
    if ended.status:
        yield f"the first ends with {ended.status}: {ended.said.strip()[-300:]}"


def change_devices(
    command: Command, folder: pathlib.Path, peace: Peace, draws: random.Random
) -> Iterator[str | Figure]:
    """Kills a command when it has saved runs, and goes on with another number of devices."""
    saved = trap.Trap(str(folder), "saving", draws.randint(8, 14))
    first = trials.run(command, folder, saved)
    if first.status != -signal.SIGKILL:
        yield f"it was not killed: status {first.status}"
    number = draws.choice([1, 3, 4])
    flag = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={number}"}
    ended = trials.run(command, folder, variables=flag)
    restored = [event for event in ended.events if event.name == "read"]
    if ended.status or not restored:
        yield f"with {number} devices: status {ended.status}, {len(restored)} checkpoints are read"


CASES = (
    Case("SIGINT", LONG_TRAIN, interrupt),
    Case("SIGTERM", LONG_SWEEP, functools.partial(interrupt, number=signal.SIGTERM), False),
    Case("SIGINT", LONG_SWEEP, interrupt),
    Case("SIGTERM", LONG_TRAIN, functools.partial(interrupt, number=signal.SIGTERM)),
    Case("second signal", LONG_TRAIN, functools.partial(interrupt, twice=True)),
    Case("second signal", LONG_SWEEP,
         functools.partial(interrupt, number=signal.SIGTERM, twice=True)),
    Case("--time_limit", LONG_TRAIN, limit_time),
    Case("--time_limit", LONG_SWEEP, limit_time),
    Case("two launches, one killed", LONG_SWEEP, share, False),
    Case("two launches", LONG_SWEEP, share_whole),
    Case("second run in one folder", LONG_TRAIN, refuse),
    Case("other devices", trials.SWEEP, change_devices),
    Case("other devices", trials.TRAIN, change_devices),
)  # fmt: skip
Tried = tuple[Case, list[Figure], list[str]]  # a case, what was measured, what is wrong
ROUNDS = (1, 2)  # of all cases, of a tenth and of the whole


def try_cases(
    full: bool, seed: int, folder: pathlib.Path, found: Mapping[Command, Peace]
) -> Iterator[Tried]:
    """What each case came to; commands that were done in peace need not be again."""
    peace = dict(found)
    cases = [case for case in CASES if full or not case.full]
    for number, case in enumerate(cases * ROUNDS[full]):
        if case.command not in peace:
            peace[case.command] = trials.make_peace(case.command, folder / case.command.name)
        place, draws = folder / f"case-{number}", random.Random(f"{seed} {number}")
        found_out = [*case.act(case.command, place, peace[case.command], draws)]
        faults = [own for own in found_out if isinstance(own, str)]
        faults += trials.go_on(case.command, place, peace[case.command])
        yield case, [own for own in found_out if isinstance(own, Figure)], faults


def wait_for(
    process: subprocess.Popen[str], folder: pathlib.Path, condition: Callable[[list[Event]], bool]
) -> None:
    """Waits until a command has done something, or has ended."""
    while process.poll() is None and not condition(trap.read_log(folder)):
        time.sleep(0.02)


def is_claimed(events: list[Event]) -> bool:
    """Whether a lane or a folder was claimed."""
    return any(own.phase == "sharing" and own.name == "os.link" for own in events)


def is_record(event: Event) -> bool:
    """Whether a record was written."""
    return event.name == "os.rename" and event.path.endswith("/record.json")


def count_records(ended: Ended, wanted: int) -> Iterator[str]:
    """Each lane is recorded once, whoever trained it."""
    written = [event.path for event in ended.events if is_record(event)]
    if len(written) != wanted or len(set(written)) != wanted:
        yield f"{len(written)} records of {len(set(written))} lanes were written, not {wanted}"
