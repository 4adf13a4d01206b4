"""How far a study is: what is recorded, who works on what, what nobody has begun."""

import collections
import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from cnnjax.config.config import Config
from cnnjax.config.datasets import Request
from cnnjax.data.dataset import Dataset
from cnnjax.records import index, leases, shared
from cnnjax.records.holder import Holder
from cnnjax.records.record import Record
from cnnjax.study.options import Options
from cnnjax.study.wanted import Wanted
from cnnjax.sweep.lanes import Find, Others, open_finder, open_namer, open_others


class Status(NamedTuple):
    """Lanes of a study as they stand. What a tuning has not yet chosen is not counted."""

    done: int
    failed: int  # of these: the run diverged, or learned nothing
    held: dict[str, int]  # in training, by who trains them
    waiting: int  # of what is wanted next
    complete: bool  # nothing more is wanted


def find_status(wanted: Wanted, find: Find, others: Others) -> Status:
    """Looks up what is wanted, as far as records tell; trains nothing."""
    records: dict[Config, Record] = {}
    missing: Sequence[Config] = ()
    while not missing:
        lanes = [lane for lane in wanted([*records.values()]) if lane not in records]
        if not lanes:
            break
        records |= find(lanes)
        missing = [lane for lane in dict.fromkeys(lanes) if lane not in records]
    failed = sum(record.failed for record in records.values())
    return _sum_up(len(records), failed, missing, others)


def _sum_up(done: int, failed: int, missing: Sequence[Config], others: Others) -> Status:
    held = collections.Counter(others(missing).values()) if missing else {}
    return Status(done, failed, dict(held), len(missing) - sum(held.values()), not missing)


def count_fixed(
    lanes: Sequence[Config], name: Callable[[Config], str], failed: Mapping[str, bool],
    others: Others,
) -> Status:  # fmt: skip
    """The status of lanes that are all known, whose records' ids `name` gives.

    `failed` has the ids of all records, and whether the run did. Opens none of them.
    """
    ids = {lane: name(lane) for lane in lanes}
    missing = [lane for lane, id in ids.items() if id not in failed]
    done = [failed[id] for id in ids.values() if id in failed]
    return _sum_up(len(done), sum(done), missing, others)


def look(
    wanted: Wanted, datasets: Mapping[Request, Dataset], options: Options, fixed: bool = False
) -> Status:
    """The status of what is wanted, in a folder of runs or a store.

    Of what is `fixed` whatever is recorded, 100,000 lanes are counted in seconds.
    """
    name, runs = open_namer(datasets, options.mesh), options.runs
    with shared.open_leases(runs) as held:
        others = open_others(name, held, describe_holder)
        if fixed and not options.mix:
            return count_fixed(wanted([]), name, index.list_failed(runs), others)
        find = open_finder(datasets, runs, options.mix, mesh=options.mesh, name=name)
        return find_status(wanted, find, others)


def describe_holder(holder: Holder | None) -> str:
    """Who trains lanes, and since when where he says it."""
    if holder is None or not holder.since:
        return leases.describe_holder(holder)
    since = datetime.datetime.fromtimestamp(holder.since, datetime.UTC)
    return f"{holder}, since {since:%Y-%m-%d %H:%M} UTC"


def describe(status: Status) -> list[str]:
    """The status in lines."""
    lines = [
        f"{status.done:,} recorded" + f", {status.failed:,} of them failed" * bool(status.failed)
    ]
    lines += [f"{number:,} in training by {who}" for who, number in status.held.items()]
    if status.waiting:
        lines.append(f"{status.waiting:,} waiting")
    return lines + ["nothing more is wanted"] * status.complete
