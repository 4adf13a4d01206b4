"""One run in a folder of its own: what it would be, its training, its files."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from cnnjax.config import datasets
from cnnjax.config.config import Config, to_json
from cnnjax.config.datasets import Where
from cnnjax.config.knobs import ConfigError
from cnnjax.data import load, transform
from cnnjax.data.dataset import describe_notes
from cnnjax.measures import outcome
from cnnjax.networks import cost, notes
from cnnjax.networks.cost import Cost
from cnnjax.records import origin, predictions
from cnnjax.records.atomic import write_json
from cnnjax.records.provenance import program_version
from cnnjax.sweep import lanes, placement, runner
from cnnjax.sweep.checkpoints import Checkpoints, find_newest
from cnnjax.sweep.observer import QUIET, Observer


class Described(NamedTuple):
    """What a run would be."""

    cost: Cost
    notes: tuple[str, ...]  # on its network
    feed: str  # what it would read


def describe_run(config: Config, where: Where) -> Described:
    """What a run costs and reads; prepares no data. Raises ConfigError where it cannot be."""
    info = load.load_info(config, where)
    measured = cost.measure(config, *info)
    found = notes.list_notes(config, *info)
    return Described(measured, found, load.describe_feed(config, where, placement.data_budget()))


def train_run(
    config: Config, workdir: pathlib.Path, where: Where, checkpoint_every: int = 0,
    observer: Observer = QUIET,
) -> dict[str, Any]:  # fmt: skip
    """One run in a folder of its own, a sweep of one lane; gives what is in result.json.

    A finished run is only read. Raises ConfigError where it cannot be or the folder holds another
    run, runner.Interrupted when the observer asked to stop; the same call then goes on.
    """
    info = load.load_info(config, where)
    measured = cost.measure(config, *info)
    for note in notes.list_notes(config, *info):
        observer.on_note(note)
    dataset = load.load_dataset(config, where, placement.data_budget())
    transform.check(config, dataset)
    for note in describe_notes(dataset):
        observer.on_note(note)
    provenance = lanes.make_provenance(config, dataset, program_version())
    claim(workdir, config, provenance)
    path = workdir / "result.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    observer.on_start(1, (config.steps - find_newest(workdir)) * config.batch_size)
    saving = Checkpoints(lambda lane: workdir, checkpoint_every)
    (result,) = runner.run_lanes([config], dataset, observer, saving)
    if isinstance(result, runner.Failure):
        raise result.error
    scores = outcome.hide(result.scores) if result.scores["diverged"] else result.scores
    files = predictions.write(workdir, result.predictions) if result.predictions else {}
    write_json(
        path,
        {
            **scores,
            "num_parameters": measured.parameters,
            "macs": measured.macs,
            "steps": config.steps,
            "examples_per_second": result.examples_per_second,
            "compile_seconds": result.compile_seconds,
            "provenance": {**provenance, "files": files},
        },
    )
    return json.loads(path.read_text(encoding="utf-8"))


def claim(workdir: pathlib.Path, config: Config, provenance: Mapping[str, Any]) -> None:
    """Writes config.json and provenance.json, or checks that they are this run's.

    Raises ConfigError where the folder holds a run of another config, data set or program.
    """
    if not (workdir / "config.json").exists():
        write_json(workdir / "provenance.json", provenance)
        write_json(workdir / "config.json", to_json(config))
        return
    there = json.loads((workdir / "config.json").read_text(encoding="utf-8"))
    for name, value in to_json(config).items():
        same = datasets.without_path if name == "dataset" else lambda value: value
        if same(there.get(name)) != same(value):  # the origin tells other data under another path
            raise ConfigError(
                f"{workdir} holds a run with --{name}={there.get(name)}, not {value}: give another"
                " --workdir, or the flags of that run"
            )
    earlier = json.loads((workdir / "provenance.json").read_text(encoding="utf-8"))
    different = origin.compare([origin.read(earlier), origin.read(provenance)])
    if different:
        raise ConfigError(
            f"{workdir} holds a run of other code or data ({'; '.join(different)}):"
            " going on would not give its bits, so give another --workdir"
        )
