"""Lanes and their records: what a lane is addressed by, what it leaves, what there is of it."""

import dataclasses
import datetime
import functools
import importlib.metadata
import operator
import pathlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import jax

from cnnjax.config.config import (
    KNOBS,
    Config,
    request_of,
    structure_of,
    to_json,
    with_stop,
)
from cnnjax.config.datasets import Request
from cnnjax.config.mesh import AUTO
from cnnjax.data.dataset import Dataset
from cnnjax.measures import outcome
from cnnjax.networks import cost
from cnnjax.records import archive, atomic, index, kept, shared, store, weights
from cnnjax.records.address import Form, fill, make_form
from cnnjax.records.holder import Holder
from cnnjax.records.leases import Leases, describe_holder
from cnnjax.records.origin import Origin
from cnnjax.records.plugins import hash_files
from cnnjax.records.provenance import describe_environment, program_version
from cnnjax.records.record import DamagedRecord, Record, load_record, record_path
from cnnjax.sweep import backend, meshes, placement, runner, start

Others = Callable[[Sequence[Config]], Mapping[Config, str]]  # held, each with who does in words
Find = Callable[[Sequence[Config]], dict[Config, Record]]


def describe_origin(
    config: Config, dataset: Dataset, version: str, machine: Mapping[str, Any], mesh: str = AUTO
) -> dict[str, Any]:
    """All that can change a lane's numbers besides its Config; `machine` of `backend.describe`."""
    info = (dataset.image_shape, dataset.num_classes)
    return Origin(
        **machine,
        **meshes.describe(config, info, mesh)._asdict(),
        program=version,
        data=dataset.fingerprint,
        feed=dataset.feed,
        plugins=hash_files(config),
        **start.describe_origin(config, *info),
    )._asdict()


def make_provenance(
    config: Config, dataset: Dataset, version: str, mesh: str = AUTO
) -> dict[str, Any]:
    """Where, how and with what a lane ran, for its record."""
    return {
        "origin": describe_origin(config, dataset, version, backend.describe(), mesh),
        "platform": jax.default_backend(),
        "device": jax.devices()[0].device_kind,
        "num_devices": jax.local_device_count(),
        "lanes_strategy": placement.find_strategy(config, jax.default_backend()),
        "data_fingerprint": dataset.fingerprint,
        "test_fingerprint": dataset.test_fingerprint,
        "class_names": list(dataset.class_names),
        "program_version": version,
        "date": _now(),
        kept.TEXTS: hash_files(config, data=True) or {},
        **_describe_environment(),
        "packages": _list_packages(),
    }


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def describe_training(result: runner.Result) -> dict[str, Any]:
    """What provenance says of a lane when it is done: when it began and how it was trained."""
    return {**result.wave._asdict(), "date": _now()}


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


def make_record(
    id: str, result: runner.Result, dataset: Dataset, version: str, mesh: str = AUTO
) -> Record:
    """What a finished lane leaves."""
    structure = structure_of(result.config)
    measured = cost.measure(structure, dataset.image_shape, dataset.num_classes)
    provenance = make_provenance(result.config, dataset, version, mesh)
    provenance |= describe_training(result)
    return Record(
        id,
        to_json(result.config),
        outcome.hide(result.scores),
        result.metrics,
        describe_cost(measured, result),
        provenance,
    )


def open_namer(datasets: Mapping[Request, Dataset], mesh: str = AUTO) -> Callable[[Config], str]:
    """What gives a lane's record id, as training it here and now would."""
    version, machine = program_version(), backend.describe()
    forms: dict[tuple, Form] = {}
    names = (field.name for field in dataclasses.fields(Config))  # and `own`
    fixed = operator.itemgetter(*(one for one in names if one == "own" or not KNOBS[one].traced))

    def name(lane: Config) -> str:
        structure = fixed(vars(lane))
        if structure not in forms:  # an origin follows from these and the data
            origin = describe_origin(lane, datasets[request_of(lane)], version, machine, mesh)
            forms[structure] = make_form(lane, origin)
        return fill(forms[structure], lane)

    return name


def open_others(
    name: Callable[[Config], str], held: Leases,
    describe: Callable[[Holder | None], str] = describe_holder,
) -> Others:  # fmt: skip
    """What tells which lanes other launches hold, and who; `name` gives a lane's record id."""

    def find_others(lanes: Sequence[Config]) -> dict[Config, str]:
        if not held.are_any():
            return {}
        runs = {lane: name(with_stop(lane, 0)) for lane in lanes}
        found = held.find_others(dict.fromkeys(runs.values()))
        return {lane: describe(found[run]) for lane, run in runs.items() if run in found}

    return find_others


def open_finder(
    datasets: Mapping[Request, Dataset], runs: pathlib.Path, mix: Collection[str] = (),
    on_note: Callable[[str], None] = lambda text: None, mesh: str = AUTO,
    name: Callable[[Config], str] | None = None,
) -> Find:  # fmt: skip
    """What finds those records of lanes that training them here and now would give again.

    A record of another origin will do where it differs in nothing but what `mix` names; one of the
    same data under another path is the lane's too.
    """
    name = name or open_namer(datasets, mesh)

    def find(lanes: Sequence[Config]) -> dict[Config, Record]:
        found: dict[Config, Record] = {}
        ids = {lane: name(lane) for lane in lanes}
        shared.pull_folders(runs / "records", "record.json", ids.values())
        there = {*store.list_names(runs)}
        for lane, id in ids.items() if there else ():
            if id not in there:
                continue
            try:
                record = _load_of(lane, runs, id)
            except DamagedRecord as error:
                atomic.set_aside(record_path(runs, id), error, "its run made again", on_note)
                continue
            if record is not None:
                found[lane] = record
        if mix:
            version, machine = program_version(), backend.describe()
            lacking = {
                lane: describe_origin(lane, datasets[request_of(lane)], version, machine, mesh)
                for lane in lanes
                if lane not in found
            }
            alike = archive.find_alike([*lacking], lacking, index.list_heads(runs), mix)
            found |= zip(alike, index.open_heads(runs, alike.values()), strict=True)
        return found

    return find


def _load_of(lane: Config, runs: pathlib.Path, id: str) -> Record | None:
    """The record of a lane's address, as of the path that the lane has of its data."""
    record, config = load_record(runs, id), to_json(lane)
    if record is None:
        return None
    moved = {"dataset": lane.dataset, "init_from": lane.init_from}  # paths change no number
    own = record._replace(config={**record.config, **moved})
    if own.config != config:
        path = record_path(runs, id)
        raise DamagedRecord(f"{path} has another config than its address says: it was changed")
    return own


def require_weights(
    find: Find, runs: pathlib.Path, keep: str, on_note: Callable[[str], None] = lambda text: None
) -> Find:
    """What finds those records alone that have the weights beside them that are to be kept.

    Weights that are damaged are set aside, and said.
    """

    def find_whole(lanes: Sequence[Config]) -> dict[Config, Record]:
        found = {}
        for lane, record in find(lanes).items():
            path = record_path(runs, record.id).parent / weights.NAMES[keep]
            if not path.exists():
                continue
            try:
                weights.check(path)
            except (OSError, ValueError) as error:
                atomic.set_aside(path, error, "its run made again", on_note)
                continue
            found[lane] = record
        return found

    return find_whole
