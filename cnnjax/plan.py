"""What a study would run and what its seeds could detect, before anything is trained."""

from typing import NamedTuple

from cnnjax import config as config_lib
from cnnjax import cost, stats
from cnnjax.config import Config
from cnnjax.study import Study, make_arms


def warn_of_seeds(study: Study, num_seeds: int) -> list[str]:
    """One line a claim that so few seeds can never decide."""
    return [
        f"claim {claim.id}: {num_seeds} seeds can reach p = {stats.smallest_p(num_seeds):.3g} at"
        f" best, and {len(claim.comparisons)} comparisons need"
        f" {stats.ALPHA / len(claim.comparisons):.3g}: nothing can be supported or refuted"
        for claim in study.claims
        if stats.smallest_p(num_seeds) >= stats.ALPHA / len(claim.comparisons)
    ]


class Plan(NamedTuple):
    """What a study would run."""

    num_groups: int
    num_lanes: int
    arms: dict[str, cost.Cost]
    training_macs: float  # of all lanes: forward and backward, three times the forward pass
    state_bytes: int  # parameters and optimiser state of all lanes of the largest group


def make_plan(
    study: Study, base: Config, num_seeds: int, image_shape: tuple[int, int, int], num_classes: int
) -> Plan:
    """What would run, from shapes alone. Raises ConfigError where an arm's network cannot be."""
    configs = {name: config_lib.override(base, arm) for name, arm in make_arms(study, base).items()}
    costs = {
        name: cost.measure(config, image_shape, num_classes) for name, config in configs.items()
    }
    return Plan(
        num_groups=len({config_lib.structure_of(config) for config in configs.values()}),
        num_lanes=len(configs) * num_seeds,
        arms=costs,
        training_macs=sum(
            3.0 * costs[name].macs * config.batch_size * config.steps * num_seeds
            for name, config in configs.items()
        ),
        state_bytes=max(
            4 * costs[name].parameters * count_copies(config) * num_seeds
            for name, config in configs.items()
        ),
    )


def count_copies(config: Config) -> int:
    """Arrays of the size of the parameters: themselves, gradients and averages."""
    averages = {"sgd": 0, "adam": 2, "adamw": 2, "lamb": 2}.get(config.optimizer, 1)
    return 2 + averages + (config.ema_decay > 0)
