"""A record: what one finished lane left, and its file."""

import json
import pathlib
from typing import Any, NamedTuple

from cnnjax.records import readme
from cnnjax.records.atomic import write_json

SCHEMA = 1
# What a failed run still says.
FACTS = (
    "failed", "initial_loss", "diverged_at", "num_test_examples", "num_train_examples",
    "num_pool_examples", "drawn_by_seed",
)  # fmt: skip


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
