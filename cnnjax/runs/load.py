"""A run is opened from its folder, of `experiments.train` or among the records of a study."""

import pathlib
import warnings
from collections.abc import Mapping
from typing import Any, Literal

from cnnjax.config.config import Config, from_json
from cnnjax.config.knobs import ConfigError
from cnnjax.records import kept, origin, predictions, weights
from cnnjax.records.atomic import read_bytes
from cnnjax.records.plugins import hash_files
from cnnjax.records.predictions import Predictions
from cnnjax.records.record import read_fields
from cnnjax.runs import result
from cnnjax.runs.run import Run, describe_missing, make_run
from cnnjax.sweep import final


def load_run(path: str | pathlib.Path, keep: Literal["final", "best"] | None = None) -> Run:
    """The run of a folder: of `train` or `Run.save`, or one of RUNS/records.

    It opens on any number of devices of any kind; where its weights were not kept, without its
    network. Of its weights it opens the last ones if they are there, or those that `keep` names.
    Warns where it was trained with plug-ins of another text, or a file is gone. Raises ConfigError
    where there is no run, it is not done, it lacks what `keep` names, or a plug-in is not loaded.
    """
    folder = pathlib.Path(path)
    file = _find_weights(folder, keep)
    record = result.read(folder) if (folder / result.NAME).exists() else {}
    if not record and (folder / "record.json").exists():
        record = read_fields(folder / "record.json")
    if not file.exists() and not record:
        raise ConfigError(describe_missing(folder))
    config, own = final.load(file) if file.exists() else (_read_config(folder, record), None)
    metrics, provenance = record.pop("metrics", None), record.get("provenance", {})
    if metrics is None:
        metrics = result.read_lines(folder, provenance)
    read = _make_config(folder, config, provenance)
    answers = _load_predictions(folder, provenance)
    _warn_of_edits(folder, read, provenance)
    return make_run(read, record, metrics, own, answers, folder)


def _find_weights(folder: pathlib.Path, keep: str | None) -> pathlib.Path:
    """The file of the weights that are asked for; of the last ones where there are none."""
    files = {own: folder / name for own, name in weights.NAMES.items()}
    if keep is not None:
        if keep not in files:
            raise ConfigError(f"keep={keep!r}: give {' or '.join(files)}")
        if not files[keep].exists():
            raise ConfigError(describe_missing(folder, keep))
        return files[keep]
    return next((file for file in files.values() if file.exists()), files["final"])


def _read_config(folder: pathlib.Path, record: Mapping[str, Any]) -> dict[str, Any]:
    path = folder / "config.json"
    if "config" in record:
        return record["config"]
    return result.parse(path, read_bytes(path)) if path.exists() else {}


def _make_config(
    folder: pathlib.Path, config: Mapping[str, Any], provenance: Mapping[str, Any]
) -> Config:
    """Raises ConfigError, naming the plug-ins that are not loaded, where it cannot be."""
    try:
        return from_json(config)
    except ConfigError:
        own = folder if (folder / kept.FOLDER).is_dir() else folder.parent
        missing = kept.name_missing(config, provenance, own)
        if not missing:
            raise
        raise ConfigError(
            f"{folder} is a run of what is not loaded: give {missing}, or import it in a notebook"
        ) from None


def _warn_of_edits(folder: pathlib.Path, config: Config, provenance: Mapping[str, Any]) -> None:
    """Warns where what is loaded from outside is not what the run was trained with."""
    before = origin.read(provenance).get("plugins") if "origin" in provenance else None
    if not before:
        return  # none, or a record that does not say
    now = hash_files(config) or {}
    names = [name for name, text in before.items() if now.get(name) != text]
    if names:
        warnings.warn(
            f"{folder} was trained with another text of {', '.join(names)} than is loaded now:"
            " predict gives what the present one says",
            stacklevel=3,
        )


def _load_predictions(
    folder: pathlib.Path, provenance: dict[str, Any]
) -> Predictions | None:  # fmt: skip
    try:
        return predictions.load(folder, provenance)
    except FileNotFoundError as error:  # deleted, or not copied with the rest: the scores stay good
        warnings.warn(str(error), stacklevel=3)
        return None
    except ValueError as error:
        raise ConfigError(str(error)) from None
