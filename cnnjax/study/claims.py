"""A study as data: what is claimed, and the arms and lanes that try it. Imports no JAX."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from cnnjax.config import config as config_lib
from cnnjax.config.config import KNOBS, Config, override
from cnnjax.config.knobs import ConfigError, format_value
from cnnjax.study import metrics

Overrides = Mapping[str, Any]  # Config fields of an arm, by name


class Score(NamedTuple):
    """The score of some arms by a metric of its own."""

    of: Overrides
    metric: str


class Lead(NamedTuple):
    """By how much `a` is ahead of `b`: two leads compared are an interaction."""

    a: Overrides
    b: Overrides


class Slope(NamedTuple):
    """By how much the score rises with each doubling of a knob: a trend over its levels."""

    of: Overrides
    knob: str


# What is compared, by seed: arms (every one whose overrides contain these, averaged), their lead
# over others, their trend, or a number that the claim names.
Side = Overrides | Score | Lead | Slope | float


class Comparison(NamedTuple):
    """One comparison of a claim."""

    a: Side
    b: Side
    relation: Literal[">", "<", "=", "!="]  # what is said of the score of a against that of b
    predicted: str  # written before any run
    metric: str = ""  # the study's unless named here
    margin: float | None = None  # the metric's unless named here
    threshold: float | None = None  # by more than this, for > and <: then no margin counts
    about: str = ""  # what the comparison is one of, such as an interaction


class Claim(NamedTuple):
    """A statement to be judged by its headline, the first comparison.

    One that says several things at once has as many `parts`, its first comparisons, instead.
    """

    id: str
    statement: str
    comparisons: tuple[Comparison, ...]
    tried_as: str = ""  # what is tried, where the statement itself cannot be
    parts: int = 1

    def role_of(self, place: int) -> Literal["headline", "part", "secondary"]:
        """What the comparison at that place is for; `parts` of 0 make none the headline."""
        if place >= self.parts:
            return "secondary"
        return "headline" if self.parts == 1 else "part"


class Tuning(NamedTuple):
    """Settings tried for every arm, the same many, before its seeds run: the best is taken.

    Judged by the validation split alone, on seeds that are never used again.
    """

    grid: Mapping[str, tuple[Any, ...]]  # knob -> values; an arm keeps those it sets itself
    seeds: tuple[int, ...] = (1000, 1001, 1002)
    metric: str = "validation_accuracy"


class Published(NamedTuple):
    """A published score of one arm, which the run is not tuned to meet."""

    arm: Overrides
    value: float
    source: str


class Study(NamedTuple):
    """Claims, and the arms that try them on one base Config."""

    name: str
    question: str
    base: Overrides  # Config fields that every arm shares
    arms: tuple[Overrides, ...]
    claims: tuple[Claim, ...]
    metric: str = "test_accuracy"
    # Of what stands beside a claim's headline.
    adjustment: Literal["bonferroni", "benjamini-hochberg"] = "bonferroni"
    controls: tuple[Overrides, ...] = ()  # arms that contain one of these are controls
    tuning: Tuning | None = None
    published: tuple[Published, ...] = ()
    settings: Mapping[str, Overrides] = {}  # by arm: what tuning chose


def cross(grid: Mapping[str, Sequence[Any]]) -> tuple[dict[str, Any], ...]:
    """Every combination of the values of some knobs, the last knob fastest."""
    return tuple(
        dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())
    )


def name_arm(overrides: Overrides) -> str:
    """Such as 'pool=max padding=SAME'."""
    return " ".join(f"{key}={format_value(value)}" for key, value in overrides.items())


def name_side(side: Side) -> str:
    """A side of a comparison in words, such as 'lead of model=cnn over model=mlp'."""
    match side:
        case Score(of, metric):
            return f"{metric} of {name_arm(of)}" if of else metric
        case Lead(a, b):
            return f"lead of {name_arm(a)} over {name_arm(b)}"
        case Slope(of, knob):
            return f"{name_arm(of)} per doubling of {knob}".strip()
        case float() | int():
            return f"{side:.4g}"
    return name_arm(side) or "all arms"


def varied_knobs(study: Study) -> list[str]:
    """The knobs that arms set, in order of appearance."""
    return list(dict.fromkeys(name for arm in study.arms for name in arm))


def find_shared(study: Study) -> dict[str, Any]:
    """What a study gives to every arm: its base, and the measures that its metrics read."""
    shared = {"draw": "auto", **study.base}
    if needed := metrics.list_measures(list_metrics(study)):
        shared["measure"] = (*shared.get("measure", ()), *needed)
    return shared


def make_base(study: Study, given: Overrides) -> Config:
    """The base Config under the flags given. Raises ConfigError on a flag that the study varies.

    A data set may be given for the arms that name none, and measures beside the study's own.
    """
    for name in given:
        setters = [arm[name] for arm in study.arms if name in arm]
        free = name == "dataset" and len(setters) < len(study.arms)
        if setters and not free:
            values = ", ".join(dict.fromkeys(map(format_value, setters)))
            raise ConfigError(
                f"--{name} cannot be set here: study {study.name} varies it over {values};"
                " for a grid of your own use python -m experiments.ablate"
            )
        if study.tuning and name in study.tuning.grid:
            raise ConfigError(f"--{name} cannot be set here: study {study.name} tunes it")
    shared = find_shared(study)
    whole = {**shared, **given}
    if "measure" in shared and "measure" in given:
        whole["measure"] = (*shared["measure"], *given["measure"])
    try:
        return config_lib.make_base(whole, study.arms)
    except ConfigError as error:  # it may be on a knob that the study gave
        raise ConfigError(f"study {study.name}: {error}") from None


def list_metrics(study: Study) -> list[str]:
    """Every metric by which the study judges or tunes."""
    pairs = [pair for claim in study.claims for pair in claim.comparisons]
    sides = [side for pair in pairs for side in (pair.a, pair.b)]
    found = [study.metric, *(pair.metric for pair in pairs)]
    found += [side.metric for side in sides if isinstance(side, Score)]
    found += [study.tuning.metric] if study.tuning else []
    return [name for name in dict.fromkeys(found) if name]


def make_arms(study: Study, base: Config) -> dict[str, Overrides]:
    """The overrides of every arm, by name. Raises ConfigError where an arm cannot be."""
    arms = {name_arm(arm): arm for arm in study.arms}
    for name in arms:
        make_arm_config(study, base, name, arms[name])
    return arms


def make_arm_config(study: Study, base: Config, name: str, overrides: Overrides) -> Config:
    """An arm's Config with the settings that tuning chose for it."""
    return override(base, {**overrides, **study.settings.get(name, {})})


def make_lanes(study: Study, base: Config, num_seeds: int) -> list[Config]:
    """Every arm with every seed from 0 up."""
    return [
        replace(make_arm_config(study, base, name, overrides), seed=seed)
        for name, overrides in make_arms(study, base).items()
        for seed in range(num_seeds)
    ]


def list_settings(study: Study, overrides: Overrides) -> tuple[dict[str, Any], ...]:
    """What tuning tries for an arm: nothing where there is no tuning."""
    if study.tuning is None:
        return ()
    return cross({k: v for k, v in study.tuning.grid.items() if k not in overrides})


def make_tuning_lanes(study: Study, base: Config) -> list[Config]:
    """Every arm with every setting and every seed of the tuning."""
    return [
        replace(override(base, {**overrides, **setting}), seed=seed)
        for overrides in make_arms(study, base).values()
        for setting in list_settings(study, overrides)
        for seed in (study.tuning.seeds if study.tuning else ())
    ]


def make_factorial_claims(grid: Mapping[str, tuple[Any, ...]]) -> tuple[Claim, ...]:
    """For a free grid: each level of each knob against the first, averaged over the others, and
    for each two knobs whether the effect of one depends on the other.
    """  # fmt: skip
    mains = tuple(
        Comparison({knob: values[0]}, {knob: value}, "!=", "none", about=f"main effect of {knob}")
        for knob, values in grid.items()
        for value in values[1:]
    )
    interactions = tuple(
        Comparison(
            Lead({one: first, other: base}, {one: level, other: base}),
            Lead({one: first, other: value}, {one: level, other: value}),
            "!=",
            "none",
            about=f"interaction of {one} and {other}",
        )
        for one, other in itertools.combinations(grid, 2)
        for (first, *levels), (base, *values) in [(grid[one], grid[other])]
        for level in levels
        for value in values
    )
    statement = "The choice makes a difference."
    return (Claim("ablation", statement, mains + interactions, parts=0),)


class Weighed(NamedTuple):
    """A side of a comparison as a sum of weighted arms, all by one metric, or as a number."""

    weights: Mapping[str, float]  # by name of arm; none for a number
    metric: str  # empty for the comparison's
    number: float = 0.0


def weigh(side: Side, arms: Mapping[str, Overrides], configs: Mapping[str, Config]) -> Weighed:
    """A side as weights of the arms it rests on: a mean, a lead and a slope are such sums."""

    def mean(of: Overrides) -> dict[str, float]:
        covered = select(arms, of)
        return dict.fromkeys(covered, 1 / len(covered))

    match side:
        case Score(of, metric):
            return Weighed(mean(of), metric)
        case Lead(a, b):
            return Weighed(_add(mean(a), {name: -w for name, w in mean(b).items()}), "")
        case Slope(of, knob):
            levels = sorted({getattr(configs[name], knob) for name in select(arms, of)})
            total: dict[str, float] = {}
            for level, weight in zip(levels, trend_weights(levels), strict=True):
                own = {n: weight * w for n, w in mean({**of, knob: level}).items()}
                total = _add(total, own)
            return Weighed(total, "")
        case float() | int():
            return Weighed({}, "", float(side))
    return Weighed(mean(side), "")


def _add(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {name: one.get(name, 0.0) + other.get(name, 0.0) for name in {**one, **other}}


def trend_weights(levels: Sequence[float]) -> list[float]:
    """Weights whose sum of products with the scores at `levels` is their slope by doubling.

    Least squares over the base-2 logarithm. Raises ValueError where the levels are all the same.
    """
    logs = [math.log2(level) for level in levels]
    centred = [log - sum(logs) / len(logs) for log in logs]
    total = sum(c * c for c in centred)
    if not total > 0:
        raise ValueError("a slope needs at least two different levels")
    return [c / total for c in centred]


def select(arms: Mapping[str, Overrides], side: Overrides) -> list[str]:
    """The names of the arms that contain a side's overrides."""
    return [name for name, arm in arms.items() if side.items() <= arm.items()]


def sides_of(side: Side) -> tuple[Overrides, ...]:
    """The arms that a side of a comparison rests on; none for a number."""
    match side:
        case Score(of, _) | Slope(of, _):
            return (of,)
        case Lead(a, b):
            return (a, b)
        case float() | int():
            return ()
    return (side,)


def check_study(study: Study) -> None:
    """Raises ValueError where a comparison, a control or a published figure covers no arm."""
    arms = {name_arm(arm): arm for arm in study.arms}
    if len(arms) != len(study.arms):
        raise ValueError(f"study {study.name} has an arm twice")
    wanted = [
        *study.controls,
        *(published.arm for published in study.published),
        *(
            part
            for claim in study.claims
            for comparison in claim.comparisons
            for side in (comparison.a, comparison.b)
            for part in sides_of(side)
        ),
    ]
    for overrides in wanted:
        if not select(arms, overrides):
            raise ValueError(f"study {study.name}: no arm has {name_arm(overrides)}")
        unknown = [name for name in overrides if name not in KNOBS]
        if unknown:
            raise ValueError(f"study {study.name}: {unknown[0]} is no knob")
