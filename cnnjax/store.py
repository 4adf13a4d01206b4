"""Records on disk: what each finished lane left, addressed by all that can change its numbers."""

import ast
import base64
import hashlib
import importlib.metadata
import json
import math
import os
import pathlib
import platform
import subprocess
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from cnnjax import config as config_lib
from cnnjax import names
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
    "layers.py",
    "networks.py",
    "models.py",
    "cost.py",
    "augment.py",
    "optim.py",
    "corrupt.py",
    "examine.py",
    "program.py",
    "microbatch.py",
    "data/batches.py",
    "data/transform.py",
    "data/decode.py",
    "data/stream.py",
    "spread.py",
    "group.py",
)
NUMERIC_PACKAGES = ("jax", "jaxlib", "flax", "optax")


class Record(NamedTuple):
    """One finished lane. `scores`, `metrics`, `cost` and `provenance` are plain JSON values."""

    id: str
    config: Config
    scores: dict[str, Any]
    metrics: list[dict[str, Any]]
    cost: dict[str, Any]
    provenance: dict[str, Any]


def program_version() -> str:
    """A hash of the code that decides a lane's numbers, and of the libraries below it."""
    digest = hashlib.sha256()
    for pattern in PROGRAM_FILES:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(_code_only(path.read_text(encoding="utf-8")).encode())
    for package, version in package_versions(NUMERIC_PACKAGES).items():
        digest.update(f"{package} {version}".encode())
    return digest.hexdigest()[:16]


def _code_only(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            if isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):
                body[0].value.value = ""
    return ast.unparse(tree)


def package_versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Installed versions by package name."""
    return {package: importlib.metadata.version(package) for package in packages}


def describe_environment(repository: pathlib.Path) -> dict[str, Any]:
    """Versions, machine and code revision, for provenance."""
    return {
        "cnnjax": importlib.metadata.version("cnnjax"),
        "code_revision": code_revision(repository),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": package_versions((*NUMERIC_PACKAGES, "numpy", "tensorflow-datasets")),
    }


def code_revision(repository: pathlib.Path) -> str | None:
    """The git commit of a checkout, with '+' where files were changed since; None outside git."""
    try:
        commands = (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        head, changes = (
            subprocess.run(
                ["git", "-C", os.fspath(repository), *command],
                capture_output=True, text=True, check=True, timeout=10,
            ).stdout.strip()
            for command in commands
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return head + ("+" if changes else "")


def record_id(config: Config, origin: str) -> str:
    """The address of a lane. `origin` names all else that can change its numbers."""
    fields = {**config_lib.to_json(config), "dataset": names.without_path(config.dataset)}
    text = json.dumps(fields, sort_keys=True) + origin
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def record_path(runs: pathlib.Path, id: str) -> pathlib.Path:
    """Where the record of that id lies."""
    return runs / "records" / id / "record.json"


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


def pack_correct(correct: np.ndarray) -> str:
    """Which examples a run got right [n] bool, as text: eight a byte, in base64."""
    return base64.b64encode(np.packbits(correct).tobytes()).decode()


def unpack_correct(text: str, count: int) -> np.ndarray:
    """The first `count` flags of `pack_correct`."""
    packed = np.frombuffer(base64.b64decode(text), np.uint8)
    return np.unpackbits(packed, count=count).astype(bool)


def write_record(runs: pathlib.Path, record: Record) -> None:
    """Writes a record whole or not at all."""
    fields = record._asdict()
    fields["config"] = config_lib.to_json(record.config)
    write_json(
        record_path(runs, record.id), {"schema": SCHEMA, "seed": record.config.seed, **fields}
    )


def load_record(runs: pathlib.Path, id: str) -> Record | None:
    """The record of that id, or None where there is none.

    Raises ValueError on a file of another schema, naming it.
    """
    path = record_path(runs, id)
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if fields.pop("schema", None) != SCHEMA:
        raise ValueError(f"{path} is not a record of schema {SCHEMA}: move it away")
    fields.pop("seed")
    return Record(**{**fields, "config": config_lib.from_json(fields["config"])})
