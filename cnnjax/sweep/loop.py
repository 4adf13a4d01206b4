"""The only loop: what is wanted is looked up, and trained where it is missing, until nothing is."""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from cnnjax.config import plugins
from cnnjax.config.config import Config, request_of, to_json
from cnnjax.config.datasets import Request, Where
from cnnjax.config.knobs import RunError
from cnnjax.data.dataset import Feed
from cnnjax.records.record import Record
from cnnjax.study.wanted import Wanted
from cnnjax.sweep.engines import Engine, Job
from cnnjax.sweep.lanes import Find
from cnnjax.sweep.observer import Observer
from cnnjax.sweep.runner import Failure


class Outcome(NamedTuple):
    """The records of all lanes that were wanted, but for those of groups that failed."""

    records: dict[Config, Record]
    num_trained: int
    failures: tuple[Failure, ...]


def run_wanted(
    wanted: Wanted, find: Find, make_jobs: Callable[[Sequence[Config]], list[Job]], engine: Engine,
    observer: Observer,
) -> Outcome:  # fmt: skip
    """Trains until nothing is wanted any more, or a group failed.

    The state is the store: interrupted, the same call goes on. Raises runner.Interrupted when the
    observer asked to stop, and RunError where an engine left no record of a lane.
    """
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
        observer.on_start(len(missing), sum(lane.batch_size * lane.steps for lane in missing))
        failures = tuple(engine(make_jobs(missing), observer))
        trained = find(missing)
        records |= trained
        num_trained += len(trained)
        if failures:
            return Outcome(records, num_trained, failures)
        if len(trained) < len(missing):
            raise RunError(f"lanes were trained and left no record: {len(missing) - len(trained)}")
    return Outcome(records, num_trained, ())


def make_jobs(
    lanes: Sequence[Config], runs: pathlib.Path, where: Where, feeds: Mapping[Request, Feed],
    checkpoint_every: int | None = None, checkpoint_minutes: float | None = None,
    keep: str = "none",
) -> list[Job]:  # fmt: skip
    """The lanes as jobs, one a data set, each with the feed that was decided for it.

    Whatever machine trains them, and however much it holds, trains them alike.
    """
    by_data: dict[Request, list[Config]] = {}
    for lane in lanes:
        by_data.setdefault(request_of(lane), []).append(lane)
    return [
        Job(tuple(map(to_json, own)), str(runs), where._asdict(), feeds[request],
            tuple(plugins.LOADED), checkpoint_every, checkpoint_minutes, keep)
        for request, own in by_data.items()
    ]  # fmt: skip
