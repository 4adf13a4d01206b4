"""A study of a free grid: every combination, each value or each arm compared. Imports no JAX."""

import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from cnnjax.config import epochs, hints
from cnnjax.config.config import find_knob
from cnnjax.config.knobs import ConfigError, parse_value
from cnnjax.study import metrics
from cnnjax.study.claims import (
    GRID,
    VALIDATION,
    Choosing,
    Claim,
    Comparison,
    Overrides,
    Study,
    cross,
    make_factorial_claims,
    name_arm,
)

Grid = Mapping[str, tuple[Any, ...]]  # knob -> values


def make_study(
    grid: Grid, metric: str = "test_accuracy", baseline: Overrides | None = None,
    choose: bool = False,
) -> Study:  # fmt: skip
    """The study of a grid: each value against the first, or with a baseline each arm against it.

    With `choose` these comparisons are by validation accuracy, and the best arm is then compared
    with the baseline, or else with the first arm, on fresh seeds by `metric`.
    """
    arms = cross(grid)
    claims = make_factorial_claims(grid) if baseline is None else compare_with(baseline, arms)
    return Study(
        name=GRID,
        question=f"What does the choice of {' and '.join(grid)} change?",
        base={},
        arms=arms,
        claims=claims,
        metric=metric,
        adjustment="benjamini-hochberg",
        choosing=Choosing(arms[0] if baseline is None else baseline) if choose else None,
    )


def compare_with(baseline: Overrides, arms: Sequence[Overrides]) -> tuple[Claim, ...]:
    """Every other arm against one."""
    pairs = (Comparison(arm, baseline, "!=", "none") for arm in arms if arm != baseline)
    statement = f"The choice makes a difference to {name_arm(baseline)}."
    return (Claim("baseline", statement, tuple(pairs), parts=0),)


def find_arm(grid: Grid, name: str) -> Overrides:
    """The arm of that name, its knobs in any order. Raises ConfigError, with the nearest one."""
    arms = {name_arm(arm): arm for arm in cross(grid)}
    found = arms.get(name) or find_combination(grid, _parse_name(grid, name))
    if found is None:
        meant = hints.find_meant(name, arms) or next(iter(arms))
        raise ConfigError(f'--baseline="{name}" is no arm of the grid: did you mean "{meant}"?')
    return found


def find_combination(grid: Grid, values: Overrides) -> Overrides | None:
    """The combination that has these values, its knobs in the order of the grid; None for none."""
    return next((arm for arm in cross(grid) if arm == values), None)


def _parse_name(grid: Grid, name: str) -> dict[str, Any]:
    """The values in a name such as 'pool=max padding=SAME', without those that cannot be.

    A value may hold blanks: a knob of the grid begins where its name does.
    """
    values = {}
    for part in re.split(rf"\s+(?=(?:{'|'.join(map(re.escape, grid))})\s*=)", name.strip()):
        knob, _, text = (own.strip() for own in part.partition("="))
        with contextlib.suppress(ConfigError):
            values[knob] = (
                epochs.parse(text) if knob == epochs.NAME else parse_value(find_knob(knob), text)
            )
    return values


def check_metric(name: str, choose: bool = False) -> None:
    """Raises ConfigError unless a study may compare by that metric, with the nearest right name."""
    try:
        metrics.find(name)
    except ConfigError as error:
        raise ConfigError(f"--metric={name}: {error}") from None
    if choose and name == VALIDATION:
        raise ConfigError(
            f"--choose=validation chooses by {name} and compares by another metric: leave"
            f" --metric={name} out"
        )
