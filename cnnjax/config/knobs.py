"""One choice of a run as data: its type, its allowed values, its text. Imports no JAX."""

import dataclasses
import re
import struct
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from cnnjax.config import hints, register
from cnnjax.config.allowed import Allowed
from cnnjax.config.errors import ConfigError
from cnnjax.config.errors import RunError as RunError
from cnnjax.config.words import printable as printable
from cnnjax.config.words import read_integer

LARGEST_INTEGER = 2**31 - 1  # a program counts in 32 bits
NOT_ALLOWED = "is not allowed"
SOME = range(1, LARGEST_INTEGER + 1)  # any number but 0
LEAST_NORMAL = 2.0**-126  # of float32: devices take what is smaller for 0
EPSILON = 2.0**-23  # of float32: what is smaller is lost beside 1


def structure(default: Any, help: str, **rules: Any) -> Any:
    """A field that changes the compiled program. `rules` are `Knob` attributes."""
    return dataclasses.field(default=default, metadata={"help": help, "traced": False, **rules})


def number(default: Any, help: str, **rules: Any) -> Any:
    """A field that enters the program as a traced value. `rules` are `Knob` attributes."""
    return dataclasses.field(default=default, metadata={"help": help, "traced": True, **rules})


def choice(default: str, help: str, **rules: Any) -> Any:
    """A structural field whose values are names in the register."""
    return structure(default, help, registered=True, **rules)


Kind = type  # bool, int, float, str or tuple


class Knob(NamedTuple):
    """One field of Config as data, for flags, listings and checks."""

    name: str
    type: Kind
    default: Any
    help: str
    traced: bool
    family: str = ""  # the heading below which it stands
    listed: tuple[str, ...] = ()  # the choices, where the declaration lists them
    registered: bool = False  # whether the choices are names in the register
    item: Kind = int  # what a tuple holds: int, or str of which order and repetition do not count
    check: Callable[[str], object] | None = None  # of a free text: raises ConfigError
    allowed: str | Callable[[], str] = ""  # what a free text may be, in words
    low: float | None = None  # least allowed value
    high: float | None = None  # greatest allowed value
    above: float | None = None  # every value must be greater
    below: float | None = None  # every value must be smaller
    beside_one: bool = False  # whether a run adds it to 1, or to what is as large, or takes it away
    pair: bool = False  # a tuple of one or two: height and width
    some: bool = False  # a tuple that is not empty
    by_model: bool = False  # whether it is read by the models alone that say so
    model_values: tuple[str, ...] = ()  # values that a model must say it has
    used_with: Mapping[str, Allowed] = types.MappingProxyType({})
    only_with: Mapping[str, Mapping[str, Allowed]] = types.MappingProxyType({})  # by value
    source: str = ""  # the file that declares it, where that is none of ours

    @property
    def choices(self) -> tuple[str, ...]:
        """The values of a knob that takes one of a few texts; none for any other."""
        return register.names(self.name) if self.registered else self.listed


def make_knobs(family: type) -> dict[str, Knob]:
    """One knob a field that the dataclass itself declares, by name."""
    types_of = typing.get_type_hints(family)
    knobs = {}
    for field in dataclasses.fields(family):
        if field.name not in vars(family)["__annotations__"]:
            continue
        hint, listed, item = types_of[field.name], (), int
        if typing.get_origin(hint) is Literal:
            hint, listed = str, typing.get_args(hint)
        if typing.get_origin(hint) is tuple:
            hint, item = tuple, typing.get_args(hint)[0]
        knobs[field.name] = Knob(
            field.name,
            hint,
            field.default,
            family=family.__name__,
            listed=listed,
            item=item,
            **field.metadata,
        )
    return knobs


def join(families: Sequence[type]) -> dict[str, Knob]:
    """The knobs of all families. Raises TypeError where two declare one name."""
    joined: dict[str, Knob] = {}
    for family in families:
        for name, knob in make_knobs(family).items():
            if name in joined:
                raise TypeError(f"{joined[name].family} and {family.__name__} declare {name}")
            joined[name] = knob
    return joined


def describe_allowed(knob: Knob) -> str:
    """The values a knob takes, in words, such as 'an integer >= 1' or 'max|avg'."""
    if knob.choices:
        several = ", or several with commas between" if knob.type is tuple else ""
        return "|".join(knob.choices) + several
    if knob.type is bool:
        return "true|false"
    if str in (knob.type, knob.item):
        return knob.allowed if isinstance(knob.allowed, str) else knob.allowed()
    words = {int: "an integer", float: "a number", tuple: "integers such as 16,32"}[knob.type]
    if knob.pair:
        words = "one integer, or two that differ such as 3x5"
    bounds = ((">=", knob.low), ("<=", knob.high), (">", knob.above), ("<", knob.below))
    limits = " and ".join(f"{sign} {bound}" for sign, bound in bounds if bound is not None)
    return f"{words}, each {limits}" if knob.type is tuple else f"{words} {limits}".strip()


def check_value(knob: Knob, value: object) -> None:
    """Raises ConfigError unless the knob allows this value, in the precision of a program."""
    items, item_type = (value,), knob.type
    if knob.type is tuple and isinstance(value, tuple):
        items, item_type = value, knob.item
    for item in items:
        if knob.check is not None and isinstance(item, str):
            knob.check(item)
    odd = knob.pair and not (len(items) == 1 or (len(items) == 2 and items[0] != items[1]))
    odd = odd or knob.some and not items
    for item in (None,) if odd else items:
        typed = isinstance(item, (int, float) if item_type is float else item_type)
        typed = typed and isinstance(item, bool) == (item_type is bool)
        if not typed or not _allows(knob, item):
            raise ConfigError(
                f"--{knob.name}={format_value(value)} {NOT_ALLOWED}: give {describe_allowed(knob)}"
                f"{_describe_near(knob, item)}"
            )
        if item_type in (int, float):
            _check_precision(knob, item)


def _describe_near(knob: Knob, item: object) -> str:
    """The name that was meant, where one is near."""
    hint = hints.suggest(str(item), knob.choices, "")
    return hint and f"; {hint}"


def _allows(knob: Knob, item: Any) -> bool:
    if choices := knob.choices:
        return item in choices
    if isinstance(item, str):
        return True
    return (
        item == item  # NaN is below and above nothing
        and abs(item) != float("inf")
        and (knob.low is None or item >= knob.low)
        and (knob.high is None or item <= knob.high)
        and (knob.above is None or item > knob.above)
        and (knob.below is None or item < knob.below)
    )


def round_to_float32(value: float) -> float:
    """The float32 that a program computes with: 0 for what is too small, inf for too large."""
    try:
        (rounded,) = struct.unpack("f", struct.pack("f", value))
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    return rounded if abs(rounded) >= LEAST_NORMAL else 0.0


def _check_precision(knob: Knob, item: Any) -> None:
    """Raises ConfigError where a number that is allowed is none in 32 bits."""
    if isinstance(item, int) and knob.type is not float:
        if item > max(LARGEST_INTEGER, knob.high or 0):
            raise ConfigError(
                f"--{knob.name}={item} does not fit 32 bits: give at most {LARGEST_INTEGER}"
            )
        return
    rounded = round_to_float32(item)
    if not _allows(knob, rounded) or (item and not rounded):
        raise ConfigError(
            f"--{knob.name}={item} is {rounded:g} in float32, in which runs compute: give"
            f" {describe_allowed(knob)} there"
        )
    if knob.beside_one and 0 < abs(item) < EPSILON:
        raise ConfigError(
            f"--{knob.name}={item} does nothing: it is lost beside 1 in float32, in which runs"
            f" compute: give 0, or {EPSILON:.2g} or more"
        )


def format_value(value: object) -> str:
    """A value as a flag shows it: a tuple as 16,32, a boolean as true, a text that can be shown."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else printable(str(value))


BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


def parse_value(knob: Knob, text: str) -> Any:
    """The knob's value from text; a tuple is written 16,32 or 16x32. Raises ConfigError."""
    plain = text.strip()
    try:
        if knob.item is str:
            value = tuple(part.strip() for part in plain.split(",")) if plain else ()
        elif knob.type is tuple:
            parts = plain.replace("x", ",").split(",") if plain else []
            value = tuple(map(read_integer, parts))
            if knob.pair and len(value) == 2 and value[0] == value[1]:
                value = value[:1]
        elif knob.type is bool:
            value = BOOLEANS[plain.lower()]
        elif knob.type is str:
            value = plain if knob.choices else text
        else:
            value = read_integer(plain) if knob.type is int else knob.type(plain)
    except (ValueError, KeyError):
        value = text
    check_value(knob, value)
    return value


# One value of a list and what ends it: in quotes, where a quote is written twice, or up to a comma.
ITEM = re.compile(
    r"""\s*+(?:"((?:[^"]|"")*)"|'((?:[^']|'')*)'|(?!["'])([^,]*?))\s*(,|\Z)""", re.DOTALL
)


def split_values(text: str) -> list[str]:
    """The values of a list: `max, avg`, or `"a,b",c` where a value holds a comma.

    Blanks around a value do not count, unless quoted. Raises ConfigError on a value that is empty
    without quotes, and on a quote that is not closed.
    """
    values, place, comma = [], 0, ","
    while comma:
        item = ITEM.match(text, place)
        if item is None:
            raise ConfigError(
                f"{text[place:].strip()} begins with a quote that does not end the value: close it"
                " before the comma, and write a quote inside twice"
            )
        double, single, bare, comma = item.groups()
        if bare == "":
            raise ConfigError(
                f'{text} has an empty value: leave out the comma, or write "" if it is meant'
            )
        if double is not None:
            values.append(double.replace('""', '"'))
        else:
            values.append(bare or single.replace("''", "'"))
        place = item.end()
    return values
