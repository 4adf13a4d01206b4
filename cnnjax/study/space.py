"""A space of settings: for each knob the values that a search may give it. Imports no JAX.

A setting is a place in the unit cube, one number a knob, whatever the knobs are: so that all who
propose settings need to know of nothing else.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cnnjax.config import epochs, hints
from cnnjax.config.config import KNOBS, find_knob
from cnnjax.config.errors import ConfigError
from cnnjax.config.knobs import (
    Knob,
    check_value,
    describe_allowed,
    format_value,
    parse_value,
    split_values,
)

DIGITS = 4  # of a value drawn from a range: what is finer changes nothing, and reads badly
NUMBERS = (int, float)  # types of knobs that have ranges
# What a search may not choose: its luck, what it learns from, what judges it, and how it is run.
LUCK = ("seed", "seed_init", "seed_order", "seed_draw")
REFUSED = (
    *LUCK, "dataset", "train_split", "validation_split", "test_split", "group_by", "feed", "draw",
    "shuffle_labels", "stop_at", "measure", "lanes_strategy", "init_from",
)  # fmt: skip
EXAMPLE = "log:1e-4..1e-1, 0..0.3 or max,avg"


class Axis(NamedTuple):
    """The values of one knob: a range, or a few choices."""

    low: float = 0.0
    high: float = 0.0
    is_log: bool = False  # whether a range is even in the logarithm
    is_whole: bool = False  # whether a range holds integers alone
    choices: tuple[Any, ...] = ()  # in place of a range

    def read(self, place: float) -> Any:
        """The value at a place from 0 to 1."""
        if self.choices:
            return self.choices[min(int(place * len(self.choices)), len(self.choices) - 1)]
        low, high = self.low, self.high
        if self.is_whole:  # each integer as likely as the next, those at the edges too
            low, high = low - 0.5, high + 0.5
        if self.is_log:
            value = low * (high / low) ** place
        else:
            value = low + (high - low) * place
        if self.is_whole:
            return int(min(max(round(value), self.low), self.high))
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values between which all others are."""
        return self.choices or tuple(map(int if self.is_whole else float, (self.low, self.high)))

    def describe(self) -> str:
        """As --space takes it, such as log:0.0001..0.1."""
        if self.choices:
            return ",".join(map(format_value, self.choices))
        return f"{'log:' if self.is_log else ''}{self.low:g}..{self.high:g}"


Space = Mapping[str, Axis]


def read_setting(space: Space, place: Sequence[float]) -> dict[str, Any]:
    """The setting at a place of the cube."""
    return {name: axis.read(own) for (name, axis), own in zip(space.items(), place, strict=True)}


def parse_space(texts: Sequence[str]) -> dict[str, Axis]:
    """The space from texts such as 'learning_rate=log:1e-4..1e-1'. Raises ConfigError."""
    space: dict[str, Axis] = {}
    for text in texts:
        name, _, values = (part.strip() for part in text.partition("="))
        if not (name and values):
            knob = name or "KNOB"
            raise ConfigError(
                f"--space={text} names no values: write --space={knob}=VALUES, such as {EXAMPLE}"
            )
        if name in space:
            raise ConfigError(f"--space={name} is given twice: name all its values in one")
        try:
            space[name] = parse_axis(name, values)
        except ConfigError as error:
            raise ConfigError(f"--space={text}: {error}") from None
    if not space:
        raise ConfigError(
            "--space is missing: name a knob and its values, such as"
            " --space=learning_rate=log:1e-4..1e-1"
        )
    return space


def parse_axis(name: str, text: str) -> Axis:
    """The axis of a knob from its values. Raises ConfigError."""
    if name == epochs.NAME or name not in KNOBS and hints.find_meant(name, [epochs.NAME]):
        raise ConfigError("epochs are none of a space: give steps")
    check_knob(name)
    knob = find_knob(name)
    words = text.removeprefix("log:")
    if ".." not in words:
        if words != text:
            raise ConfigError(f"log: is of a range: write {EXAMPLE}")
        try:
            choices = tuple(parse_value(knob, own) for own in split_values(text))
        except ConfigError as error:
            hint = "; a range is written LOW..HIGH" if knob.type in NUMBERS else ""
            raise ConfigError(f"{error}{hint}") from None
        return make_choices(knob, choices)
    low, _, high = words.partition("..")
    return make_range(knob, parse_value(knob, low), parse_value(knob, high), words != text)


def check_knob(name: str) -> None:
    """Raises ConfigError where a search may not choose a knob."""
    if name in LUCK:
        raise ConfigError(f"{name} is none of a space: a search may not choose its luck")
    if name in REFUSED:
        raise ConfigError(
            f"{name} is none of a space: a search chooses a network and its training, and not what"
            " it is judged on or how it is run"
        )


def make_choices(knob: Knob, choices: Sequence[Any]) -> Axis:
    """The axis of a few values. Raises ConfigError unless they are two or more, none twice."""
    for value in choices:
        check_value(knob, value)
    if len(choices) < 2 or len({*choices}) < len(choices):
        raise ConfigError(f"{knob.name} needs at least two values, all different")
    return Axis(choices=tuple(choices))


def make_range(knob: Knob, low: Any, high: Any, is_log: bool = False) -> Axis:
    """The axis from one number to another. Raises ConfigError where it cannot be."""
    if knob.type not in NUMBERS or knob.choices:
        raise ConfigError(
            f"{knob.name} is no number, and has no range: name its values, of"
            f" {describe_allowed(knob)}, with commas between"
        )
    for value in (low, high):
        check_value(knob, value)
    if not low < high:
        raise ConfigError(f"{knob.name}: {low:g}..{high:g} is no range: the lower end comes first")
    least = 0.5 if knob.type is int else 0.0
    if is_log and not low > least:
        raise ConfigError(
            f"{knob.name}: log:{low:g}..{high:g} has no logarithm: begin above 0, or leave log: out"
        )
    return Axis(float(low), float(high), is_log, knob.type is int)


def measure_distance(place: Sequence[float]) -> float:
    """How far a place is from the middle of the cube."""
    return math.hypot(*(own - 0.5 for own in place))


def find_edges(space: Space, place: Sequence[float], near: float = 0.02) -> list[str]:
    """The knobs of which a place is near the end of a range: beyond it a better one may lie."""
    return [
        name
        for (name, axis), own in zip(space.items(), place, strict=True)
        if not axis.choices and not near <= own <= 1 - near
    ]
