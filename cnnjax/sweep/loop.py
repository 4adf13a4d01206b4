"""The only loop: what is wanted is looked up, and trained where it is missing, until nothing is."""

import itertools
import pathlib
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from cnnjax.config import plugins, words
from cnnjax.config.config import Config, request_of, to_json
from cnnjax.config.datasets import Request, Where
from cnnjax.config.knobs import RunError
from cnnjax.config.mesh import AUTO
from cnnjax.data.dataset import Feed
from cnnjax.records.record import Record
from cnnjax.study.wanted import Wanted
from cnnjax.sweep.engines import Engine, Job
from cnnjax.sweep.lanes import Find, Others
from cnnjax.sweep.observer import Observer
from cnnjax.sweep.runner import Failure, Interrupted

Train = Callable[[Sequence[Config], Observer], tuple[Failure, ...]]
PAUSE_SECONDS = 1.0  # between two looks whether others are done


class Outcome(NamedTuple):
    """The records of all lanes that were wanted, but for those of groups that failed."""

    records: dict[Config, Record]
    num_trained: int
    failures: tuple[Failure, ...]


def nobody(lanes: Sequence[Config]) -> dict[Config, str]:
    """No other launch holds any of these lanes."""
    return {}


def run_wanted(
    wanted: Wanted, find: Find, make_jobs: Callable[[Sequence[Config]], list[Job]], engine: Engine,
    observer: Observer, others: Others = nobody, on_error: str = "continue",
) -> Outcome:  # fmt: skip
    """Trains until nothing is wanted any more, or a group failed.

    The state is the store: interrupted, the same call goes on. Lanes that `others` hold are left to
    them, and trained here if they let go of them without a record. What was asked for beside a
    group that failed is trained all the same, unless `on_error` is to stop. Raises
    runner.Interrupted when the observer asked to stop, and RunError where an engine left no record
    of a lane.
    """

    def train(lanes: Sequence[Config], observer: Observer) -> tuple[Failure, ...]:
        failures = engine(make_jobs(lanes), observer)
        return tuple(itertools.islice(failures, 1 if on_error == "stop" else None))

    records: dict[Config, Record] = {}
    num_trained = 0
    while lanes := list(dict.fromkeys(wanted([*records.values()]))):
        new = [lane for lane in lanes if lane not in records]
        if not new:
            raise RunError(f"lanes are wanted though they are recorded: {len(lanes)}")
        records |= find(new)
        missing = [lane for lane in new if lane not in records]
        if not missing:
            continue
        observer.on_start(len(missing), sum(lane.batch_size * lane.last_step for lane in missing))
        done = _share(missing, find, train, observer, others, on_error)
        records |= done.records
        num_trained += done.num_trained
        if done.failures:
            return Outcome(records, num_trained, done.failures)
    return Outcome(records, num_trained, ())


def _share(
    lanes: Sequence[Config], find: Find, train: Train, observer: Observer, others: Others,
    on_error: str,
) -> Outcome:  # fmt: skip
    """Trains those lanes that nobody else does, and waits for the records of the rest.

    What is recorded and was not said to be by the engine, others have trained.
    """
    records: dict[Config, Record] = {}
    own: set[str] = set()
    said: set[str] = set()
    failed: set[Config] = set()

    def on_record(record: Record) -> None:
        own.add(record.id)
        observer.on_record(record)

    def look(left: Sequence[Config]) -> bool:
        """Whether there is a record more."""
        found = find(left)
        records.update(found)
        for record in found.values():
            if record.id not in own:
                observer.on_record(record)
        return bool(found)

    failures: list[Failure] = []
    idle = False
    while left := [lane for lane in lanes if lane not in records and lane not in failed]:
        held = others(left)
        free = [lane for lane in left if lane not in held]
        if free:
            if held:  # not all in one order: what two make ready at once, one does in vain
                random.shuffle(free)
            new = train(free, observer._replace(on_record=on_record))
            failures += new
            failed.update(lane for failure in new for lane in failure.group.lanes)
            if new and failed.isdisjoint(free):
                raise RunError("an engine says of lanes that were not its own that they broke off")
            idle_before, idle = idle, not look(left) and not new and not others(free)
            unknown = own - {record.id for record in records.values()}
            if idle and unknown:
                raise RunError(
                    f"trained otherwise than this machine would: {len(unknown)} lanes; give"
                    " --mix=device, or for unlike CPUs --mix=cpu, or launch on such a machine"
                )
            if new and on_error == "stop":
                break
            if idle and idle_before:  # once, others may have had them for a moment
                raise RunError(f"lanes were trained and left no record: {len(free)}")
            continue
        for who in set(held.values()) - said:
            number = words.count([*held.values()].count(who), "lane")
            observer.on_note(f"{number} trained by {who}: their records are waited for")
            said.add(who)
        if observer.should_stop():
            raise Interrupted
        time.sleep(PAUSE_SECONDS)
        still = others(left)
        look([lane for lane in left if lane not in still])
    trained = sum(record.id in own for record in records.values())
    return Outcome(records, trained, tuple(failures))


def make_jobs(
    lanes: Sequence[Config], runs: pathlib.Path, where: Where, feeds: Mapping[Request, Feed],
    checkpoint_every: int | None = None, checkpoint_minutes: float | None = None,
    keep: str = "none", mesh: str = AUTO,
) -> list[Job]:  # fmt: skip
    """The lanes as jobs, one a data set, each with the feed that was decided for it.

    Whatever machine trains them, and however much it holds, trains them alike.
    """
    by_data: dict[Request, list[Config]] = {}
    for lane in lanes:
        by_data.setdefault(request_of(lane), []).append(lane)
    return [
        Job(tuple(map(to_json, own)), str(runs), where._asdict(), feeds[request],
            tuple(plugins.LOADED), checkpoint_every, checkpoint_minutes, keep, mesh)
        for request, own in by_data.items()
    ]  # fmt: skip
