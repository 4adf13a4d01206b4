"""A study as data: what is claimed of which arms, and how it is named. Imports no JAX."""

import itertools
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from cnnjax.config.knobs import format_value
from cnnjax.study.looks import Look
from cnnjax.study.space import Axis

# Config fields of an arm, by name; besides `epochs` in place of steps, and `setting`, as below.
Overrides = Mapping[str, Any]
GRID = "ablate"  # the name of a grid's study, until it has one of its own
VALIDATION = "validation_accuracy"  # the metric of what chooses

SETTING = "setting"  # of an arm: by what its setting is found, in place of the values of knobs
DEFAULT = "default"  # by nothing: that of the base
RUNNER_UP = " runner-up"  # behind a method: the second best that it found
METHODS = ("random", "halton", "tpe", "halving")
SETTINGS = (DEFAULT, *METHODS, *(method + RUNNER_UP for method in METHODS))


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
    levels: tuple[float, ...] = ()  # those that count, of all that arms have; all for none


class Deviation(NamedTuple):
    """How far scores are from the median of their arm, on average over its seeds."""

    of: Overrides


# What is compared, by seed: arms (every one whose overrides contain these, averaged), their lead
# over others, their trend, how they vary, or a number that the claim names.
Side = Overrides | Score | Lead | Slope | Deviation | float


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

    @property
    def has_border(self) -> bool:
        """Whether a number decides that is to be passed, in place of a margin."""
        named = isinstance(self.b, int | float) and self.relation in "<>"
        return self.threshold is not None or named


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


class Search(NamedTuple):
    """A space in place of a grid, and how settings of it are proposed."""

    space: Mapping[str, Axis]  # by knob; an arm keeps those it sets itself
    method: str = METHODS[0]  # of arms that name none
    trials: int = 64  # of each arm
    batch: int = 8  # trials that are proposed at once, from what is recorded of those before
    seed: int = 0  # of what proposes
    race: bool = False  # whether trials that are behind on shared seeds get no more of them


class Tuning(NamedTuple):
    """Settings tried for every arm, the same many, before its seeds run: the best is taken.

    Judged by the validation split alone, on seeds that are never used again: where these are
    among the arms' own, others take their place (`arms.keep_apart`).
    """

    grid: Mapping[str, tuple[Any, ...]] = {}  # knob -> values; an arm keeps those it sets itself
    seeds: tuple[int, ...] = (1000, 1001, 1002)  # none where the study's settings are given
    metric: str = VALIDATION
    search: Search | None = None  # in place of a grid

    @property
    def knobs(self) -> tuple[str, ...]:
        """The knobs that it sets."""
        return (*self.grid, *(self.search.space if self.search else ()))

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """Its seeds, and behind them as many as a race could come to if one trial had them all."""
        if not (self.seeds and self.search and self.search.race):
            return self.seeds
        more = len(self.seeds) * (self.search.trials - 1)
        return (*self.seeds, *range(self.seeds[-1] + 1, self.seeds[-1] + 1 + more))


class Choosing(NamedTuple):
    """The best arm by the validation split is compared with one of them on seeds of their own.

    The arms' seeds choose it. The fresh ones behind them, as many, and the study's metric judge it.
    """

    baseline: Overrides  # the arm with which the best is compared
    metric: str = VALIDATION


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
    choosing: Choosing | None = None
    epochs: Fraction | float | str | None = None  # of all arms, in place of the steps of its base
    datasets: tuple[str, ...] = ()  # every arm on each; claims are judged on each, and over all
    whole: Overrides | None = None  # the arm of whose variance the report gives each one's share
    sizes: Mapping[str, int] | None = None  # training images by `epochs.name_source`, once counted
    looks: tuple[Look, ...] = ()  # at how many seeds headlines are decided; once, at all, for none

    @property
    def is_searched(self) -> bool:
        """Whether its tuning tries settings of a space."""
        return self.tuning is not None and self.tuning.search is not None


def cross(grid: Mapping[str, Sequence[Any]]) -> tuple[dict[str, Any], ...]:
    """Every combination of the values of some knobs, the last knob fastest."""
    return tuple(
        dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())
    )


def name_arm(overrides: Overrides) -> str:
    """Such as 'pool=max padding=SAME'."""
    return " ".join(f"{key}={format_value(value)}" for key, value in overrides.items())


def is_better_high(metric: str) -> bool:
    """Whether more of a metric is better; of others it is only asked whether arms differ."""
    return metric.endswith("accuracy")


def name_side(side: Side) -> str:
    """A side of a comparison in words, such as 'lead of model=cnn over model=mlp'."""
    match side:
        case Score(of, metric):
            return f"{metric} of {name_arm(of)}" if of else metric
        case Lead(a, b):
            return f"lead of {name_arm(a)} over {name_arm(b)}"
        case Slope(of, knob, levels):
            span = f" from {min(levels):.4g} to {max(levels):.4g}" if levels else ""
            return f"{name_arm(of)} per doubling of {knob}{span}".strip()
        case Deviation(of):
            return f"deviation of {name_arm(of) or 'all arms'}"
        case float() | int():
            return f"{side:.4g}"
    return name_arm(side) or "all arms"


def is_deviation(name: str) -> bool:
    """Whether a side of that name is how much arms vary."""
    return name.startswith("deviation of ")


def name_arms(study: Study) -> dict[str, Overrides]:
    """The overrides of every arm, by name."""
    return {name_arm(arm): arm for arm in study.arms}


def varied_knobs(study: Study) -> list[str]:
    """The knobs that arms set, in order of appearance."""
    return list(dict.fromkeys(name for arm in study.arms for name in arm))


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


def select(arms: Mapping[str, Overrides], side: Overrides) -> list[str]:
    """The names of the arms that contain a side's overrides."""
    return [name for name, arm in arms.items() if side.items() <= arm.items()]


def sides_of(side: Side) -> tuple[Overrides, ...]:
    """The arms that a side of a comparison rests on; none for a number."""
    match side:
        case Score(of, _) | Slope(of, _, _) | Deviation(of):
            return (of,)
        case Lead(a, b):
            return (a, b)
        case float() | int():
            return ()
    return (side,)


def cover(claims: Sequence[Claim], arms: Mapping[str, Overrides]) -> list[str]:
    """The names of the arms on which the comparisons of some claims rest, in order of the arms."""
    pairs = [pair for claim in claims for pair in claim.comparisons]
    parts = [part for pair in pairs for side in (pair.a, pair.b) for part in sides_of(side)]
    found = {name for part in parts for name in select(arms, part)}
    return [name for name in arms if name in found]
