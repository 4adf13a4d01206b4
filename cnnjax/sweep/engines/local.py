"""Runs lanes on this machine and keeps what they leave."""

import datetime
import functools
import importlib.metadata
import pathlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import jax

from cnnjax.config.config import Config, request_of, structure_of, to_json
from cnnjax.config.datasets import Request
from cnnjax.data.dataset import Dataset
from cnnjax.measures import outcome
from cnnjax.networks import cost
from cnnjax.records import archive, store
from cnnjax.records.origin import Origin
from cnnjax.records.provenance import describe_environment, program_version
from cnnjax.sweep import backend, placement, runner


class Observer(NamedTuple):
    """What a caller wants to hear while lanes run. Each function may do nothing."""

    on_start: Callable[[int, int], None] = lambda num_lanes, num_examples: None
    on_examples: Callable[[int], None] = lambda num_examples: None
    on_waiting: Callable[[float], None] = lambda share: None
    on_record: Callable[[store.Record], None] = lambda record: None
    should_stop: Callable[[], bool] = lambda: False


class Outcome(NamedTuple):
    """Every lane's record, in the order asked for, but for those of groups that failed."""

    records: tuple[store.Record, ...]
    num_trained: int
    failures: tuple[runner.Failure, ...]


def describe_origin(
    config: Config, dataset: Dataset, version: str, machine: Mapping[str, Any]
) -> dict[str, Any]:
    """All that can change a lane's numbers besides its Config; `machine` of `backend.describe`."""
    in_step = placement.find_strategy(config, jax.default_backend()) == "vmap"
    return Origin(
        **machine,
        num_devices=jax.local_device_count() if in_step else None,
        program=version,
        data=dataset.fingerprint,
    )._asdict()


def make_provenance(config: Config, dataset: Dataset, version: str) -> dict[str, Any]:
    """Where, how and with what a lane ran, for its record."""
    return {
        "origin": describe_origin(config, dataset, version, backend.describe()),
        "platform": jax.default_backend(),
        "device": jax.devices()[0].device_kind,
        "num_devices": jax.local_device_count(),
        "lanes_strategy": placement.find_strategy(config, jax.default_backend()),
        "data_fingerprint": dataset.fingerprint,
        "test_fingerprint": dataset.test_fingerprint,
        "class_names": list(dataset.class_names),
        "program_version": version,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **_describe_environment(),
        "packages": _list_packages(),
    }


@functools.cache
def _describe_environment() -> dict[str, Any]:
    return describe_environment()


@functools.cache
def _list_packages() -> dict[str, str]:
    on_cpu = jax.default_backend() == "cpu"
    tfds = importlib.metadata.version("tensorflow-datasets")
    return {**backend.list_versions(on_cpu), "tensorflow-datasets": tfds}


def describe_cost(measured: cost.Cost, result: runner.Result) -> dict[str, Any]:
    """The cost entry of a record."""
    return {
        "parameters": measured.parameters,
        "macs": measured.macs,
        "receptive_field": measured.receptive_field,
        "map_shape": list(measured.map_shape),
        "examples_per_second": result.examples_per_second,
        "compile_seconds": result.compile_seconds,
    }


def run_missing(
    configs: Sequence[Config],
    datasets: Mapping[Request, Dataset],
    runs: pathlib.Path,
    observer: Observer,
    mix: Collection[str] = (),
) -> Outcome:
    """Trains the lanes that have no record yet, writing each record as its lane is done.

    A record of another origin will do where it differs in nothing but what `mix` names. Raises
    sweep.Interrupted when the observer asked to stop: what was finished is written.
    """
    version, machine = program_version(), backend.describe()
    requests = {config: request_of(config) for config in configs}
    origins = {
        config: describe_origin(config, datasets[request], version, machine)
        for config, request in requests.items()
    }
    ids = {config: store.record_id(config, origin) for config, origin in origins.items()}
    found = {config: store.load_record(runs, id) for config, id in ids.items()}
    # A record of the same data under another path is this lane's too.
    records = {
        config: r and r._replace(config={**r.config, "dataset": config.dataset})
        for config, r in found.items()
    }
    if mix:
        lacking = [config for config in ids if records[config] is None]
        records |= archive.find_alike(lacking, origins, store.load_records(runs), mix)
    missing = [config for config in ids if records[config] is None]
    failures: list[runner.Failure] = []
    if missing:
        observer.on_start(len(missing), sum(c.batch_size * c.steps for c in missing))
    for request, dataset in datasets.items():
        own = [config for config in missing if requests[config] == request]
        for result in runner.run_lanes(
            own, dataset, observer.on_examples, observer.should_stop, observer.on_waiting
        ):
            if isinstance(result, runner.Failure):
                failures.append(result)
                continue
            record = make_record(ids[result.config], result, dataset, version)
            store.write_record(runs, record)
            records[result.config] = record
            observer.on_record(record)
    done = [records[config] for config in ids]
    kept = tuple(record for record in done if record is not None)
    return Outcome(kept, len(missing) - sum(len(f.group.lanes) for f in failures), tuple(failures))


def make_record(id: str, result: runner.Result, dataset: Dataset, version: str) -> store.Record:
    """What a finished lane leaves."""
    shape = dataset.train.images.shape[1:]
    measured = cost.measure(structure_of(result.config), shape, dataset.num_classes)
    provenance = make_provenance(result.config, dataset, version)
    return store.Record(
        id,
        to_json(result.config),
        outcome.hide(result.scores),
        result.metrics,
        describe_cost(measured, result),
        provenance,
    )
