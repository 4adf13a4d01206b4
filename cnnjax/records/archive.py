"""Which of the records that there are tell a study's lanes: of one origin, or of mixed ones."""

import functools
import itertools
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cnnjax.config.config import KNOBS, Config, request_of, to_json, with_seed
from cnnjax.config.datasets import Request, without_path
from cnnjax.config.knobs import ConfigError
from cnnjax.records.address import arm_key, origin_of
from cnnjax.records.origin import BY_ARM, compare, list_mixed, without
from cnnjax.records.record import Record

NO_DATA: Mapping[Request, str] = {}


class NoRecords(ConfigError):
    """Nothing to judge: no origin has a record of every lane of a study."""


class Stock(NamedTuple):
    """Records of every lane asked for, all of one origin."""

    origin: str  # as JSON, without what the arms of a study may choose
    records: list[Record]  # in order of the lanes
    date: str  # of the newest


Lookup = Callable[[Iterable[Config]], dict[Config, list[Record]]]


def find_lanes(
    lanes: Iterable[Config], records: Iterable[Record], data: Mapping[Request, str] = NO_DATA
) -> dict[Config, list[Record]]:
    """The records of each lane, as `open_lookup` finds them."""
    return open_lookup(records, data)(lanes)


def open_lookup(records: Iterable[Record], data: Mapping[Request, str] = NO_DATA) -> Lookup:
    """What finds the records of lanes, oldest first, by their configs; of another origin too.

    Files of one's own are known by the fingerprint that `data` has of what is asked for, wherever
    they lay: records of it are given as of the lane's path. Where there are none, or the
    fingerprint is not known, those of the very path are the lane's.
    """
    of_seed: dict[int, list[Record]] = {}
    for record in records:
        of_seed.setdefault(record.seed, []).append(record)
    keys: dict[Config, tuple[str, str | None]] = {}

    @functools.cache  # keys take most of the time: they are made of the seeds that are asked for
    def key_records(seed: int) -> dict[str, list[Record]]:
        by_key: dict[str, list[Record]] = {}
        for record in of_seed[seed]:
            by_key.setdefault(_pathless_key(record.config), []).append(record)
        return by_key

    def find_one(lane: Config) -> list[Record]:
        if lane.seed not in of_seed:
            return []
        arm = with_seed(lane, 0)  # lanes of one arm share its key
        if arm not in keys:
            keys[arm] = _pathless_key(to_json(arm)), data.get(request_of(arm))
        key, fingerprint = keys[arm]
        own = sorted(key_records(lane.seed).get(key, ()), key=_date)
        alike = []
        if fingerprint is not None:
            alike = [record for record in own if origin_of(record).get("data") == fingerprint]
        if not alike:
            alike = [record for record in own if _dataset_of(record.config) == lane.dataset]
        return [_as_of(record, lane.dataset) for record in alike]

    return lambda lanes: {lane: find_one(lane) for lane in lanes}


def _as_of(record: Record, dataset: str) -> Record:
    if _dataset_of(record.config) == dataset:
        return record
    return record._replace(config={**record.config, "dataset": dataset})


def _pathless_key(config: Mapping[str, Any]) -> str:
    """What records of one arm share besides their data, where these are files of one's own."""
    return arm_key({**config, "dataset": without_path(_dataset_of(config))})


def _dataset_of(config: Mapping[str, Any]) -> str:
    return config.get("dataset", KNOBS["dataset"].default)


def _date(record: Record) -> str:
    return record.provenance.get("date", "")


def list_complete(
    lanes: Sequence[Config],
    records: Iterable[Record],
    mix: Collection[str] = (),
    data: Mapping[Request, str] = NO_DATA,
) -> list[Stock]:
    """The origins under which every lane has a record, newest first.

    What `mix` names may differ within one. Each data set has one fingerprint in it: that in
    `data`, if it is there; and each file from outside one hash.
    """
    found = find_lanes(lanes, records, data)
    complete = [
        stock
        for versions in _list_versions(found)
        for stock in _list_of_versions(lanes, found, versions, mix)
    ]
    return sorted(complete, key=lambda stock: stock.date, reverse=True)


def _list_versions(found: Mapping[Config, Sequence[Record]]) -> Iterator[dict[str, str]]:
    """Every choice of one hash for each file from outside, of those that records used together."""
    used: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for record in (record for own in found.values() for record in own):
        hashes = origin_of(record).get("plugins") or {}
        known = used.setdefault(tuple(sorted(hashes)), [])
        if hashes not in known:
            known.append(hashes)
    for chosen in itertools.product(*used.values()):
        versions = {name: value for hashes in chosen for name, value in hashes.items()}
        if all(hashes.items() <= versions.items() for hashes in chosen):
            yield versions


def _list_of_versions(
    lanes: Sequence[Config], found: Mapping[Config, Sequence[Record]],
    versions: Mapping[str, str], mix: Collection[str],
) -> list[Stock]:  # fmt: skip
    """The origins that are complete with these versions of files from outside."""
    left_out = {*BY_ARM, *list_mixed(mix)}
    asked: dict[Request, set[Config]] = {}
    for lane in lanes:
        asked.setdefault(request_of(lane), set()).add(lane)
    stocks: dict[str, dict[Any, dict[Config, Record]]] = {}
    for lane, candidates in found.items():
        for record in candidates:  # the newest of each stays
            origin = origin_of(record)
            if not (origin.get("plugins") or {}).items() <= versions.items():
                continue
            key = json.dumps(without(origin, left_out), sort_keys=True)
            read = (request_of(lane), origin.get("data"), origin.get("feed"))
            stocks.setdefault(key, {}).setdefault(read, {})[lane] = record
    complete = []
    for key, by_data in stocks.items():
        whole: dict[Config, Record] = {}
        for part in sorted(by_data.values(), key=lambda part: max(map(_date, part.values()))):
            if asked[request_of(next(iter(part)))] <= set(part):
                whole |= part
        if set(lanes) <= set(whole):
            chosen = [whole[lane] for lane in dict.fromkeys(lanes)]
            complete.append(Stock(key, chosen, max(map(_date, chosen))))
    return complete


def find_alike(
    lanes: Iterable[Config],
    origins: Mapping[Config, Mapping[str, Any]],
    records: Iterable[Record],
    mix: Collection[str],
) -> dict[Config, Record]:
    """The newest record of each lane whose origin differs from the lane's in `mix` alone."""
    found = {}
    data = {request_of(lane): own["data"] for lane, own in origins.items()}
    for lane, candidates in find_lanes(lanes, records, data).items():
        for record in candidates:
            own = {**origins[lane], "former_knobs": {}}
            if not compare([own, origin_of(record)], mix):
                found[lane] = record
    return found


def compare_arms(
    arms: Sequence[tuple[Request, Sequence[Record]]], mix: Collection[str]
) -> tuple[list[str], tuple[str, ...]]:
    """In what the runs of a study's arms differ: what must not, and what `mix` allows.

    An arm is the data that it asks for and its records. Arms that ask for the same must have had
    the same; how many devices train in step or share a batch, each arm may choose.
    """
    origins = [[origin_of(record) for record in records] for _, records in arms]
    shared = [without(own, BY_ARM) for owns in origins for own in owns]
    data: dict[Request, list[dict[str, Any]]] = {}
    different = compare(shared, mix)
    for (request, _), owns in zip(arms, origins, strict=True):
        data.setdefault(request, []).extend(
            {name: own.get(name) for name in ("feed", "data")} for own in owns
        )
        devices = ("num_devices", "batch_shares")
        different += compare([{name: own.get(name) for name in devices} for own in owns], mix)
    different += [line for fields in data.values() for line in compare(fields)]
    different += compare([{"plugins": own.get("plugins")} for owns in origins for own in owns])
    mixed = [line for line in compare(shared) if line not in different]
    return list(dict.fromkeys(different)), tuple(mixed)


def describe(stock: Stock) -> str:
    """An origin in a few words: platform, device, program, versions, date."""
    origin = json.loads(stock.origin)
    versions = ", ".join(" ".join(pair) for pair in origin.get("versions", {}).items())
    facts = [origin.get(name) for name in ("platform", "device_kind", "cpu")]
    words = " ".join(dict.fromkeys(str(fact) for fact in facts if fact))
    return f"{words or stock.origin}, program {origin.get('program')}, {versions}, of {stock.date}"
