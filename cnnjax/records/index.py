"""A compact index of a store: what lists its records and chooses among them opens none of them.

It is derived. A row is made anew where its record's file is not the one that it was made of, and
all of them where the index is damaged or of another form. It is written whole or not at all, so
that launches may write it at once: the last one's stands, and what that lacks is read next time.
"""

import contextlib
import hashlib
import heapq
import json
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from cnnjax.config.knobs import RunError
from cnnjax.records import origin, shared
from cnnjax.records.atomic import parse_json, read_bytes, write_bytes
from cnnjax.records.record import DamagedRecord, Record, load_record, record_path

FILE = "index.json"
CHECKED = 3  # another number where what is checked of a record is other
STAMP = ("st_mtime_ns", "st_size")  # of a file: it is the one that was read
# What heads keep of a record. Of the provenance all but the date is shared by many.
SCORES = ("test_accuracy", "validation_accuracy", "failed", "diverged")
COST = ("macs", "examples_per_second", "compile_seconds")
ABOUT = ("origin", "num_devices", *origin.FORMER.values())


class Index(NamedTuple):
    """What many records share, once, and a row of each by its id.

    A row is when the record's file was written (in ns), its bytes, and of a record of this schema
    places in both tables, seed, date, and what `SCORES` and `COST` name; flat, to be read fast.
    """

    configs: list[dict[str, Any]]  # without their seeds
    abouts: list[dict[str, Any]]
    rows: dict[str, list[Any]]


def list_heads(runs: pathlib.Path) -> list[Record]:
    """Every record of this schema in `runs`, by id, without its curve and most of its scores.

    `open_heads` gives whole ones.
    """
    index = _update(runs)
    return [_make_head(index, id) for id in sorted(_known(index))]


def list_newest(runs: pathlib.Path, count: int) -> list[Record]:
    """The heads of as many records, the newest first, by when their files were written."""
    index = _update(runs)
    newest = heapq.nlargest(count, _known(index), key=lambda id: index.rows[id][0])
    return [_make_head(index, id) for id in newest]


def list_failed(runs: pathlib.Path) -> dict[str, bool]:
    """Whether its run failed, of every record of this schema, by id: of 100,000 in seconds."""
    index = _update(runs)
    found = {}
    for id in _known(index):
        config, about, seed, date, *values = index.rows[id][len(STAMP) :]
        own = _name_values(values)
        found[id] = bool(own.get("failed", own.get("diverged")))
    return found


def open_heads(runs: pathlib.Path, heads: Iterable[Record]) -> list[Record]:
    """The whole records of heads, of the data set that these name.

    Raises RunError where one is there no more.
    """
    found = []
    for head in heads:
        try:
            record = load_record(runs, head.id)
        except DamagedRecord as error:
            raise RunError(f"{error}; move it away, and its run is made again") from None
        if record is None:
            raise RunError(f"{record_path(runs, head.id)} was taken away meanwhile: try again")
        own = {name: head.config[name] for name in ("dataset",) if name in head.config}
        found.append(record._replace(config={**record.config, **own}))
    return found


def _known(index: Index) -> list[str]:
    """The ids of files that are records of this schema."""
    return [id for id, row in index.rows.items() if len(row) > len(STAMP)]


def _make_head(index: Index, id: str) -> Record:
    config, about, seed, date, *values = index.rows[id][len(STAMP) :]
    found = _name_values(values)
    scores = {name: found[name] for name in SCORES if name in found}
    cost = {name: found[name] for name in COST if name in found}
    provenance = index.abouts[about] if date is None else {**index.abouts[about], "date": date}
    return Record(id, {**index.configs[config], "seed": seed}, scores, [], cost, provenance)


def _name_values(values: Sequence[Any]) -> dict[str, Any]:
    """The scores and costs at the end of a row, by name; what its record lacks is left out."""
    named = zip((*SCORES, *COST), values, strict=True)
    return {name: value for name, value in named if value is not None}


def _update(runs: pathlib.Path) -> Index:
    """The index as of now, written where it was not."""
    shared.pull_folders(runs / "records", "record.json")
    path, stamps = runs / "records" / FILE, _find_stamps(runs / "records")
    known = _read(path)
    kept = {id: row for id, row in known.rows.items() if stamps.get(id) == row[: len(STAMP)]}
    index, missing = known._replace(rows=kept), [id for id in stamps if id not in kept]
    if missing:
        _add(index, runs, missing, stamps)
    if missing or len(kept) < len(known.rows):
        with contextlib.suppress(OSError):  # a store that is only read, a full disk
            _write(path, index)
    return index


def _find_stamps(folder: pathlib.Path) -> dict[str, list[int]]:
    """The stamp of each record's file by its id."""
    found = {}
    try:
        names = os.listdir(folder)
    except OSError:
        return {}
    for name in names:
        with contextlib.suppress(OSError):  # no record, or taken away meanwhile
            status = os.stat(f"{folder}/{name}/record.json")
            found[name] = [getattr(status, field) for field in STAMP]
    return found


def _add(
    index: Index, runs: pathlib.Path, ids: Iterable[str], stamps: dict[str, list[int]]
) -> None:
    """Opens these records and gives each a row."""
    places = [
        {json.dumps(own, sort_keys=True): place for place, own in enumerate(table)}
        for table in (index.configs, index.abouts)
    ]

    def place(number: int, table: list[dict[str, Any]], value: dict[str, Any]) -> int:
        key = json.dumps(value, sort_keys=True)
        if key not in places[number]:
            places[number][key] = len(table)
            table.append(value)
        return places[number][key]

    for id in ids:
        record = None
        with contextlib.suppress(ValueError):
            record = load_record(runs, id)
        if record is None:
            index.rows[id] = stamps[id]
            continue
        config = {name: value for name, value in record.config.items() if name != "seed"}
        about = {name: record.provenance[name] for name in ABOUT if name in record.provenance}
        index.rows[id] = [
            *stamps[id], place(0, index.configs, config), place(1, index.abouts, about),
            record.seed, record.provenance.get("date"),
            *map(record.scores.get, SCORES), *map(record.cost.get, COST),
        ]  # fmt: skip


def _read(path: pathlib.Path) -> Index:
    """The index of a file; an empty one where there is none, or none of this form."""
    with contextlib.suppress(OSError, ValueError):
        checksum, _, content = read_bytes(path).partition(b"\n")
        if checksum == _checksum(content):
            return Index(**parse_json(content))
    return Index([], [], {})


def _write(path: pathlib.Path, index: Index) -> None:
    content = json.dumps(index._asdict()).encode()
    write_bytes(path, _checksum(content) + b"\n" + content)


def _checksum(content: bytes) -> bytes:
    """What the first line of the file is: it tells content of another form, and damage."""
    form = repr((CHECKED, Index._fields, STAMP, SCORES, COST, ABOUT)).encode()
    return hashlib.sha256(form + content).hexdigest().encode()
