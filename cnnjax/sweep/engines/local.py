"""Runs lanes on this machine and keeps what they leave."""

import contextlib
import functools
import pathlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from cnnjax.config import plugins
from cnnjax.config.config import Config, from_json, request_of, with_stop
from cnnjax.config.datasets import Request, Where
from cnnjax.data import load
from cnnjax.data.dataset import Dataset
from cnnjax.records import atomic, predictions, shared, weights
from cnnjax.records.leases import Leases
from cnnjax.records.plugins import keep_texts
from cnnjax.records.provenance import program_version
from cnnjax.records.record import CHECKPOINTS, Record, record_path, write_record
from cnnjax.sweep import final, lanes, runner
from cnnjax.sweep.checkpoints import Checkpoints
from cnnjax.sweep.engines import Engine, Job
from cnnjax.sweep.observer import Observer
from cnnjax.sweep.sessions import Sessions


class Name(NamedTuple):
    """What a lane is known by in a folder of runs."""

    record: str  # the id of its record
    run: str  # that of the whole run, whose checkpoints and lease it shares with its other parts


def run(
    jobs: Iterable[Job], observer: Observer,
    datasets: Mapping[Request, Dataset] = MappingProxyType({}), held: Leases | None = None,
    sessions: Sessions | None = None,
) -> Iterator[runner.Failure]:  # fmt: skip
    """Trains the lanes of every job, writing each record as its lane is done.

    `datasets` need not be loaded any more. Leases that were `held` before this call know of others
    whether they still live; without any it opens its own. `sessions` stay open from call to call.
    Raises runner.Interrupted when the observer asked to stop: what was finished is written.
    """
    for job in jobs:
        names, dataset = open_job(job, observer, datasets)
        with contextlib.ExitStack() as stack:
            own = held or stack.enter_context(shared.open_leases(pathlib.Path(job.runs)))
            yield from train(job, names, dataset, observer, own, sessions)


def open_engine(datasets: Mapping[Request, Dataset], held: Leases) -> Engine:
    """`run` on data that are loaded, whose programs stay compiled from call to call."""
    return functools.partial(run, datasets=datasets, held=held, sessions=Sessions())


def open_job(
    job: Job, observer: Observer, datasets: Mapping[Request, Dataset] = MappingProxyType({})
) -> tuple[dict[Config, Name], Dataset]:
    """The lanes of a job, each with its name, and the data that they train on."""
    plugins.load(job.plugins)
    configs = [from_json(values) for values in job.lanes]
    request = request_of(configs[0])
    dataset = datasets.get(request) or load.load_dataset(
        configs[0], Where(**job.where), feed=job.feed, say=observer.on_note
    )
    name = lanes.open_namer({request: dataset}, job.mesh)
    names = {config: Name(name(config), name(with_stop(config, 0))) for config in configs}
    return names, dataset


def train(
    job: Job, names: Mapping[Config, Name], dataset: Dataset, observer: Observer, held: Leases,
    sessions: Sessions | None = None,
) -> Iterator[runner.Failure]:  # fmt: skip
    """Trains those of a job's lanes, by their names, that no other launch does."""
    runs = pathlib.Path(job.runs)
    saving = Checkpoints(
        lambda lane: runs / CHECKPOINTS / names[lane].run, job.checkpoint_every,
        job.checkpoint_minutes,
    )  # fmt: skip
    under_way: dict[str, set[Config]] = {}  # lanes by their runs

    def claim(config: Config) -> bool:
        """Whether a lane is ours to train: nobody else's, and not done by others meanwhile."""
        if not held.claim(names[config].run):
            return False
        under_way.setdefault(names[config].run, set()).add(config)
        path = record_path(runs, names[config].record)
        shared.pull(path.parent, path.name)
        files = [path] if job.keep == "none" else [path, path.with_name(weights.NAMES[job.keep])]
        if not all(file.exists() for file in files):
            return True
        release(config)
        return False

    def release(config: Config) -> None:
        own = under_way.get(names[config].run, set())
        own.discard(config)
        if not own:
            held.release(names[config].run)

    atomic.require_writable(runs)  # before anything is compiled in vain
    trained = runner.run_lanes(
        [*names], dataset, observer, saving, job.keep, claim, job.mesh, sessions
    )
    for result in trained:
        if isinstance(result, runner.Failure):
            for config in result.group.lanes:
                release(config)
            yield result
            continue
        id, version = names[result.config].record, program_version()
        record = lanes.make_record(id, result, dataset, version, job.mesh)
        keep_texts(runs / "records", result.config)
        if result.predictions is not None:
            record = predictions.keep(runs, record, result.predictions)
        if result.final is not None:
            folder = record_path(runs, record.id).parent
            final.save(folder, result.config, result.final, job.keep)
        write_record(runs, record)
        shared.push(runs / "records" / "plugins", new=True)
        shared.push(record_path(runs, record.id).parent, last="record.json")
        if not result.config.stop_at:
            _forget(saving.folder_of(result.config))
        release(result.config)
        observer.on_record(record)


def clear(
    runs: pathlib.Path, records: Mapping[Config, Record], name: Callable[[Config], str],
    held: Leases, stopped: bool,
) -> None:  # fmt: skip
    """Removes the checkpoints of runs that are recorded: a launch was killed before it did.

    And those of lanes that `stopped` on their way, where no longer one of them is wanted. `name`
    gives a lane's record id.
    """
    ids = {record.id for record in records.values()}
    if stopped:
        ids |= {name(with_stop(lane, 0)) for lane in records if lane.stop_at}
    for folder in (runs / CHECKPOINTS).glob("*"):
        if folder.name in ids and held.claim(folder.name):
            _forget(folder)
            held.release(folder.name)


def _forget(folder: pathlib.Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shared.remove(folder)
