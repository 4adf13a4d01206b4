"""Six launches of one sweep on one store, three of which are killed and started again.

What they come to must be what one of them comes to in peace, to the bit; each lane is recorded
once, and of those who trained it all but one were killed.
"""

import collections
import pathlib
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cnnjax.config import words
from experiments.endure import outcomes, trap, trials
from experiments.endure.signals import is_record
from experiments.endure.tally import Tally, say
from experiments.endure.trap import Event
from experiments.endure.trials import Peace

# One program, in several waves, so that launches have lanes to share and little to compile.
SWEEP = trials.SWEEP._replace(flags=("--grid=learning_rate=0.01,0.03,0.1", "--seeds=6"), steps=6000)
LAUNCHES, KILLED = 6, 3
ROUNDS = (1, 5)  # of a tenth and of the whole


class Ended(NamedTuple):
    """What all launches did."""

    statuses: list[int]  # of those that were not killed
    said: str  # by all of them
    killed: set[int]  # processes
    events: list[Event]


def run(full: bool, seed: int) -> Tally:
    """Starts them all; gives the figures."""
    faults, again, lanes, sharing = [], 0, 0, []
    with tempfile.TemporaryDirectory(prefix="launches-") as place:
        folder = pathlib.Path(place).resolve()
        peace = trials.make_peace(SWEEP, folder / "peace")
        for number in range(ROUNDS[full]):
            own = folder / str(number)
            ended = launch(own, peace, random.Random(f"{seed} {number}"))
            found = [*find_faults(own, peace, ended)]
            say(f"round {number + 1}", found)
            faults += found
            workers = find_workers(ended.events)
            again += sum(len(processes) - 1 for processes in workers.values())
            recorded = [event.pid for event in ended.events if is_record(event)]
            lanes += len(recorded)
            sharing.append(str(len({*recorded})))
    figures = (
        f"{words.count(ROUNDS[full], 'round')} of {LAUNCHES} launches, {KILLED} of them killed and"
        f" started again: {lanes} lanes recorded by {', '.join(sharing)} processes, {again} of them"
        " gone on with after a kill"
    )
    return Tally("launches", figures, tuple(faults))


def launch(folder: pathlib.Path, peace: Peace, draws: random.Random) -> Ended:
    """All launches to their end."""
    begun = time.monotonic()
    running = [trials.start(SWEEP, folder) for _ in range(LAUNCHES)]
    moments = sorted(draws.uniform(0.2, 2.5) * peace.ended.seconds for _ in range(KILLED))
    try:
        for at, moment in enumerate(moments):
            time.sleep(max(begun + moment - time.monotonic(), 0))
            trials.end(running[at])
            running.append(trials.start(SWEEP, folder))
        said = [process.communicate(timeout=trials.LONGEST)[1] for process in running]
    finally:
        for process in running:
            trials.end(process)
    statuses = [process.returncode for process in running[KILLED:]]
    killed = {process.pid for process in running[:KILLED] if process.returncode < 0}
    return Ended(statuses, "".join(said), killed, trap.read_log(folder))


def find_faults(folder: pathlib.Path, peace: Peace, ended: Ended) -> Iterator[str]:
    """What is wrong with what is left, and with how they ended."""
    if any(ended.statuses) or "set aside" in ended.said or "Traceback" in ended.said:
        yield f"statuses {ended.statuses}: {ended.said.strip()[-600:]}"
    written = [event.path for event in ended.events if is_record(event)]
    wanted = sum(name.endswith("record.json") for name in peace.numbers)
    if len(written) != wanted or len(set(written)) != wanted:
        yield f"{len(written)} records of {len(set(written))} lanes were written, not {wanted}"
    for lane, processes in find_workers(ended.events).items():
        if len(processes - ended.killed) > 1:
            yield f"{lane} was trained by {len(processes)} launches that nobody killed"
    yield from outcomes.compare(peace.numbers, outcomes.read_numbers(folder / "runs"))
    yield from trials.list_leftovers(folder)


def find_workers(events: Sequence[Event]) -> dict[str, set[int]]:
    """The processes that saved each lane while they trained it, or its record."""
    found: dict[str, set[int]] = collections.defaultdict(set)
    for event in events:
        path = pathlib.PurePath(event.path)
        if event.name == "os.rename" and (event.phase == "saving" or is_record(event)):
            found[path.parent.name].add(event.pid)
    return found
