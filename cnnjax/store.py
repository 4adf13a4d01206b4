"""Records on disk: what each finished lane left, addressed by all that can change its numbers."""

import ast
import base64
import contextlib
import hashlib
import importlib.metadata
import json
import math
import os
import pathlib
import platform
import subprocess
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from cnnjax import config as config_lib
from cnnjax import names, origin
from cnnjax.config import Config
from cnnjax.disk import write_bytes as write_bytes
from cnnjax.disk import write_text as write_text

SCHEMA = 1
ROOT = pathlib.Path(__file__).parent
# The files whose code decides a lane's numbers. Comments and docstrings do not count.
PROGRAM_FILES = (
    "ops/*.py",
    "presets.py",
    "layouts.py",
    "norms.py",
    "layers.py",
    "networks.py",
    "models.py",
    "cost.py",
    "augment.py",
    "optim.py",
    "corrupt.py",
    "examine.py",
    "outcome.py",
    "program.py",
    "microbatch.py",
    "data/batches.py",
    "data/transform.py",
    "data/decode.py",
    "data/stream.py",
    "spread.py",
    "group.py",
)


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


def program_version() -> str:
    """A hash of our code that decides a lane's numbers."""
    digest = hashlib.sha256()
    for pattern in PROGRAM_FILES:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(_code_only(path.read_text(encoding="utf-8")).encode())
    return digest.hexdigest()[:16]


def _code_only(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            if isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):
                body[0].value.value = ""
    return ast.unparse(tree)


def describe_environment() -> dict[str, Any]:
    """Versions, machine and code revision, for provenance."""
    return {
        "cnnjax": importlib.metadata.version("cnnjax"),
        "code_revision": code_revision(pathlib.Path(__file__)),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def code_revision(file: pathlib.Path) -> str | None:
    """The git commit of the checkout that tracks a file, with '+' where files were changed since.

    None where none tracks it: a package may be installed below another project's repository.
    """
    commands = (
        ["ls-files", "--error-unmatch", file.name],
        ["rev-parse", "HEAD"],
        ["status", "--porcelain", "--untracked-files=no"],
    )
    try:
        _, head, changes = (
            subprocess.run(
                ["git", "-C", os.fspath(file.parent), *command],
                capture_output=True, text=True, check=True, timeout=10,
            ).stdout.strip()
            for command in commands
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return head + ("+" if changes else "")


def record_id(config: Config, origin: Mapping[str, Any]) -> str:
    """The address of a lane. `origin` holds all else that can change its numbers."""
    fields = {**config_lib.to_json(config), "dataset": names.without_path(config.dataset)}
    text = json.dumps([fields, origin], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def arm_key(config: Mapping[str, Any]) -> str:
    """What records of one arm share, from the JSON of their configs: all knobs but the seed.

    A knob that a record lacks is younger than it and counts as at its default; a key that is no
    knob is older than the others and does not count.
    """
    known = {name: value for name, value in config.items() if name in config_lib.KNOBS}
    values = config_lib.fill_in(known)
    return json.dumps({**values, "seed": None}, sort_keys=True)


def record_path(runs: pathlib.Path, id: str) -> pathlib.Path:
    """Where the record of that id lies."""
    return runs / "records" / id / "record.json"


def origin_of(record: Record) -> dict[str, Any]:
    """All that can have changed a record's numbers besides the knobs that there are now."""
    former = {name: value for name, value in record.config.items() if name not in config_lib.KNOBS}
    return {**origin.read(record.provenance), "former_knobs": former}


def write_json(path: pathlib.Path, value: Any) -> None:
    """Writes JSON whole or not at all; numbers that JSON lacks (NaN, infinity) become null."""
    write_text(path, json.dumps(_finite(value), indent=1, allow_nan=False) + "\n")


def dump_line(value: Any) -> str:
    """JSON on one line; numbers that JSON lacks (NaN, infinity) become null."""
    return json.dumps(_finite(value), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def pack_values(values: np.ndarray) -> str:
    """One value an image [n] as text: their type, then their bytes, compressed, in base64.

    Fractions are kept to three digits or so, as float16, where they are small.
    """
    values = np.asarray(values)
    if values.dtype.kind == "f":
        small = np.abs(values).max(initial=0) < 8  # false for NaN
        values = values.astype(np.float16 if small else np.float32)
    elif values.dtype.kind == "b" or values.max(initial=0) < 256:
        values = values.astype(np.uint8)
    raw = zlib.compress(np.ascontiguousarray(values).tobytes())
    return f"{values.dtype.name}:{base64.b64encode(raw).decode()}"


def unpack_values(text: str) -> np.ndarray:
    """The values of `pack_values`."""
    name, _, packed = text.partition(":")
    return np.frombuffer(zlib.decompress(base64.b64decode(packed)), np.dtype(name))


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
