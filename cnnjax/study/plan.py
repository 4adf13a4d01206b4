"""What a study would run and what its seeds could detect, before anything is trained."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from cnnjax.config.config import Config, request_of, structure_of
from cnnjax.config.datasets import Request
from cnnjax.networks import cost
from cnnjax.study import claims
from cnnjax.study.claims import Study


class Plan(NamedTuple):
    """What a study would run."""

    num_groups: int
    num_lanes: int
    num_tuning_lanes: int  # of them, before the arms' own seeds
    arms: dict[str, cost.Cost]
    training_macs: float  # of all lanes: forward and backward, three times the forward pass
    state_bytes: int  # parameters and optimiser state of all lanes of the largest group


Infos = Mapping[Request, tuple[tuple[int, int, int], int]]  # image shape and classes by data


def make_plan(study: Study, base: Config, num_seeds: int, infos: Infos) -> Plan:
    """What would run, from shapes alone. Raises ConfigError where an arm's network cannot be."""
    configs = {
        name: claims.make_arm_config(study, base, name, arm)
        for name, arm in claims.make_arms(study, base).items()
    }
    tuning = claims.make_tuning_lanes(study, base)
    lanes = [*claims.make_lanes(study, base, num_seeds), *tuning]
    groups = Counter(structure_of(config) for config in lanes)
    costs = {
        structure: cost.measure(structure, *infos[request_of(structure)]) for structure in groups
    }
    return Plan(
        num_groups=len(groups),
        num_lanes=len(lanes),
        num_tuning_lanes=len(tuning),
        arms={name: costs[structure_of(config)] for name, config in configs.items()},
        training_macs=sum(
            3.0 * costs[structure].macs * structure.batch_size * structure.steps * count
            for structure, count in groups.items()
        ),
        state_bytes=max(
            4 * costs[structure].parameters * count_copies(structure) * count
            for structure, count in groups.items()
        ),
    )


def count_copies(config: Config) -> int:
    """Arrays of the size of the parameters: themselves, gradients and averages."""
    averages = {"sgd": 0, "adam": 2, "adamw": 2, "lamb": 2}.get(config.optimizer, 1)
    return 2 + averages + (config.ema_decay > 0)
