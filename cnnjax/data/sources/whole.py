"""Whether a prepared data set is as it was prepared, so far as its folder can tell.

A set that cnnjax prepared has the checksums of its files beside them: of all where it is built in,
of all but the examples elsewhere, since array_record has checksums of its own.
"""

import hashlib
import json
import os
import pathlib
from collections.abc import Collection, Iterator
from typing import Any

from cnnjax.config.knobs import RunError
from cnnjax.data.sources import memory
from cnnjax.records import atomic

NAME = "cnnjax.json"  # the file of checksums
CODE = "tensorflow_datasets."  # where the code lies that features.json may name
MOST_CLASSES = 2**20
WAYS = ("copy it there from where the data set was prepared, or delete the folder {} to have it"
        " prepared anew")  # fmt: skip


def write_checksums(builder: Any, examples: bool) -> None:
    """Writes the checksums of a data set that was prepared just now, with or without `examples`."""
    folder = pathlib.Path(builder.data_path)
    atomic.sync_tree(folder)  # the library does not, and what has checksums counts as whole
    atomic.sync_folder(folder.parent)
    shards = {pathlib.Path(path).name for path in list_shards(builder)}
    memory.keep(folder / NAME, {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != NAME and (examples or path.name not in shards)
    })  # fmt: skip


def list_shards(builder: Any) -> list[str]:
    """The paths of all files of examples."""
    return [os.fspath(path) for split in builder.info.splits.values() for path in split.filepaths]


def open_folder(folder: pathlib.Path) -> Any:
    """The data set of a folder, by its files alone. Raises RunError, naming what is damaged."""
    import tensorflow_datasets as tfds

    check_checksums(folder)
    check_features(folder)
    try:
        builder: Any = tfds.builder_from_directory(os.fspath(folder))
        shards = list(map(pathlib.Path, list_shards(builder)))
    except Exception as error:  # of as many types as there are readers of its parts
        raise RunError(
            f"{folder} cannot be read ({explain(error)}): {WAYS.format(folder)}"
        ) from None
    for path in shards:
        if path.parent != pathlib.Path(builder.data_path):
            raise RunError(f"{folder / 'dataset_info.json'} names {path}, outside of its folder")
        if not path.exists() or path.stat().st_size == 0:
            raise RunError(f"{path} is missing or empty: {WAYS.format(folder)}")
    return builder


def check_checksums(folder: pathlib.Path) -> None:
    """Raises RunError where a file is not as it was prepared, naming it."""
    if not (folder / NAME).exists():  # prepared by others, or by an older cnnjax
        return
    known = memory.recall(folder / NAME)
    if known is None:
        raise RunError(f"{folder / NAME} is damaged: {WAYS.format(folder)}")
    for name, checksum in known.items():
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != checksum:
            raise RunError(f"{path} is not as it was prepared (by {NAME}): {WAYS.format(folder)}")


def check_features(folder: pathlib.Path) -> None:
    """Raises RunError where features.json names code that is not of TFDS, which would import it,
    or more classes than anyone has, which it would name one by one.
    """  # fmt: skip
    path = folder / "features.json"
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        found = list(find_values(described, ("pythonClassName", "type", "numClasses")))
        counts = [int(value) for key, value in found if key == "numClasses"]
    except FileNotFoundError:
        return
    except (OSError, TypeError, ValueError, RecursionError) as error:
        raise RunError(f"{path} is damaged ({explain(error)}): {WAYS.format(folder)}") from None
    names = [str(value) for key, value in found if key != "numClasses"]
    if foreign := [name for name in names if not name.startswith(CODE)]:
        raise RunError(f"{path} names {foreign[0]!r}, and only code of {CODE[:-1]} is called")
    if max(counts, default=0) > MOST_CLASSES:
        raise RunError(f"{path} has {max(counts):,} classes, more than {MOST_CLASSES:,}")


def find_values(described: Any, keys: Collection[str]) -> Iterator[tuple[str, Any]]:
    """The values of some keys, wherever they stand in what JSON holds."""
    if isinstance(described, dict):
        for key, value in described.items():
            if key in keys:
                yield key, value
            else:
                yield from find_values(value, keys)
    elif isinstance(described, list):
        for value in described:
            yield from find_values(value, keys)


def explain(error: Exception) -> str:
    """An error in one short line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
