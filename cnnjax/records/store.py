"""Records on disk: what each finished lane left, addressed by all that can change its numbers."""

import contextlib
import hashlib
import heapq
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from cnnjax.config import datasets
from cnnjax.config.config import KNOBS, Config, fill_in, to_json
from cnnjax.records import origin
from cnnjax.records.atomic import write_bytes as write_bytes
from cnnjax.records.atomic import write_json
from cnnjax.records.atomic import write_text as write_text

SCHEMA = 1


class Record(NamedTuple):
    """One finished lane, as stored: plain JSON values.

    `config` has the knobs that there were when it was trained: make no Config of it, for there may
    be others now.
    """

    id: str
    config: dict[str, Any]
    scores: dict[str, Any]
    metrics: list[dict[str, Any]]
    cost: dict[str, Any]
    provenance: dict[str, Any]

    @property
    def seed(self) -> int:
        """The seed, by which runs are paired."""
        return self.config["seed"]


def record_id(config: Config, origin: Mapping[str, Any]) -> str:
    """The address of a lane. `origin` holds all else that can change its numbers."""
    fields = {**to_json(config), "dataset": datasets.without_path(config.dataset)}
    text = json.dumps([fields, origin], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def arm_key(config: Mapping[str, Any]) -> str:
    """What records of one arm share, from the JSON of their configs: all knobs but the seed.

    A knob that a record lacks is younger than it and counts as at its default; a key that is no
    knob is older than the others and does not count.
    """
    known = {name: value for name, value in config.items() if name in KNOBS}
    values = known if len(known) == len(KNOBS) else fill_in(known)
    return json.dumps({**values, "seed": None}, sort_keys=True)


def record_path(runs: pathlib.Path, id: str) -> pathlib.Path:
    """Where the record of that id lies."""
    return runs / "records" / id / "record.json"


def origin_of(record: Record) -> dict[str, Any]:
    """All that can have changed a record's numbers besides the knobs that there are now."""
    former = {name: value for name, value in record.config.items() if name not in KNOBS}
    return {**origin.read(record.provenance), "former_knobs": former}


def write_record(runs: pathlib.Path, record: Record) -> None:
    """Writes a record whole or not at all."""
    fields = {"schema": SCHEMA, "seed": record.seed, **record._asdict()}
    write_json(record_path(runs, record.id), fields)


def load_record(runs: pathlib.Path, id: str) -> Record | None:
    """The record of that id, or None where there is none.

    Its config may have other knobs than there are now. Raises ValueError on a file of another
    schema, naming it.
    """
    path = record_path(runs, id)
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if fields.pop("schema", None) != SCHEMA:
        raise ValueError(f"{path} is not a record of schema {SCHEMA}: move it away")
    fields.pop("seed")
    return Record(**fields)


def load_records(runs: pathlib.Path) -> Iterator[Record]:
    """Every record of this schema in `runs`, whoever made it."""
    for path in sorted((runs / "records").glob("*/record.json")):
        with contextlib.suppress(ValueError):
            record = load_record(runs, path.parent.name)
            if record is not None:
                yield record


def load_newest(runs: pathlib.Path, count: int) -> Iterator[Record]:
    """The newest records of this schema in `runs`, as many, by when their folders were written."""
    folders = {path: path.stat().st_mtime for path in (runs / "records").glob("*")}
    for folder in heapq.nlargest(count, folders, key=lambda folder: folders[folder]):
        with contextlib.suppress(ValueError):
            record = load_record(runs, folder.name)
            if record is not None:
                yield record
