"""The arms of a study with what their runs scored and cost. Reads records only."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cnnjax.config.config import Config, to_json
from cnnjax.records.address import arm_key
from cnnjax.records.record import Record
from cnnjax.study import metrics, statistics
from cnnjax.study.arms import make_configs
from cnnjax.study.claims import Overrides, Side, Study, name_arms, select, sides_of


class Arm(NamedTuple):
    """One combination of a study's choices, with its runs and their cost."""

    name: str
    overrides: Overrides
    config: Config  # with the settings that tuning chose
    records: tuple[Record, ...]  # one a seed, in order of seed
    mean: float  # of the runs that did not fail; NaN where all did
    interval: tuple[float, float]  # 95%, Student's t over seeds
    test_error: float | None  # of a share: standard error from the size of the test set alone
    num_failed: int
    is_control: bool

    @property
    def cost(self) -> dict[str, Any]:
        """Parameters, MACs and sizes: the same for every seed."""
        return self.records[0].cost


def summarise(study: Study, base: Config, records: Sequence[Record]) -> dict[str, Arm]:
    """Every arm of the study with its own among the records, by name.

    Raises ValueError where an arm has no records, or a seed twice.
    """
    by_arm: dict[str, list[Record]] = {}
    for record in records:
        by_arm.setdefault(arm_key(record.config), []).append(record)
    overrides = name_arms(study)
    return {
        name: _summarise_arm(study, name, overrides[name], config, by_arm)
        for name, config in make_configs(study, base).items()
    }


def _summarise_arm(
    study: Study, name: str, overrides: Overrides, config: Config,
    by_arm: Mapping[str, Sequence[Record]],
) -> Arm:  # fmt: skip
    own = by_arm.get(arm_key(to_json(config)), ())
    own = sorted(own, key=lambda record: record.seed)
    for one, other in itertools.pairwise(own):
        if one.seed == other.seed:
            raise ValueError(
                f"study {study.name}: arm {name} has seed {one.seed} twice, in records {one.id} and"
                f" {other.id}: judge one of the two"
            )
    if not own:
        raise ValueError(f"study {study.name}: no records of arm {name}")
    scores = np.array([metrics.find(study.metric).read(record) for record in own])
    sound = scores[np.isfinite(scores)]
    mean, size = float(sound.mean()) if len(sound) else math.nan, own[0].scores["num_test_examples"]
    return Arm(
        name=name,
        overrides=overrides,
        config=config,
        records=tuple(own),
        mean=mean,
        interval=statistics.mean_interval(sound),
        test_error=math.sqrt(mean * (1 - mean) / size) if study.metric == "test_accuracy" else None,
        num_failed=sum(record.failed for record in own),
        is_control=any(control.items() <= overrides.items() for control in study.controls),
    )


def find_arms(arms: Mapping[str, Arm], side: Side) -> list[Arm]:
    """The arms that a side of a comparison rests on."""
    overrides = {name: arm.overrides for name, arm in arms.items()}
    parts = sides_of(side)
    return [arms[name] for part in parts for name in select(overrides, part)]


COSTS = {
    "parameters": "parameters",
    "macs": "MACs",
    "receptive_field": "receptive field",
    "map_shape": "last map",
}


def find_confounds(a: Sequence[Arm], b: Sequence[Arm]) -> list[str]:
    """What differs between two sides besides the choice."""
    found = []
    for key, words in COSTS.items():
        left, right = (_describe_cost([arm.cost[key] for arm in side]) for side in (a, b))
        if a and b and left != right:
            found.append(f"differ in {words}: {left} against {right}")
    return found


def _describe_cost(values: Sequence[Any]) -> str:
    words = [
        "x".join(map(str, v)) if isinstance(v, list) else "whole image" if v is None else f"{v:,}"
        for v in values
    ]
    return " / ".join(dict.fromkeys(words))
