"""The records of a folder, whoever made them."""

import contextlib
import pathlib
from collections.abc import Iterator

from cnnjax.records.record import Record, load_record


def load_records(runs: pathlib.Path) -> Iterator[Record]:
    """Every record of this schema in `runs`, whoever made it, whole; `index` lists them faster."""
    for path in sorted((runs / "records").glob("*/record.json")):
        with contextlib.suppress(ValueError):
            record = load_record(path.parents[2], path.parent.name)
            if record is not None:
                yield record


def count_files(runs: pathlib.Path) -> int:
    """How many files in `runs` have the name of a record."""
    return sum(1 for _ in (runs / "records").glob("*/record.json"))
