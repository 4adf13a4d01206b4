"""The records of a folder, whoever made them."""

import pathlib
from collections.abc import Callable, Iterator

from cnnjax.records.record import DamagedRecord, Record, load_record


def load_records(
    runs: pathlib.Path, on_damaged: Callable[[DamagedRecord], None] = lambda error: None
) -> Iterator[Record]:
    """Every record of this schema in `runs`, whoever made it, whole; `index` lists them faster."""
    for path in sorted((runs / "records").glob("*/record.json")):
        try:
            record = load_record(path.parents[2], path.parent.name)
        except DamagedRecord as error:
            on_damaged(error)
            continue
        if record is not None:
            yield record


def count_files(runs: pathlib.Path) -> int:
    """How many files in `runs` have the name of a record."""
    return sum(1 for _ in (runs / "records").glob("*/record.json"))
