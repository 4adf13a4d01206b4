"""How far a study is: what is recorded, who works on what, what nobody has begun."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cnnjax.config.config import Config
from cnnjax.config.datasets import Request
from cnnjax.data.dataset import Dataset
from cnnjax.records import shared
from cnnjax.records.record import Record
from cnnjax.study.options import Options
from cnnjax.study.wanted import Wanted
from cnnjax.sweep.lanes import Find, Others, open_finder, open_others


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
    held = [*others(missing).values()] if missing else []
    by_holder = {who: held.count(who) for who in dict.fromkeys(held)}
    failed = sum(record.failed for record in records.values())
    return Status(len(records), failed, by_holder, len(missing) - len(held), not missing)


def look(wanted: Wanted, datasets: Mapping[Request, Dataset], options: Options) -> Status:
    """The status of what is wanted in a folder of runs, or a store."""
    find = open_finder(datasets, options.runs, options.mix, mesh=options.mesh)
    with shared.open_leases(options.runs) as held:
        return find_status(wanted, find, open_others(datasets, held, options.mesh))


def describe(status: Status) -> list[str]:
    """The status in lines."""
    lines = [
        f"{status.done:,} recorded" + f", {status.failed:,} of them failed" * bool(status.failed)
    ]
    lines += [f"{number:,} in training by {who}" for who, number in status.held.items()]
    if status.waiting:
        lines.append(f"{status.waiting:,} waiting")
    return lines + ["nothing more is wanted"] * status.complete
