"""The records of a folder, whoever made them."""

import os
import pathlib
from collections.abc import Callable, Iterator

from cnnjax.config import words
from cnnjax.config.errors import ConfigError
from cnnjax.records.record import DamagedRecord, Record, load_record, record_path


def load_records(
    runs: pathlib.Path, on_damaged: Callable[[DamagedRecord], None] = lambda error: None
) -> Iterator[Record]:
    """Every record of this schema in `runs`, whoever made it, whole; `index` lists them faster."""
    for id in list_ids(runs):
        try:
            record = load_record(runs, id)
        except DamagedRecord as error:
            on_damaged(error)
            continue
        if record is not None:
            yield record


def list_ids(runs: pathlib.Path) -> list[str]:
    """The folders of `runs` in which something has the name of a record, be it damaged."""
    return sorted(id for id in list_names(runs) if os.path.lexists(record_path(runs, id)))


def list_names(runs: pathlib.Path) -> list[str]:
    """All that lies beside the records of `runs`, and they; nothing is opened."""
    try:
        return os.listdir(runs / "records")
    except (FileNotFoundError, NotADirectoryError):
        return []


def count_files(runs: pathlib.Path) -> int:
    """How many files in `runs` have the name of a record."""
    return len(list_ids(runs))


def refuse_empty(runs: pathlib.Path) -> ConfigError:
    """Of a folder without records that can be read."""
    if number := count_files(runs):
        what = words.count(number, "record is", "records are")
        return ConfigError(f"{runs}: {what} damaged or of another schema: --check names them")
    return ConfigError(f"{runs} has no records: give --runs=FOLDER, in which a study ran")
