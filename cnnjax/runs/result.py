"""What a finished run leaves in its folder, and whether it is still as it was written.

result.json, which is written last, has a checksum of its own and those of the files beside it.
"""

import functools
import hashlib
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from cnnjax.config.knobs import ConfigError
from cnnjax.records import atomic, export, predictions, shape, weights
from cnnjax.records.record import checksum_of, seal

NAME, LINES, CSV = "result.json", "metrics.jsonl", "metrics.csv"
KEY = "sha256"


def write(folder: pathlib.Path, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Writes result.json with a checksum; gives what is in it."""
    sealed = seal(fields)
    atomic.write_json(folder / NAME, sealed)
    return sealed


def write_lines(folder: pathlib.Path, lines: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Writes metrics.jsonl, a JSON object an evaluation, and metrics.csv of the same.

    Gives the checksum of the former by its name.
    """
    texts = [atomic.dump_line(line) for line in lines]
    content = "".join(f"{text}\n" for text in texts).encode()
    atomic.write_bytes(folder / LINES, content)
    export.write_csv(folder / CSV, [*map(atomic.parse_json, texts)])
    return {LINES: hashlib.sha256(content).hexdigest()}


def mend_csv(folder: pathlib.Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Writes metrics.csv where it is not what these lines give."""
    path = folder / CSV
    if not path.exists() or path.read_bytes() != export.make_csv(lines).encode():
        export.write_csv(path, lines)


def parse(
    path: pathlib.Path, text: str | bytes, check: shape.Check = shape.ANYTHING
) -> dict[str, Any]:
    """Raises ConfigError, naming the file, where the text is no JSON object of such a shape."""
    try:
        found = atomic.parse_json(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or check(found) is not None:
        raise ConfigError(f"{path} is not whole: copy it again, or train the run again")
    return found


def read(folder: pathlib.Path) -> dict[str, Any]:
    """What result.json says. Raises ConfigError where it is not whole or was changed.

    One that was written before there were checksums has none.
    """
    path = folder / NAME
    found = parse(path, atomic.read_bytes(path), shape.RESULT)
    if KEY in found and found[KEY] != checksum_of(found):
        raise ConfigError(_describe_change(path))
    return found


def read_lines(folder: pathlib.Path, provenance: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The learning curve of a run of such a provenance; empty where its file is gone.

    Raises ConfigError where it is not whole or was changed.
    """
    path = folder / LINES
    there = path.exists()
    content = atomic.read_bytes(path) if there else b""
    lines = [parse(path, line, shape.LINE) for line in content.splitlines()]
    known = provenance.get("files", {}).get(LINES)
    if there and known and hashlib.sha256(content).hexdigest() != known:
        raise ConfigError(_describe_change(path))
    return lines


def _describe_change(path: pathlib.Path) -> str:
    return (
        f"{path} was changed since it was written, its checksum is another: copy it again, or"
        " train the run again"
    )


def find_finished(
    folder: pathlib.Path, say: Callable[[str], None], keep: str
) -> dict[str, Any] | None:
    """What is in result.json, unless the run is not finished, or has not the weights to `keep`.

    What is damaged is set aside, and all but the weights is then made again.
    """
    kept = [name for own, name in weights.NAMES.items() if own == keep]
    if not all((folder / name).exists() for name in (NAME, *kept)):
        return None
    instead = "the run made again"
    try:
        found = read(folder)
    except ConfigError as error:
        atomic.set_aside(folder / NAME, error, instead, say)
        return None
    provenance = found.get("provenance", {})
    tries: dict[str, Callable[[], object]] = {
        LINES: lambda: read_lines(folder, provenance),
        predictions.FILE: lambda: predictions.load(folder, provenance),
    }
    for name in kept:
        tries[name] = functools.partial(weights.load, folder / name)
    for name, open_file in tries.items():
        if not (folder / name).exists():
            continue  # answers that were deleted
        try:
            open_file()
        except ValueError as error:
            atomic.set_aside(folder / name, error, instead, say)
            if name not in kept:
                (folder / NAME).unlink()
            return None
    return found if (folder / LINES).exists() else None
