"""What is wrong with the records of a folder, and with what lies beside them."""

import pathlib
from collections.abc import Iterator
from typing import NamedTuple

from cnnjax.records import atomic, kept, predictions, store, weights
from cnnjax.records.plugins import hash_text
from cnnjax.records.record import load_record, record_path


class Problem(NamedTuple):
    """Something that is wrong with a record."""

    text: str  # a line that names the file
    spoils: bool  # whether the record is not to be used; its scores are good without answers


def list_damaged(runs: pathlib.Path) -> Iterator[str]:
    """What is wrong in the store of `runs`, a line each."""
    for id in store.list_ids(runs):
        yield from (problem.text for problem in list_problems(runs, id))
    for path in sorted((runs / "records" / kept.FOLDER).glob("*.py")):
        try:
            if hash_text(atomic.read_bytes(path).decode()) != path.stem:
                yield f"{path} was changed since it was kept: its hash is another"
        except (OSError, ValueError) as error:
            yield f"{path} cannot be read: {error}"


def list_problems(runs: pathlib.Path, id: str) -> Iterator[Problem]:
    """What is wrong with a record or a file beside it; nothing where there is no record."""
    folder = record_path(runs, id).parent
    try:
        record = load_record(runs, id)
    except (OSError, ValueError) as error:
        yield Problem(str(error), True)
        return
    if record is None:
        return
    try:
        predictions.load(folder, record.provenance)
    except (OSError, ValueError) as error:
        yield Problem(str(error), not isinstance(error, FileNotFoundError))
    for path in sorted(folder.glob("*.safetensors")):
        try:
            about = weights.load(path).about
        except (OSError, ValueError) as error:
            yield Problem(str(error), True)
            continue
        if about.get("config", record.config) != record.config:
            yield Problem(f"{path} has the weights of another run: it was moved here", True)
