"""Runs lanes on this machine and keeps what they leave."""

import pathlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from cnnjax.config import plugins
from cnnjax.config.config import from_json, request_of
from cnnjax.config.datasets import Request, Where
from cnnjax.data import load
from cnnjax.data.dataset import Dataset
from cnnjax.records import predictions
from cnnjax.records.address import record_id
from cnnjax.records.plugins import keep_texts
from cnnjax.records.provenance import program_version
from cnnjax.records.record import record_path, write_record
from cnnjax.sweep import backend, final, lanes, runner
from cnnjax.sweep.checkpoints import Checkpoints
from cnnjax.sweep.engines import Job
from cnnjax.sweep.observer import Observer


def run(
    jobs: Iterable[Job], observer: Observer,
    datasets: Mapping[Request, Dataset] = MappingProxyType({}),
) -> Iterator[runner.Failure]:  # fmt: skip
    """Trains the lanes of every job, writing each record as its lane is done.

    `datasets` need not be loaded any more. Raises runner.Interrupted when the observer asked to
    stop: what was finished is written.
    """
    version, machine = program_version(), backend.describe()
    for job in jobs:
        plugins.load(job.plugins)
        configs, runs = [from_json(values) for values in job.lanes], pathlib.Path(job.runs)
        request = request_of(configs[0])
        dataset = datasets.get(request) or load.load_dataset(
            configs[0], Where(**job.where), feed=job.feed, say=observer.on_note
        )
        ids = {
            config: record_id(config, lanes.describe_origin(config, dataset, version, machine))
            for config in configs
        }
        folders = {config: runs / "checkpoints" / id for config, id in ids.items()}
        saving = None
        if job.checkpoint_every is not None:
            saving = Checkpoints(folders.__getitem__, job.checkpoint_every)
        for result in runner.run_lanes(configs, dataset, observer, saving, job.keep == "final"):
            if isinstance(result, runner.Failure):
                yield result
                continue
            record = lanes.make_record(ids[result.config], result, dataset, version)
            keep_texts(runs / "records", result.config)
            if result.predictions is not None:
                record = predictions.keep(runs, record, result.predictions)
            if result.final is not None:
                folder = record_path(runs, record.id).parent
                final.save(folder, result.config, result.final)
            write_record(runs, record)
            if saving:
                shutil.rmtree(folders[result.config], ignore_errors=True)
            observer.on_record(record)
