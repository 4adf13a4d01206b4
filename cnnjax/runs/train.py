"""One run in a folder of its own: what it would be, its training, its files."""

import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from cnnjax.config import datasets
from cnnjax.config.config import KNOBS, Config, make_config, request_of, to_json
from cnnjax.config.datasets import Request, Where
from cnnjax.config.epochs import Epochs, fill_steps, name_source
from cnnjax.config.knobs import ConfigError
from cnnjax.data import load, transform
from cnnjax.data.dataset import Dataset, check_train_examples, describe_notes
from cnnjax.measures import outcome
from cnnjax.networks import cost, notes
from cnnjax.networks.cost import Cost
from cnnjax.records import origin, predictions, weights
from cnnjax.records.atomic import write_json
from cnnjax.records.plugins import keep_texts
from cnnjax.records.provenance import program_version
from cnnjax.sweep import final, lanes, placement, runner
from cnnjax.sweep.checkpoints import Checkpoints, find_newest
from cnnjax.sweep.observer import QUIET, Observer


class Described(NamedTuple):
    """What a run would be."""

    cost: Cost
    notes: tuple[str, ...]  # on its network
    feed: str  # what it would read


def make_timed(
    given: Mapping[str, Any], epochs: Epochs, where: Where, prepare: bool = True,
    observer: Observer = QUIET,
) -> Config:  # fmt: skip
    """The config of what is given, of as many steps as its epochs are by its training images.

    They are prepared if need be and allowed. Raises ConfigError where the config cannot be.
    """
    trial = vars(make_config(fill_steps(epochs, given)))
    if not trial["train_examples"]:
        size = load.count_train(trial, where, prepare, observer.on_note)
        epochs = epochs._replace(sizes={name_source(trial): size})
    return make_config(fill_steps(epochs, given))


def check_examples(configs: Iterable[Config], where: Where) -> None:
    """Raises ConfigError where prepared data have fewer training images than a run asks for."""
    most: dict[Request, Config] = {}
    for config in sorted(configs, key=lambda config: config.train_examples):
        if config.train_examples:
            most[request_of(config)] = config
    for config in most.values():
        num_train = load.count_split(config, where, "train")
        if num_train is not None:
            check_train_examples(config.dataset, num_train, config.train_examples)


def describe_run(config: Config, where: Where) -> Described:
    """What a run costs and reads; prepares no data. Raises ConfigError where it cannot be."""
    check_examples([config], where)
    info = load.load_info(config, where)
    measured = cost.measure(config, *info)
    found = notes.list_notes(config, *info)
    return Described(measured, found, load.describe_feed(config, where, placement.data_budget()))


def train_run(
    config: Config, workdir: pathlib.Path, where: Where, checkpoint_every: int = 0,
    observer: Observer = QUIET, keep: str = "final",
) -> dict[str, Any]:  # fmt: skip
    """One run in a folder of its own, a sweep of one lane; gives what is in result.json.

    A finished run is only read. With `keep` of "final" its weights are in final.safetensors, and
    are written there from its last checkpoint if they are missing. Raises ConfigError where it
    cannot be or the folder holds another run, runner.Interrupted when the observer asked to stop;
    the same call then goes on.
    """
    opened = _open(config, where, observer)
    claim(workdir, config, opened.provenance)
    path = workdir / "result.json"
    if path.exists() and (keep == "none" or (workdir / weights.NAME).exists()):
        return json.loads(path.read_text(encoding="utf-8"))
    observer.on_start(1, (config.steps - find_newest(workdir)) * config.batch_size)
    saving = Checkpoints(lambda lane: workdir, checkpoint_every)
    result = _train(config, opened.dataset, observer, saving, keep == "final")
    if result.final is not None:
        final.save(workdir, config, result.final)
    if not path.exists():
        answers = result.predictions
        files = predictions.write(workdir, answers) if answers else {}
        write_json(path, describe_result(result, opened, files))
    return json.loads(path.read_text(encoding="utf-8"))


def train_in_memory(
    config: Config, where: Where, observer: Observer = QUIET
) -> tuple[runner.Result, dict[str, Any]]:
    """One run that leaves no file, and what would be in its result.json. Raises as `train_run`."""
    opened = _open(config, where, observer)
    observer.on_start(1, config.steps * config.batch_size)
    result = _train(config, opened.dataset, observer, None, True)
    return result, describe_result(result, opened, {})


class _Opened(NamedTuple):
    """A run before its first step."""

    cost: Cost
    dataset: Dataset
    provenance: dict[str, Any]


def _open(config: Config, where: Where, observer: Observer) -> _Opened:
    info = load.load_info(config, where)
    measured = cost.measure(config, *info)
    for note in notes.list_notes(config, *info):
        observer.on_note(note)
    budget = placement.data_budget()
    dataset = load.load_dataset(config, where, budget, say=observer.on_note)
    transform.check(config, dataset)
    for note in describe_notes(dataset):
        observer.on_note(note)
    provenance = lanes.make_provenance(config, dataset, program_version())
    return _Opened(measured, dataset, provenance)


def _train(
    config: Config, dataset: Dataset, observer: Observer, saving: Checkpoints | None, keep: bool
) -> runner.Result:
    (result,) = runner.run_lanes([config], dataset, observer, saving, keep)
    if isinstance(result, runner.Failure):
        raise result.error
    return result


def describe_result(
    result: runner.Result, opened: _Opened, files: Mapping[str, str]
) -> dict[str, Any]:
    """What is in result.json; `files` are checksums of those beside it."""
    scores = outcome.hide(result.scores) if result.scores["diverged"] else result.scores
    return {
        **scores,
        "num_parameters": opened.cost.parameters,
        "macs": opened.cost.macs,
        "steps": result.config.steps,
        "examples_per_second": result.examples_per_second,
        "compile_seconds": result.compile_seconds,
        "provenance": {**opened.provenance, "files": dict(files)},
    }


def claim(workdir: pathlib.Path, config: Config, provenance: Mapping[str, Any]) -> None:
    """Writes config.json and provenance.json, or checks that they are this run's.

    Raises ConfigError where the folder holds a run of another config, data set or program.
    """
    if not (workdir / "config.json").exists():
        keep_texts(workdir, config)
        write_json(workdir / "provenance.json", provenance)
        write_json(workdir / "config.json", to_json(config))
        return
    there = json.loads((workdir / "config.json").read_text(encoding="utf-8"))
    asked = to_json(config)
    for name in {**asked, **there}:  # of a family from outside only what is not its default
        default = KNOBS[name].default if name in KNOBS else None
        found, value = there.get(name, default), asked.get(name, default)
        alike = found == value
        if name == "dataset":  # the origin tells other data under another path
            alike = datasets.without_path(str(found)) == datasets.without_path(str(value))
        if not alike:
            raise ConfigError(
                f"{workdir} holds a run with --{name}={found}, not {value}: give another"
                " --workdir, or the flags of that run"
            )
    earlier = json.loads((workdir / "provenance.json").read_text(encoding="utf-8"))
    different = origin.compare([origin.read(earlier), origin.read(provenance)])
    if different:
        raise ConfigError(
            f"{workdir} holds a run of other code or data ({'; '.join(different)}):"
            " going on would not give its bits, so give another --workdir"
        )
