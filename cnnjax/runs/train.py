"""One run in a folder of its own: what it would be, its training, its files."""

import contextlib
import itertools
import pathlib
import shutil
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from cnnjax.config import datasets
from cnnjax.config.config import KNOBS, Config, make_config, request_of, structure_of, to_json
from cnnjax.config.datasets import Where
from cnnjax.config.epochs import Epochs, fill_steps, name_source
from cnnjax.config.knobs import ConfigError
from cnnjax.config.mesh import AUTO
from cnnjax.data import load, outlook, transform
from cnnjax.data.dataset import Dataset, describe_notes
from cnnjax.measures import outcome
from cnnjax.networks import cost, notes
from cnnjax.networks.cost import Cost
from cnnjax.records import leases, origin, predictions, shape
from cnnjax.records.atomic import parse_json, read_bytes, write_json
from cnnjax.records.plugins import keep_texts
from cnnjax.records.provenance import program_version
from cnnjax.records.record import CHECKPOINTS
from cnnjax.runs import curves, result
from cnnjax.study.options import MINUTES
from cnnjax.study.plan import count_copies
from cnnjax.sweep import final, lanes, meshes, placement, runner, start, waiting
from cnnjax.sweep.checkpoints import Checkpoints, find_step
from cnnjax.sweep.observer import QUIET, Observer

RESTART = "--restart, which keeps it aside"


class Described(NamedTuple):
    """What a run would be."""

    cost: Cost
    notes: tuple[str, ...]  # on its network
    feed: str  # what it would read
    mesh: str  # on which devices it would train


class _Opened(NamedTuple):
    """A run before its first step."""

    cost: Cost
    dataset: Dataset
    provenance: dict[str, Any]


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


def describe_run(config: Config, where: Where, mesh: str = AUTO, here: bool = True) -> Described:
    """What a run costs and reads; prepares no data.

    Raises ConfigError where it cannot be, RunError where this machine has not the memory and it is
    to run `here`.
    """
    info = load.load_info(config, where)
    measured = cost.measure(config, *info)
    if here:
        check_memory(config, measured)
    waiting.check_choices([(config, info)])
    found = (*notes.list_notes(config, *info), *start.describe_all([(config, info)]))
    feed = outlook.describe_feed(config, where, placement.data_budget())
    on = meshes.describe_meshes(mesh, {structure_of(config): 1}, {request_of(config): info})
    return Described(measured, found, feed, on)


def check_memory(config: Config, measured: Cost) -> None:
    """Raises RunError where a run takes more memory than there is, whatever its compiler does.

    That is its state, and of one image the largest output of a layer.
    """
    state = 4 * measured.parameters * count_copies(config)
    placement.check_memory(state + measured.layer_bytes, 1)


def train_run(
    config: Config, workdir: pathlib.Path, where: Where, checkpoint_every: int | None = None,
    observer: Observer = QUIET, keep: str = "final",
    checkpoint_minutes: float | None = MINUTES, mix: Collection[str] = (), mesh: str = AUTO,
    tensorboard: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """One run in a folder of its own, a sweep of one lane; gives what is in result.json.

    A finished run is only read, unless weights that `keep` asks for are missing. One that began
    where something else was that `mix` names, as on another device, goes on from its checkpoint,
    and its provenance says so under `mixed`. Raises
    ConfigError where it cannot be or the folder holds another run, runner.Interrupted when the
    observer asked to stop; the same call then goes on.
    """
    if tensorboard:
        curves.import_tensorboard()
    opened = _open(config, where, observer, mesh)
    if (workdir / "config.json").exists():
        check(workdir, config, opened.provenance, mix)
        if found := result.find_finished(workdir, observer.on_note, keep):
            _clear_finished(workdir)
            lines = result.read_lines(workdir, found.get("provenance", {}))
            curves.write_finished(workdir, lines, tensorboard, observer.on_note)
            return found
    with leases.claim_folder(workdir, observer.on_note):
        if mixed := claim(workdir, config, opened.provenance, mix):
            opened.provenance["mixed"] = mixed
            observer.on_note(f"not all of this run is of one origin (--mix): {'; '.join(mixed)}")
        places = workdir / CHECKPOINTS
        left = config.last_step - find_step(places, config.last_step)
        observer.on_start(1, left * config.batch_size)
        saving = Checkpoints(lambda lane: places, checkpoint_every, checkpoint_minutes)
        with curves.follow(workdir, observer, tensorboard) as told:
            own = _train(config, opened.dataset, told, saving, keep, mesh)
        described = _write_result(workdir, own, opened, keep)
        shutil.rmtree(places, ignore_errors=True)
    return described


def _clear_finished(workdir: pathlib.Path) -> None:
    """Removes checkpoints that are left: the run was killed between its result and their end."""
    if (workdir / CHECKPOINTS).exists():
        with contextlib.suppress(ConfigError, OSError), leases.claim_folder(workdir):
            shutil.rmtree(workdir / CHECKPOINTS, ignore_errors=True)


def _write_result(
    workdir: pathlib.Path, own: runner.Result, opened: _Opened, keep: str
) -> dict[str, Any]:
    """Writes what a finished run leaves, result.json last, unless that is there; gives that."""
    files = result.write_lines(workdir, own.metrics)
    if own.final is not None:
        final.save(workdir, own.config, own.final, keep)
    if not (workdir / result.NAME).exists():
        if own.predictions is not None:
            files |= predictions.write(workdir, own.predictions)
        described = describe_result(own, opened, files)
        write_json(workdir / "provenance.json", described["provenance"])
        result.write(workdir, described)
    return result.read(workdir)


def set_run_aside(workdir: pathlib.Path) -> pathlib.Path | None:
    """Moves the run of a folder to one of a name that is free; gives that, None without a run.

    Raises ConfigError where it is in training, or the folder is one of those we stand in, which
    would go with us.
    """
    if not (workdir / "config.json").exists():
        return None
    if not workdir.name.strip("."):
        raise ConfigError(f"{workdir} would be moved away: name the folder in full to restart")
    names = (workdir.with_name(f"{workdir.name}.earlier-{number}") for number in itertools.count(1))
    free = next(name for name in names if not name.exists())
    with leases.claim_folder(workdir):
        workdir.rename(free)
    shutil.rmtree(free / leases.FOLDER, ignore_errors=True)  # our claim, which went with it
    return free


def train_in_memory(
    config: Config, where: Where, observer: Observer = QUIET, mesh: str = AUTO
) -> tuple[runner.Result, dict[str, Any]]:
    """One run that leaves no file, and what would be in its result.json. Raises as `train_run`."""
    opened = _open(config, where, observer, mesh)
    observer.on_start(1, config.last_step * config.batch_size)
    own = _train(config, opened.dataset, observer, None, "final", mesh)
    return own, describe_result(own, opened, {})


def _open(config: Config, where: Where, observer: Observer, mesh: str) -> _Opened:
    info = load.load_info(config, where)
    measured = cost.measure(config, *info)
    check_memory(config, measured)
    meshes.check(mesh, [(config, info)])
    for note in (*notes.list_notes(config, *info), *start.describe_all([(config, info)])):
        observer.on_note(note)
    budget = placement.data_budget()
    dataset = load.load_dataset(config, where, budget, say=observer.on_note)
    transform.check(config, dataset)
    for note in describe_notes(dataset):
        observer.on_note(note)
    provenance = lanes.make_provenance(config, dataset, program_version(), mesh)
    return _Opened(measured, dataset, provenance)


def _train(
    config: Config, dataset: Dataset, observer: Observer, saving: Checkpoints | None, keep: str,
    mesh: str,
) -> runner.Result:  # fmt: skip
    (own,) = runner.run_lanes([config], dataset, observer, saving, keep, mesh=mesh)
    if isinstance(own, runner.Failure):
        raise own.error
    return own


def describe_result(
    own: runner.Result, opened: _Opened, files: Mapping[str, str]
) -> dict[str, Any]:
    """What is in result.json; `files` are checksums of those beside it."""
    scores = outcome.hide(own.scores) if own.scores["diverged"] else own.scores
    return {
        **scores,
        "num_parameters": opened.cost.parameters,
        "macs": opened.cost.macs,
        "steps": own.metrics[-1]["step"],
        "examples_per_second": own.examples_per_second,
        "compile_seconds": own.compile_seconds,
        "provenance": {
            **opened.provenance,
            **lanes.describe_training(own),
            "files": dict(files),
        },
    }


def claim(
    workdir: pathlib.Path, config: Config, provenance: Mapping[str, Any],
    mix: Collection[str] = (),
) -> list[str]:  # fmt: skip
    """Writes config.json and provenance.json, or checks that they are this run's.

    Gives in what its parts differ, by `mix`, such as devices: then it is from now on of this one.
    """
    mixed: list[str] = []
    if (workdir / "config.json").exists():
        mixed = check(workdir, config, provenance, mix)
    if mixed or not (workdir / "config.json").exists():
        keep_texts(workdir, config)
        began = {"mixed": mixed} if mixed else {}
        write_json(workdir / "provenance.json", {**provenance, **began})
        write_json(workdir / "config.json", to_json(config))
    return mixed


def check(
    workdir: pathlib.Path, config: Config, provenance: Mapping[str, Any],
    mix: Collection[str] = (),
) -> list[str]:  # fmt: skip
    """In what a run so far differs from this one by `mix`.

    Raises ConfigError where a folder holds a run of another config, data set or program.
    """
    there = _read_object(workdir / "config.json", RESTART)
    asked = to_json(config)
    for name in {**asked, **there}:  # of a family from outside only what is not its default
        default = KNOBS[name].default if name in KNOBS else None
        found, value = there.get(name, default), asked.get(name, default)
        alike = found == value
        if name == "dataset":  # the origin tells other data under another path
            alike = datasets.without_path(str(found)) == datasets.without_path(str(value))
        if name == "init_from":  # and other weights
            alike = bool(found) == bool(value)
        if not alike:
            raise ConfigError(
                f"{workdir} holds a run with --{name}={found}, not {value}: give another"
                f" --workdir, or the flags of that run, or {RESTART}"
            )
    earlier = _read_object(workdir / "provenance.json", RESTART, shape.STARTED)
    both = [origin.read(earlier), origin.read(provenance)]
    if different := origin.compare(both, mix):
        name = origin.find_way(both)
        all_the_same = f"--mix={name}, which goes on all the same, or " if name else ""
        raise ConfigError(
            f"{workdir} holds a run of other code or data ({'; '.join(different)}):"
            f" going on would not give its bits, so give another --workdir, or"
            f" {all_the_same}{RESTART}"
        )
    return [*dict.fromkeys([*(earlier.get("mixed") or []), *origin.compare(both)])]


def _read_object(
    path: pathlib.Path, otherwise: str, check: shape.Check = shape.ANYTHING
) -> dict[str, Any]:
    """Raises ConfigError, with what else to do, on a file that is no object of such a shape."""
    try:
        found = parse_json(read_bytes(path))
    except FileNotFoundError:
        reason = "is missing"
    except ValueError as error:
        reason = f"is damaged ({error})"
    else:
        if isinstance(found, dict) and check(found) is None:
            return found
        reason = f"is damaged ({'an odd' if isinstance(found, dict) else 'no'} JSON object)"
    raise ConfigError(f"{path} {reason}: give {otherwise}")
