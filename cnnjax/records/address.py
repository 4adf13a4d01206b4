"""What tells lanes and arms apart: the address of a record, the key of its arm, its origin."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cnnjax.config import datasets
from cnnjax.config.config import KNOBS, Config, fill_in, to_json
from cnnjax.records import origin
from cnnjax.records.record import Record


def record_id(config: Config, origin: Mapping[str, Any]) -> str:
    """The address of a lane. `origin` holds all else that can change its numbers."""
    fields = {**to_json(config), "dataset": datasets.without_path(config.dataset)}
    text = json.dumps([fields, origin], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def arm_key(config: Mapping[str, Any]) -> str:
    """What records of one arm share, from the JSON of their configs: all knobs but the seed."""
    return json.dumps({**read_knobs(config), "seed": None}, sort_keys=True)


def read_knobs(config: Mapping[str, Any]) -> dict[str, Any]:
    """A value for every knob, from the JSON of a record's config.

    A knob that a record lacks is younger than it and counts as at its default; a key that is no
    knob is older than the others and does not count.
    """
    known = {name: value for name, value in config.items() if name in KNOBS}
    return known if len(known) == len(KNOBS) else fill_in(known)


def origin_of(record: Record) -> dict[str, Any]:
    """All that can have changed a record's numbers besides the knobs that there are now."""
    former = {name: value for name, value in record.config.items() if name not in KNOBS}
    return {**origin.read(record.provenance), "former_knobs": former}
