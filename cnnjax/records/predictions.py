"""What a run answered for each test image: a file beside its record, which knows its checksum."""

import hashlib
import io
import pathlib
from typing import Any, NamedTuple

import numpy as np

from cnnjax.records.atomic import read_bytes, write_bytes
from cnnjax.records.npz import read_npz
from cnnjax.records.record import Record, record_path

FILE = "predictions.npz"


class Predictions(NamedTuple):
    """Of each test image, in the order of the data set [n]."""

    predicted: np.ndarray  # class that it is taken for
    probability: np.ndarray  # float16, of that class
    label: np.ndarray  # true class


def pack(predicted: np.ndarray, probability: np.ndarray, label: np.ndarray) -> Predictions:
    """The predictions in as few bytes as hold them; probabilities to three digits."""
    most = max(int(predicted.max(initial=0)), int(label.max(initial=0)))
    dtype = np.min_scalar_type(most)
    return Predictions(predicted.astype(dtype), probability.astype(np.float16), label.astype(dtype))


def write(folder: pathlib.Path, predictions: Predictions) -> dict[str, str]:
    """Writes them whole or not at all; gives the file's checksum (SHA-256) by its name."""
    content = io.BytesIO()
    np.savez_compressed(content, **predictions._asdict())
    write_bytes(folder / FILE, content.getvalue())
    return {FILE: hashlib.sha256(content.getvalue()).hexdigest()}


def keep(runs: pathlib.Path, record: Record, predictions: Predictions) -> Record:
    """Writes them beside a record that is still to be written; gives it with their checksum."""
    files = write(record_path(runs, record.id).parent, predictions)
    return record._replace(provenance={**record.provenance, "files": files})


def load(folder: pathlib.Path, provenance: dict[str, Any]) -> Predictions | None:
    """The predictions in a folder, by the provenance of its record or run; None where none are.

    A failed run and a record of before have none. Raises FileNotFoundError, naming the file, where
    it is gone: the record is good without it; ValueError where it is not the one that was written.
    """
    files = provenance.get("files")
    if (checksum := files.get(FILE) if isinstance(files, dict) else None) is None:
        return None
    path = folder / FILE
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is gone, which had the answer for each image: delete the folder to train the"
            " run again"
        )
    try:
        raw = read_bytes(path)
        if hashlib.sha256(raw).hexdigest() == checksum:
            arrays = read_npz(raw)
            return Predictions(*(arrays[name] for name in Predictions._fields))
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {type(error).__name__}: {error}") from error
    raise ValueError(f"{path} is not the file that its record was written with")


def load_of(runs: pathlib.Path, record: Record) -> Predictions | None:
    """The predictions of a record in a store; None and errors as those of `load`."""
    return load(record_path(runs, record.id).parent, record.provenance)
