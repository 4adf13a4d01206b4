"""A record: what one finished lane left, and its file."""

import hashlib
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from cnnjax.config.errors import ConfigError
from cnnjax.config.words import printable
from cnnjax.records import atomic, readme, shape

SCHEMA, UNCHECKED = 2, 1  # of those that are written, and of older ones without a checksum
READABLE = (UNCHECKED, SCHEMA)
CHECKPOINTS = "checkpoints"  # the folder of what is in training, below that of runs


class DamagedRecord(ConfigError):
    """A file that should be a record and is none, in one line that names it."""


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

    def score(self, name: str) -> float | None:
        """A score that is a number; None where there is none, as of a run that failed."""
        value = self.scores.get(name)
        return value if isinstance(value, (int, float)) else None

    @property
    def failed(self) -> bool:
        """Whether the run failed; older records say only whether it diverged."""
        return bool(self.scores.get("failed", self.scores.get("diverged", False)))


def record_path(runs: pathlib.Path, id: str) -> pathlib.Path:
    """Where the record of that id lies."""
    return runs / "records" / id / "record.json"


def write_record(runs: pathlib.Path, record: Record) -> None:
    """Writes a record whole or not at all, and beside all records what they are."""
    readme.explain(runs)
    fields = {"schema": SCHEMA, "seed": record.seed, **record._asdict()}
    atomic.write_json(record_path(runs, record.id), seal(fields))


def load_record(runs: pathlib.Path, id: str) -> Record | None:
    """The record of that id, or None where there is none.

    Its config may have other knobs than there are now. Raises DamagedRecord, which names it, on a
    file that is none, is of a schema that is not known, was changed, or is another's.
    """
    path = record_path(runs, id)
    try:
        fields = read_fields(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if fields["id"] != id:
        raise DamagedRecord(f"{path} is the record of {printable(fields['id'])}: it was moved here")
    return Record(*(fields[name] for name in Record._fields))


def read_fields(path: pathlib.Path) -> dict[str, Any]:
    """What a record's file says, checked.

    Raises DamagedRecord, and FileNotFoundError where there is none.
    """
    if os.path.lexists(path) and not path.is_file():  # a pipe would be waited for
        raise DamagedRecord(f"{path} is no file")
    try:
        fields = atomic.parse_json(path.read_bytes())
    except ValueError as error:
        raise DamagedRecord(f"{path} is no JSON ({error})") from None
    if not isinstance(fields, dict) or "schema" not in fields:
        raise DamagedRecord(f"{path} is no record")
    schema = fields["schema"]
    if type(schema) is not int or schema not in READABLE:
        raise DamagedRecord(f"{path} is of schema {schema!r}, and {SCHEMA} is the newest")
    checksum = fields.pop("sha256", None)
    if schema != UNCHECKED and checksum != checksum_of(fields):
        raise DamagedRecord(f"{path} was changed since it was written: its checksum is another")
    if (place := shape.find_fault(fields)) is not None:
        raise DamagedRecord(f"{path} lacks {printable(place)}, or has another kind of it")
    return fields


def seal(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as a file of JSON gives them back, with their checksum."""
    plain = json.loads(atomic.dump_line(fields))
    return {**plain, "sha256": checksum_of(plain)}


def checksum_of(fields: dict[str, Any]) -> str:
    """Of plain JSON values but for a checksum among them, however they are laid out in a file."""
    fields = {name: value for name, value in fields.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
