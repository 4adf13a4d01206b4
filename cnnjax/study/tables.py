"""Reads the lines of anyone's table of runs. Imports no JAX.

A table has one line a run, or one a run and test image. What is wrong with a file is gathered and
told at once.
"""

import csv
import io
import math
import pathlib
import re
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from cnnjax.config import flags
from cnnjax.config.knobs import ConfigError

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
FAILED = ("", "nan", "-nan", "failed")  # scores of a run that failed
# Python's float() reads more than this (1_0, other scripts' digits, infinity), which in a table
# of scores is a slip.
NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(%?)", re.ASCII | re.IGNORECASE)
LEAST, LARGEST = 1e-100, 1e100  # sizes of scores whose squares are numbers too
MOST_ERRORS = 10


class Columns(NamedTuple):
    """The names of a table's columns; None for those that are not asked for."""

    arm: str
    seed: str | None
    metric: str
    image: str | None = None
    cluster: str | None = None


class Run(NamedTuple):
    """One line of a table."""

    line: int
    arm: str
    seed: Any  # equal where two stand for the same one
    image: str
    cluster: str
    score: str


def refuse_all(name: str, errors: Sequence[str]) -> None:
    """Raises ConfigError with the first errors and the number of the others, where there are."""
    if errors:
        more = len(errors) - MOST_ERRORS
        end = f"; and {more} more" if more > 0 else ""
        raise ConfigError(f"{name}: {'; '.join(errors[:MOST_ERRORS])}{end}")


def read_text(path: str) -> str:
    """The text of a file, or of standard input for '-'. Raises ConfigError where it is none."""
    try:
        data = sys.stdin.buffer.read() if path == "-" else pathlib.Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    marked = data.startswith((b"\xff\xfe", b"\xfe\xff"))  # Excel's "Unicode text"
    try:
        return data.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = len(data[: error.start].splitlines() or [b""])
        if data[: error.start].endswith((b"\n", b"\r")):
            line += 1
        raise ConfigError(
            f"{path}, line {line}: the byte 0x{data[error.start]:02x} is no UTF-8: save the file"
            " as UTF-8 (it may be Latin-1)"
        ) from None


def read_delimiter(given: str) -> str | None:
    """A delimiter by its name or itself; None for 'auto'. Raises ConfigError on another."""
    given = "tab" if given == "\\t" else given
    known = {"auto": None, **DELIMITERS, **{own: own for own in DELIMITERS.values()}}
    if given not in known:
        raise ConfigError(f"--delimiter={given}: give auto, {', '.join(DELIMITERS)} or the sign")
    return known[given]


def find_delimiter(name: str, text: str, asked: Sequence[str]) -> str:
    """The delimiter by which the header has the columns asked for, or else most columns.

    Raises ConfigError where two would do.
    """
    headers = {own: _read_header(text, own) for own in DELIMITERS.values()}
    fit = [own for own, header in headers.items() if set(asked) <= set(header)]
    if len(fit) > 1 and len(asked) > 1:
        signs = " and ".join(map(repr, fit))
        raise ConfigError(f"{name}: the header can be split at {signs}: give --delimiter")
    return fit[0] if fit else max(headers, key=lambda own: len(headers[own]))


def _read_header(text: str, delimiter: str) -> list[str]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        return [cell.strip() for cell in next(rows, [])]
    except csv.Error:
        return []


def read_runs(
    name: str, text: str, columns: Columns, delimiter: str | None, errors: list[str]
) -> list[Run]:
    """The lines of a table; what is wrong with some is added to `errors`.

    An image column that the table lacks is passed over. Raises ConfigError where nothing can be
    read.
    """
    needed = {f: c for f, c in columns._asdict().items() if c is not None and f != "image"}
    delimiter = delimiter or find_delimiter(name, text, list(needed.values()))
    header = _read_header(text, delimiter)
    for flag, column in needed.items():
        if column not in header:
            hint = flags.describe_unknown("column", column, header) if any(header) else "empty"
            raise ConfigError(f"{name}: {hint} (--{flag} names a column)")
    places = {f: header.index(c) for f, c in columns._asdict().items() if c in header}
    for flag in places:
        column = getattr(columns, flag)
        if header.count(column) > 1:
            raise ConfigError(f"{name} has {header.count(column)} columns {column!r}")
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    runs = []
    try:
        next(reader)
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells) and len(cells) < 2:
                continue
            if len(cells) != len(header):
                errors.append(
                    f"line {reader.line_num}: {len(cells)} fields where the header has"
                    f" {len(header)}"
                )
                continue
            own = {flag: cells[place] for flag, place in places.items()}
            empty = [getattr(columns, f) for f, cell in own.items() if not cell and f != "metric"]
            if empty:
                errors.append(f"line {reader.line_num}: no {', '.join(empty)}")
                continue
            seed = as_number(own["seed"]) if columns.seed else reader.line_num
            runs.append(
                Run(reader.line_num, own["arm"], seed, own.get("image", ""),
                    own.get("cluster", ""), own["metric"])
            )  # fmt: skip
    except csv.Error as error:
        errors.append(f"line {reader.line_num}: no CSV: {error}")
    if not runs:
        refuse_all(name, errors)
        raise ConfigError(f"{name} has no line below its header")
    return runs


def as_number(seed: str) -> Decimal | str:
    """A seed as a number: seeds 1, 1.0 and 01 are the same; what is no number stands for itself."""
    found = NUMBER.fullmatch(seed)
    return Decimal(found[1]) if found and not found[2] else seed


def read_score(text: str) -> tuple[float, str, int] | None:
    """A score, its '%' and the exponent of its last digit: NaN where the run failed.

    None where `text` is neither.
    """
    if text.casefold() in FAILED:
        return math.nan, "", 0
    found = NUMBER.fullmatch(text)
    value = float(found[1]) if found else math.inf
    if found is None or not (value == 0 or LEAST <= abs(value) <= LARGEST):
        return None
    return value, found[2], min(0, int(Decimal(found[1]).as_tuple().exponent))
