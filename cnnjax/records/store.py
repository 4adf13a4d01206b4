"""The records of a folder, whoever made them."""

import contextlib
import heapq
import pathlib
from collections.abc import Iterable, Iterator

from cnnjax.records.record import Record, load_record


def load_records(runs: pathlib.Path) -> Iterator[Record]:
    """Every record of this schema in `runs`, whoever made it."""
    return _load(sorted((runs / "records").glob("*/record.json")))


def load_newest(runs: pathlib.Path, count: int) -> Iterator[Record]:
    """The newest records of this schema in `runs`, as many, by when their files were written."""
    written = {path: path.stat().st_mtime for path in (runs / "records").glob("*/record.json")}
    return _load(heapq.nlargest(count, written, key=lambda path: written[path]))


def count_files(runs: pathlib.Path) -> int:
    """How many files in `runs` have the name of a record."""
    return sum(1 for _ in (runs / "records").glob("*/record.json"))


def _load(paths: Iterable[pathlib.Path]) -> Iterator[Record]:
    for path in paths:
        with contextlib.suppress(ValueError):
            record = load_record(path.parents[2], path.parent.name)
            if record is not None:
                yield record
