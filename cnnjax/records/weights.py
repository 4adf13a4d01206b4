"""Weights as one file that any library reads: safetensors, by NumPy alone. Imports no JAX.

A tree of dicts becomes tensors named by their path, such as params/conv_1/kernel. The header
holds what else a reader needs, as JSON, and a checksum of all of it.
"""

import functools
import hashlib
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from cnnjax.config.errors import ConfigError
from cnnjax.records.atomic import parse_json, read_bytes, write_bytes

NAMES = {keep: f"{keep}.safetensors" for keep in ("final", "best")}  # of a finished run
KEY = "cnnjax"  # of what the header holds of ours


class Weights(NamedTuple):
    """What a file of weights holds."""

    tree: dict[str, Any]  # arrays by layer and name; no branch without any
    about: dict[str, Any]  # plain JSON values


def save(path: pathlib.Path, tree: Mapping[str, Any], about: Mapping[str, Any] = {}) -> None:
    """Writes the arrays of a tree of dicts, whole or not at all, with what JSON says about them.

    Raises ValueError on a name that holds a slash.
    """
    from safetensors import numpy

    tensors = dict(_flatten(tree))
    header = {"about": about, "sha256": _hash(tensors, about)}
    # One key: the library writes several in no fixed order, and the same weights are one file.
    write_bytes(path, numpy.save(tensors, {KEY: json.dumps(header, sort_keys=True)}))


def load(path: pathlib.Path) -> Weights:
    """The arrays of a file as the tree that they were, and what it says about them.

    Weights that others wrote have nothing about them, and no checksum. Raises ConfigError where the
    file is not whole, or was changed.
    """
    import safetensors
    from safetensors import numpy

    content = read_bytes(path)
    try:
        tensors = numpy.load(content)
    except (safetensors.SafetensorError, KeyError) as error:
        raise ConfigError(f"{path} holds no weights that can be read: {error}") from None
    length = int.from_bytes(content[:8], "little")
    metadata = parse_json(content[8 : 8 + length]).get("__metadata__", {})
    tree = _unflatten(tensors, path)
    if KEY not in metadata:
        return Weights(tree, {})
    try:
        header = parse_json(metadata[KEY])
        about, written = header["about"], header["sha256"]
    except (ValueError, KeyError, TypeError):
        raise ConfigError(f"{path} holds nothing about its weights that can be read") from None
    if written != _hash(tensors, about):
        raise ConfigError(f"{path} was changed since it was written: its checksum is another")
    return Weights(tree, about)


def check(path: pathlib.Path) -> None:
    """Raises as `load` where a file is damaged.

    A file is read once in a process, and again where it was written since: kept weights may be
    gigabytes, and are asked for at each look for records.
    """
    status = path.stat()
    _check(path.absolute(), status.st_mtime_ns, status.st_size, status.st_ino)


@functools.cache
def _check(path: pathlib.Path, *stamp: int) -> None:
    load(path)


def _flatten(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, np.ndarray]]:
    for name, value in tree.items():
        if "/" in name:
            raise ValueError(f"{name!r}: a slash stands between names, and in none")
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{above}{name}/")
        else:
            yield above + name, np.asarray(value, order="C")


def _unflatten(tensors: Mapping[str, np.ndarray], path: pathlib.Path) -> dict[str, Any]:
    """Raises ConfigError where a name is that of an array and of a branch."""
    tree: dict[str, Any] = {}
    for place in sorted(tensors):
        *folders, name = place.split("/")
        branch = tree
        for folder in folders:
            branch = branch.setdefault(folder, {})
            if not isinstance(branch, dict):
                raise ConfigError(f"{path} has {place!r} below what is an array itself")
        branch[name] = tensors[place]
    return tree


def _hash(tensors: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(tensors):
        value = np.asarray(tensors[name], order="C")
        digest.update(f"{name} {value.dtype} {value.shape}\n".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
