"""Whether a study can be: its fields, its knobs, what its claims compare. Imports no JAX."""

import contextlib
import math
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cnnjax.config import fitting, hints, knobs
from cnnjax.config.config import KNOBS
from cnnjax.config.datasets import Request
from cnnjax.config.epochs import NAME as EPOCHS
from cnnjax.config.epochs import read
from cnnjax.config.errors import ConfigError
from cnnjax.study.arms import list_metrics
from cnnjax.study.claims import (
    METHODS,
    SETTING,
    SETTINGS,
    Claim,
    Overrides,
    Slope,
    Study,
    name_arm,
    name_arms,
    select,
    sides_of,
)  # fmt: skip
from cnnjax.study.methods import find_method
from cnnjax.study.space import check_knob

OF_VALIDATION = "validation_"  # how metrics of that split begin
FEWEST_OF_RACE = 5  # its first look is at fewer


def check_study(study: Study) -> None:
    """Raises ConfigError where a study cannot be, whatever is declared besides.

    Where a field is of another type than it says, where a comparison, a control or a published
    figure covers no arm, where steps and epochs are both given.
    """
    own = f"study {study.name}"
    check_fields(study, own)
    arms = name_arms(study)
    if not arms:
        raise ConfigError(f"{own} has no arm")
    if len(arms) != len(study.arms):
        raise ConfigError(f"{own} has an arm twice")
    ids = [claim.id for claim in study.claims]
    if twice := [id for id in ids if ids.count(id) > 1]:
        raise ConfigError(f"{own} has a claim {twice[0]} twice")
    _check_length(study, own)
    _check_search(study, own)
    for of, overrides in _list_parts(study):
        if not select(arms, overrides):
            raise ConfigError(f"{of}: no arm has {name_arm(overrides)}")
    for claim in study.claims:
        _check_claim(claim, arms, f"{own}: claim {claim.id}")


def check_names(study: Study) -> None:
    """Raises ConfigError where a knob, a value or a metric is none that there is."""
    from cnnjax.study import metrics  # imports NumPy, for which --help need not wait

    own = f"study {study.name}"
    for of, values in _list_values(study):
        for name, value in values.items():
            with _said_of(of):
                _check_value(name, value)

    with _said_of(own):
        for name in list_metrics(study):
            metrics.find(name)
    _check_choice(study, own)


@contextlib.contextmanager
def _said_of(whose: str) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{whose}: {error}") from None


def _check_value(name: str, value: Any) -> None:
    if name == EPOCHS:
        read(value)
    elif name == SETTING:
        if value not in SETTINGS:
            hint = hints.suggest(str(value), SETTINGS, f"give one of {', '.join(SETTINGS)}")
            raise ConfigError(f"{SETTING}={value} is none: {hint}")
    elif name not in KNOBS:
        hint = hints.suggest(name, KNOBS, "cnnjax --help lists them")
        raise ConfigError(f"{name} is no knob: {hint}")
    elif name != "dataset":  # which may be a path from where it will run
        knobs.check_value(KNOBS[name], value)


def check_fields(thing: Any, of: str) -> None:
    """Raises ConfigError where a field of a NamedTuple, or of one in it, is of another type."""
    for name, hint in typing.get_type_hints(type(thing)).items():
        value = getattr(thing, name)
        if not fitting.fits(value, hint):
            said = f"{value!r}"
            said = said if len(said) < 60 else f"{said[:57]}..."
            raise ConfigError(f"{of}: {name}={said}: give {fitting.describe(hint)}")
        rows = value if isinstance(value, (tuple, list)) and not fitting.is_row(value) else [value]
        for number, row in enumerate(rows, start=1):
            if fitting.is_row(row):
                inner = f"{of}: {name}" if row is value else f"{of}: {_name(row, number)}"
                check_fields(row, inner)


def _name(row: Any, number: int) -> str:
    return f"claim {row.id}" if isinstance(row, Claim) else f"{type(row).__name__} {number}"


def _check_length(study: Study, own: str) -> None:
    """Steps and epochs are one choice."""
    if EPOCHS in study.base:
        raise ConfigError(f"{own}: {EPOCHS} is none of its base: Study(epochs=...)")
    grid = study.tuning.knobs if study.tuning else ()
    for arm in study.arms:
        given = {name for name in ("steps", EPOCHS) if name in arm or name in grid}
        if len(given) > 1 or "steps" in given and study.epochs is not None:
            raise ConfigError(
                f"{own}: arm {name_arm(arm)} has steps and epochs, which both say how long a run"
                " is: give one of the two"
            )


def _check_choice(study: Study, own: str) -> None:
    """What a study chooses by: more of it is better, and it is none of what judges the choice."""
    for choice in (study.tuning, study.choosing):
        if choice and not choice.metric.startswith(OF_VALIDATION):
            raise ConfigError(
                f"{own}: {type(choice).__name__}(metric={choice.metric!r}) would choose by what is"
                f" not of the validation split: give a metric whose name begins with"
                f" {OF_VALIDATION}, such as validation_accuracy or validation_area, of which the"
                " highest is taken"
            )


def _check_search(study: Study, own: str) -> None:
    """Of a search what its arms say of it, and that it can be."""
    search = study.tuning.search if study.tuning else None
    named = [arm for arm in study.arms if SETTING in arm]
    if search is None:
        if named:
            raise ConfigError(f"{own}: arm {name_arm(named[0])} has no Tuning(search=...)")
        return
    if study.tuning and study.tuning.grid:
        raise ConfigError(f"{own}: its tuning has a grid and a search: give one of the two")
    if not search.space or search.method not in METHODS:
        raise ConfigError(f"{own}: its search needs a space, and a method of {', '.join(METHODS)}")
    if search.trials < 1 or search.batch < 1:
        raise ConfigError(f"{own}: its search has trials={search.trials}, batch={search.batch}")
    methods = {find_method(study, arm) for arm in study.arms}
    if search.race and methods & {"tpe", "halving"}:
        raise ConfigError(f"{own}: a race is of settings that are all known: random or halton")
    for name in search.space:
        with _said_of(own):
            check_knob(name)
        if "tpe" in methods and name in Request._fields and not search.space[name].choices:
            raise ConfigError(
                f"{own}: tpe may propose any {name}, each of which reads its data anew: name a few"
                " values, or take another method"
            )
    if "steps" in search.space and "halving" in methods:
        raise ConfigError(f"{own}: halving compares runs of one length: leave steps out")
    if search.race and study.tuning and len(study.tuning.seeds) < FEWEST_OF_RACE:
        raise ConfigError(f"{own}: a race needs {FEWEST_OF_RACE} seeds a trial on average, or more")


def _check_claim(claim: Claim, arms: Mapping[str, Overrides], of: str) -> None:
    if not claim.comparisons:
        raise ConfigError(f"{of} has no comparison")
    if not 0 <= claim.parts <= len(claim.comparisons):
        raise ConfigError(f"{of}: parts={claim.parts} of {len(claim.comparisons)} comparisons")
    for comparison in claim.comparisons:
        for number in (comparison.margin, comparison.threshold):
            if number is not None and not math.isfinite(number):
                raise ConfigError(f"{of}: {number} is no number to compare with")
        for side in (comparison.a, comparison.b):
            if isinstance(side, Slope):
                _check_slope(side, [arms[name] for name in select(arms, side.of)], of)


def _check_slope(side: Slope, arms: Sequence[Overrides], of: str) -> None:
    knob = KNOBS.get(side.knob)
    if knob is None or knob.type not in (int, float):
        hint = "name arms by their steps" if side.knob == EPOCHS else "name a knob that is a number"
        raise ConfigError(f"{of}: a slope over {side.knob} cannot be: {hint}")
    levels = {arm.get(side.knob, 0) for arm in arms}
    if side.levels and not levels.issuperset(side.levels):
        raise ConfigError(f"{of}: a slope over {side.knob}: no arm has one of {side.levels}")
    levels = set(side.levels) or levels
    if len(levels) < 2 or not all(fitting.fits(level, float) and level > 0 for level in levels):
        raise ConfigError(
            f"{of}: a slope over {side.knob} needs arms that set it, at two levels > 0 or more"
        )


def _list_parts(study: Study) -> Iterator[tuple[str, Overrides]]:
    """What must cover an arm, and whose it is."""
    own = f"study {study.name}"
    yield from ((f"{own}: controls", control) for control in study.controls)
    yield from ((f"{own}: published", published.arm) for published in study.published)
    if study.choosing:
        yield f"{own}: baseline", study.choosing.baseline
    for claim in study.claims:
        for comparison in claim.comparisons:
            for side in (comparison.a, comparison.b):
                yield from ((f"{own}: claim {claim.id}", part) for part in sides_of(side))


def _list_values(study: Study) -> Iterator[tuple[str, Overrides]]:
    """What gives values to knobs, and whose it is."""
    own = f"study {study.name}"
    yield f"{own}: base", study.base
    yield own, {} if study.epochs is None else {EPOCHS: study.epochs}
    for arm in study.arms:
        yield f"{own}: arm {name_arm(arm)}", arm
    grid = study.tuning.grid if study.tuning else {}
    yield from ((f"{own}: tuning", {name: value}) for name in grid for value in grid[name])
    space = study.tuning.search.space if study.tuning and study.tuning.search else {}
    yield from ((f"{own}: search", {name: value}) for name in space for value in space[name].ends)
    yield from ((f"{own}: settings", setting) for setting in study.settings.values())
    yield from _list_parts(study)
