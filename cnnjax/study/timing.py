"""How long a study would take, by records that are there, or by what was just measured: nothing is
assumed of a machine.
"""  # fmt: skip

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from cnnjax.config.config import KNOBS, Config, to_json
from cnnjax.records import origin
from cnnjax.records.address import read_knobs
from cnnjax.records.record import Record

NEWEST = 2_000  # records that are read: the newest tell best how fast the program is now
# Knobs on which the examples a second do not depend.
UNTIMED = frozenset(
    {"steps", "eval_every", "warmup_steps", "patience"}
    | {name for name in KNOBS if KNOBS[name].traced}
)
MACHINE = ("platform", "device_kind", "cpu")  # fields of an origin


class Group(NamedTuple):
    """The lanes of one compiled program."""

    structure: Config
    macs: int  # of its network, an image
    num_lanes: int
    all_steps: int | None = None  # of all lanes; None where each takes those of its schedule

    @property
    def num_steps(self) -> int:
        """How many steps its lanes take together, at most."""
        whole = self.structure.steps * self.num_lanes
        return whole if self.all_steps is None else self.all_steps

    @property
    def num_examples(self) -> int:
        """How many training examples its lanes see."""
        return self.structure.batch_size * self.num_steps


class Speed(NamedTuple):
    """How fast a group ran."""

    macs: int  # of its network, an image
    examples_per_second: float
    compile_seconds: float


class Timing(NamedTuple):
    """How long groups would take."""

    training_seconds: float
    compile_seconds: float  # of all programs, as if one after another
    num_alike: int  # groups with records of the same program; others by the nearest network's MACs
    num_records: int  # 0 where it was just measured
    num_devices: int = 1  # that all of this takes
    by_group: tuple[float, ...] = ()  # seconds of training of each group


def estimate(
    groups: Iterable[Group],
    records: Iterable[Record],
    machine: Mapping[str, Any],
    num_devices: int,
) -> Timing | None:
    """How long groups would take on a machine, by what other runs took there; None without any.

    `machine` has the fields of an origin. A group is as fast as the median of the records of its
    program, however many steps they took; one that has none as the group whose network comes
    nearest in multiply-accumulates (MACs), by their ratio. How many lanes trained beside it a
    record does not say: many of them may be faster in all than few.
    """
    found: dict[str, list[Speed]] = {}
    for record in records:
        own = origin.read(record.provenance)
        here = all(own.get(name) == machine.get(name) for name in MACHINE)
        if here and record.provenance.get("num_devices") == num_devices:
            speed = _read_speed(record.cost)
            if speed is not None:
                found.setdefault(_program_key(record.config), []).append(speed)
    if not found:
        return None
    speeds = {key: _median(own) for key, own in found.items()}
    chosen, num_alike, groups = [], 0, list(groups)
    for group in groups:
        speed = speeds.get(_program_key(to_json(group.structure)))
        if speed is None:
            speed = min(speeds.values(), key=lambda own: _distance(own.macs, group.macs))
            ratio = max(group.macs, 1) / max(speed.macs, 1)
            speed = speed._replace(examples_per_second=speed.examples_per_second / ratio)
        else:
            num_alike += 1
        chosen.append(speed)
    num_records = sum(map(len, found.values()))
    return sum_up(groups, chosen, num_devices)._replace(
        num_alike=num_alike, num_records=num_records
    )


def sum_up(groups: Sequence[Group], speeds: Sequence[Speed], num_devices: int) -> Timing:
    """How long groups take, each as fast as its speed says; taken for just measured."""
    by_group = tuple(
        group.num_examples / speed.examples_per_second
        for group, speed in zip(groups, speeds, strict=True)
    )
    compiling = sum(speed.compile_seconds for speed in speeds)
    return Timing(sum(by_group), compiling, len(by_group), 0, num_devices, by_group)


def _read_speed(cost: Mapping[str, Any]) -> Speed | None:
    """A record's speed; None where it does not say it, as one of another time may not."""
    if not cost.get("examples_per_second"):
        return None
    return Speed(cost["macs"], cost["examples_per_second"], cost.get("compile_seconds") or 0.0)


def _median(speeds: Sequence[Speed]) -> Speed:
    return Speed(
        speeds[0].macs,
        statistics.median(speed.examples_per_second for speed in speeds),
        statistics.median(speed.compile_seconds for speed in speeds),
    )


def _distance(one: int, other: int) -> float:
    return abs(math.log(max(one, 1) / max(other, 1)))


def _program_key(config: Mapping[str, Any]) -> str:
    """What runs of one program share, from the JSON of their configs, however long they trained."""
    values = read_knobs(config)
    return json.dumps({name: values.get(name) for name in KNOBS if name not in UNTIMED})
