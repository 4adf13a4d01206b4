"""What runs a folder holds, a row for all that differ in their seed alone. Imports no JAX."""

import hashlib
import json
import math
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from cnnjax.config import register
from cnnjax.config.rules import KNOBS, default_of
from cnnjax.records.address import arm_key, origin_of, read_knobs
from cnnjax.records.origin import BY_ARM, without
from cnnjax.records.record import Record


class Row(NamedTuple):
    """Records of one setting, data and origin."""

    dataset: str
    settings: dict[str, Any]  # knobs that are not at their default, but for data set and seed
    seeds: list[int]
    test_accuracy: float | None  # mean over the runs that did not fail
    num_failed: int
    date: str  # of the newest
    origin: str  # six hexadecimal digits; runs are compared where these are the same
    ids: list[str]
    plugins: Mapping[str, str] = MappingProxyType({})  # hash of each file from outside, by name


def list_rows(records: Iterable[Record]) -> list[Row]:
    """The records by setting, data and origin, those with the newest record last."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        key = arm_key(record.config), json.dumps(origin_of(record), sort_keys=True)
        groups.setdefault(key, []).append(record)
    return sorted((_make_row(own) for own in groups.values()), key=lambda row: row.date)


def _make_row(records: Sequence[Record]) -> Row:
    own = sorted(records, key=lambda record: record.seed)
    origin = json.dumps(without(origin_of(own[0]), BY_ARM), sort_keys=True)
    settings = read_settings(own[0].config)
    scores = [record.scores.get("test_accuracy") for record in own]
    sound = [score for score in scores if score is not None and math.isfinite(score)]
    return Row(
        str(settings.pop("dataset")),
        settings,
        [record.seed for record in own],
        sum(sound) / len(sound) if sound else None,
        sum(record.failed for record in own),
        max(record.provenance.get("date", "") for record in own),
        hashlib.sha256(origin.encode()).hexdigest()[:6],
        [record.id for record in own],
        origin_of(own[0]).get("plugins") or {},
    )


def read_settings(config: dict[str, Any]) -> dict[str, Any]:
    """The data set, and what else of a record's config is not by default, but for the seed.

    A model that is not known here has no defaults of its own.
    """
    values = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in read_knobs(config).items()
    }
    known = values["model"] in register.names("model")

    def default(name: str) -> Any:
        return default_of(name, values) if known else KNOBS[name].default

    found = {name: value for name, value in values.items() if value != default(name)}
    found.pop("seed", None)
    return {"dataset": values["dataset"], **found}


def find_shared(rows: Sequence[Row]) -> dict[str, Any]:
    """The settings that are the same in all rows."""
    first, *others = (row.settings for row in rows)
    missing = object()
    return {
        name: value
        for name, value in first.items()
        if all(own.get(name, missing) == value for own in others)
    }


def tell_versions(rows: Sequence[Row]) -> list[str]:
    """Of each row the files from outside that have another text in another row, with six digits."""
    hashes: dict[str, set[str]] = {}
    for row in rows:
        for name, own in row.plugins.items():
            hashes.setdefault(name, set()).add(own)
    return [
        ", ".join(f"{name} {own[:6]}" for name, own in row.plugins.items() if len(hashes[name]) > 1)
        for row in rows
    ]


def describe_seeds(seeds: Sequence[int]) -> str:
    """Seeds in order, runs of them as '0-19', others alone: '0-19, 25'."""
    spans: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if spans and seed == spans[-1][-1] + 1:
            spans[-1][1:] = [seed]
        else:
            spans.append([seed])
    return ", ".join("-".join(map(str, span)) for span in spans)


def measure_size(runs: pathlib.Path) -> int:
    """Bytes of all records."""
    files = (runs / "records").glob("*/*")
    return sum(path.stat().st_size for path in files if path.is_file())
