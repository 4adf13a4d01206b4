"""What is wrong with the records of a folder, and with what lies beside them."""

import pathlib
from collections.abc import Iterator

from cnnjax.records import predictions, weights
from cnnjax.records.record import load_record


def list_damaged(runs: pathlib.Path) -> Iterator[str]:
    """What is wrong with the records of `runs`, a line each: with them or the files beside them."""
    for path in sorted((runs / "records").glob("*/record.json")):
        try:
            record = load_record(runs, path.parent.name)
            if record is not None:
                predictions.load(path.parent, record.provenance)
                for name in weights.NAMES.values():
                    if (path.parent / name).exists():
                        weights.load(path.parent / name)
        except (OSError, ValueError) as error:
            yield str(error)
