"""All runs of a folder as a table in a file, a row a run, for other programs. Imports no JAX."""

import contextlib
import csv
import io
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from cnnjax.config import installed
from cnnjax.config.knobs import RunError, format_value
from cnnjax.config.rules import KNOBS
from cnnjax.records.atomic import write_bytes, write_text
from cnnjax.records.kept import list_hashes
from cnnjax.records.record import Record

FACTS = ("date", "seconds", "host", "platform", "device", "program_version")  # of provenance
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a cell that begins so, spreadsheets compute
INTEGERS = range(-(2**63), 2**63)  # that a column of Parquet holds


def flatten(record: Record) -> dict[str, Any]:
    """A record as a row of plain values: without curve, and without what is an image's."""
    return {name: value for part in _list_parts(record) for name, value in part.items()}


def _list_parts(record: Record) -> tuple[dict[str, Any], ...]:
    """The columns of a row: id, knobs, scores, cost, facts."""
    scores = {
        name: value for name, value in record.scores.items() if not isinstance(value, (dict, list))
    }
    plugins = [f"{name} {own[:6]}" for name, own in list_hashes(record.provenance).items()]
    facts = {name: record.provenance.get(name) for name in FACTS}
    return (
        {"id": record.id},
        {name: _freeze(value) for name, value in record.config.items()},
        scores,
        {name: _freeze(value) for name, value in record.cost.items()},
        {**facts, "plugins": ", ".join(plugins)},
    )


def _freeze(value: object) -> Any:
    return tuple(value) if isinstance(value, list) else value


def list_rows(records: Iterable[Record]) -> list[dict[str, Any]]:
    """The records as rows of the same columns, which do not follow from the records' order.

    Knobs stand as `--help` has them, scores and cost by name. What a record lacks is None; lists
    are text, as flags show them.
    """
    rows, names = [], [dict[str, None]() for _ in range(5)]
    for record in records:
        parts = _list_parts(record)
        for known, part in zip(names, parts, strict=True):
            known.update(dict.fromkeys(part))
        rows.append({name: value for part in parts for name, value in part.items()})
    own, knobs, scores, cost, facts = names
    order = {name: place for place, name in enumerate(KNOBS)}
    knobs = sorted(knobs, key=lambda name: (order.get(name, len(order)), name))
    columns = dict.fromkeys([*own, *knobs, *sorted(scores), *sorted(cost), *facts])
    return [{name: _make_plain(row.get(name)) for name in columns} for row in rows]


def _make_plain(value: object) -> Any:
    return format_value(value) if isinstance(value, (str, tuple)) else value


def write_csv(path: pathlib.Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes `make_csv` of rows, whole or not at all."""
    write_text(path, make_csv(rows))


def make_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line a row below a header; None, and what a row lacks, is an empty cell."""
    names = dict.fromkeys(name for row in rows for name in row)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(map(_guard, names))
    writer.writerows([_guard(row.get(name)) for name in names] for row in rows)
    return buffer.getvalue()


def _guard(value: Any) -> Any:
    """Text that a spreadsheet would compute, behind an apostrophe."""
    if not isinstance(value, str) or not value.startswith(FORMULA):
        return value
    with contextlib.suppress(ValueError):
        float(value)
        return value
    return f"'{value}"


def write_parquet(path: pathlib.Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes a row group of them, whole or not at all. Raises RunError without pyarrow."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        how = installed.how_to_add("table")
        raise RunError(f"Parquet needs pyarrow: {how}, or write .csv") from None
    columns = {name: _unite([row[name] for row in rows]) for name in rows[0]}
    content = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), content)
    write_bytes(path, content.getvalue())


def _unite(values: list[Any]) -> list[Any]:
    """A column of one type: numbers or truth values where all are, else text."""
    kinds = {type(value) for value in values if value is not None}
    whole = all(value in INTEGERS for value in values if type(value) is int)
    if len(kinds) < 2 and whole or kinds == {int, float}:
        return [float(value) if kinds == {int, float} and value is not None else value
                for value in values]  # fmt: skip
    return [None if value is None else format_value(value) for value in values]


WRITERS: Mapping[str, Callable[[pathlib.Path, Sequence[Mapping[str, Any]]], None]] = {
    ".csv": write_csv,
    ".parquet": write_parquet,
}
