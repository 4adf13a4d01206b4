"""A study as data: what is claimed, and the arms and lanes that try it. Imports no JAX."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from cnnjax import config as config_lib
from cnnjax.config import Config
from cnnjax.knobs import ConfigError, format_value

Overrides = Mapping[str, Any]  # Config fields of an arm, by name


class Comparison(NamedTuple):
    """One comparison of a claim. A side is every arm whose overrides contain it, averaged."""

    a: Overrides
    b: Overrides
    relation: Literal[">", "=", "!="]  # a is said to be better than b, as good, or not as good
    predicted: str  # written before any run


class Claim(NamedTuple):
    """A statement to be judged; its first comparison is the headline."""

    id: str
    statement: str
    comparisons: tuple[Comparison, ...]
    tried_as: str = ""  # what is tried, where the statement itself cannot be


class Study(NamedTuple):
    """Claims, and the grid of arms that tries them on one base Config."""

    name: str
    question: str
    base: Overrides  # Config fields that every arm shares
    grid: Mapping[str, tuple[Any, ...]]  # knob -> values; an arm is one combination
    claims: tuple[Claim, ...]
    margin: float = 0.005  # differences of accuracy below this do not matter
    metric: str = "test_accuracy"
    adjustment: Literal["holm", "benjamini-hochberg"] = "holm"  # of p values, within a claim


def name_arm(overrides: Overrides) -> str:
    """Such as 'pool=max padding=SAME'."""
    return " ".join(f"{key}={format_value(value)}" for key, value in overrides.items())


def make_base(study: Study, given: Overrides) -> Config:
    """The base Config under the flags given. Raises ConfigError on a flag that the study varies."""
    for name in given:
        if name in study.grid:
            values = ", ".join(map(format_value, study.grid[name]))
            raise ConfigError(
                f"--{name} cannot be set here: study {study.name} varies it over {values};"
                " for a grid of your own use python -m experiments.ablate"
            )
    return config_lib.make_config({**study.base, **given})


def make_arms(study: Study, base: Config) -> dict[str, Overrides]:
    """The overrides of every arm, by name. Raises ConfigError where an arm cannot be."""
    return {name_arm(arm): arm for arm in config_lib.expand_grid(base, study.grid)}


def make_lanes(study: Study, base: Config, num_seeds: int) -> list[Config]:
    """Every arm with every seed from 0 up."""
    return [
        replace(config_lib.override(base, overrides), seed=seed)
        for overrides in make_arms(study, base).values()
        for seed in range(num_seeds)
    ]


def make_factorial_claims(grid: Mapping[str, tuple[Any, ...]]) -> tuple[Claim, ...]:
    """For a free grid: each level of each knob against the first, averaged over the others."""
    comparisons = tuple(
        Comparison({knob: values[0]}, {knob: value}, "!=", "none")
        for knob, values in grid.items()
        for value in values[1:]
    )
    return (Claim("ablation", "The choice makes a difference.", comparisons),)


def select(arms: Mapping[str, Overrides], side: Overrides) -> list[str]:
    """The names of the arms that a comparison's side covers."""
    return [name for name, arm in arms.items() if side.items() <= arm.items()]
