"""Where numbers come from besides a Config, field by field. Imports no JAX."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple


class Origin(NamedTuple):
    """All that can change a lane's numbers besides its Config. None where it plays no part."""

    platform: str  # cpu, gpu or tpu
    device_kind: str
    runtime: str  # release of the platform's own libraries, in its words
    cpu: str | None  # the processor that XLA compiles for, on a CPU
    cpu_features: list[str] | None  # its instructions for arithmetic
    cpu_threads: int | None  # among which XLA divides products, and so their sums
    num_devices: int | None  # where lanes train in step: XLA compiles products for their number
    settings: dict[str, Any]  # of JAX, but for those that change no number and those that are off
    flags: dict[str, str]  # of XLA and the libraries below it, as the environment has them
    versions: dict[str, str]  # of packages
    program: str  # hash of our own code
    data: str  # fingerprint
    feed: str  # memory or stream, where --feed=auto left it to the machine
    plugins: dict[str, str] | None = None  # hash of each file from outside that the lane uses
    start: str | None = None  # hash of the weights that --init_from has in place of drawn ones
    batch_shares: int = 1  # in which devices sum each batch, where one would give other bits


_CPU = ("cpu", "cpu_features", "cpu_threads")
# What --mix allows to differ, by name: with another platform the packages that only one has, too.
MIXABLE: Mapping[str, tuple[str, ...]] = {
    "cpu": _CPU,
    "device": ("platform", "device_kind", "runtime", "num_devices", "batch_shares", *_CPU),
}
# Packages that are an accelerator's own.
ACCELERATOR = re.compile("jax-(cuda|rocm)|nvidia-|libtpu|jaxlib-")
# What the arms of a study may choose.
BY_ARM = ("data", "feed", "num_devices", "batch_shares", "plugins", "start")
# The fields of a record that was written when its origin was a sentence.
FORMER = {
    "platform": "platform",
    "device_kind": "device",
    "versions": "packages",
    "program": "program_version",
    "data": "data_fingerprint",
}


def read(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """The origin of a record, from its provenance; of an older one what it says of it."""
    found = provenance["origin"]
    if isinstance(found, Mapping):
        return dict(found)
    known = {field: provenance[key] for field, key in FORMER.items() if key in provenance}
    return known or {"origin": found}


def without(origin: Mapping[str, Any], fields: Collection[str]) -> dict[str, Any]:
    """The origin but for some fields; without its platform, without what that alone installs."""
    kept = {name: value for name, value in origin.items() if name not in fields}
    if "platform" in fields and isinstance(kept.get("versions"), Mapping):
        versions = kept["versions"].items()
        kept["versions"] = {name: own for name, own in versions if not ACCELERATOR.match(name)}
    return kept


def list_mixed(mix: Collection[str]) -> set[str]:
    """The fields that may differ under these names of `MIXABLE`."""
    return {field for name in mix for field in MIXABLE[name]}


def compare(origins: Sequence[Mapping[str, Any]], mix: Collection[str] = ()) -> list[str]:
    """What differs, a line a field, such as 'device_kind: A against B'; nothing where all agree.

    `mix` are names of `MIXABLE` whose fields may differ. A field that is None plays no part; one
    that some origins lack differs, for they do not say what it was. A plug-in that not all use may
    be there; those who do must have used the same.
    """
    flat = [_flatten(without(origin, list_mixed(mix))) for origin in origins]
    lines = []
    for name in dict.fromkeys(name for one in flat for name in one):
        lacking = None if name.partition(" ")[0] == "plugins" else "not recorded"
        values = [one.get(name, lacking) for one in flat]
        texts = dict.fromkeys(_describe(value, values) for value in values if value is not None)
        if len(texts) > 1:
            lines.append(f"{name}: {' against '.join(texts)}")
    return lines


def find_way(origins: Sequence[Mapping[str, Any]], mix: Collection[str] = ()) -> str | None:
    """The name of `MIXABLE` that lets all differ as they do, beside `mix`; None where none does."""
    return next((name for name in MIXABLE if not compare(origins, [*mix, name])), None)


def _flatten(origin: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that are mappings by the names within them, such as 'versions jax'."""
    flat: dict[str, Any] = {}
    for name, value in origin.items():
        if isinstance(value, Mapping):
            flat |= {f"{name} {key}": item for key, item in value.items()}
        else:
            flat[name] = value
    return flat


def _describe(value: object, values: Sequence[object]) -> str:
    """A value as it is told from others: a list by what not all have."""
    if not isinstance(value, list):
        return str(value)
    shared = set.intersection(*(set(other) for other in values if isinstance(other, list)))
    return ", ".join(str(item) for item in value if item not in shared) or "without"
