"""What a run is, and which values are allowed. Imports no JAX.

`Config` describes one run completely: a field's name is its flag and its JSON key. A field is
*structure* (it changes the compiled program) or a *number* (it enters the program as a traced
value, so runs that differ only in numbers train together in one program).
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from cnnjax.config import knobs
from cnnjax.config.augmentation import Augmentation
from cnnjax.config.data import Data
from cnnjax.config.datasets import Request
from cnnjax.config.errors import ConfigError
from cnnjax.config.execution import Execution
from cnnjax.config.layers import Layers
from cnnjax.config.models import defaults_of
from cnnjax.config.network import Network
from cnnjax.config.rules import (
    KNOBS,
    OWN,
    UNREAD,
    check_read,
    check_values,
    default_of,
    find_knob,
    find_obstacle,
)
from cnnjax.config.training import SEEDS, Training

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Config(Execution, Augmentation, Training, Layers, Network, Data):
    """One run; its fields are those of `rules.FAMILIES`, in that order, the reverse of the bases.

    Raises ConfigError on a value or a combination that cannot be. `own` has the families from
    outside that are not at their defaults, an instance each; their knobs are attributes, too.
    """

    own: tuple[Any, ...] = ()

    def of(self, family: type[T]) -> T:
        """The values of a family from outside, typed by its own class."""
        return _find(self.own, family) or family()

    def __post_init__(self):
        for family in OWN.values():
            vars(self).update(vars(_find(self.own, family) or family()))
        for knob in KNOBS.values():
            value = getattr(self, knob.name)
            knobs.check_value(knob, value)
            if knob.type is float:  # 1 and 1.0, or 0.0 and -0.0, are one run
                object.__setattr__(self, knob.name, float(value) + 0.0)
            if knob.item is str:
                object.__setattr__(self, knob.name, tuple(sorted(set(value))))
        object.__setattr__(self, "own", _gather(vars(self)))
        check_values(vars(self))


def _find(own: Sequence[Any], family: type[T]) -> T | None:
    """The instance of a family, be it of its class as a notebook's cell declared it before."""
    for one in own:
        if (type(one).__module__, type(one).__qualname__) == (
            family.__module__, family.__qualname__
        ):  # fmt: skip
            return one
    return None


def _gather(values: Mapping[str, Any]) -> tuple[Any, ...]:
    """The families from outside that have other values than their defaults."""
    found = (
        family(**{field.name: values[field.name] for field in dataclasses.fields(family)})
        for _, family in sorted(OWN.items())
    )
    return tuple(one for one in found if one != type(one)())


def _build(values: Mapping[str, Any]) -> Config:
    """The config of a value for every knob."""
    ours = {name: value for name, value in values.items() if not KNOBS[name].source}
    return Config(**ours, own=_gather(values) if OWN else ())


def values_of(config: Config) -> dict[str, Any]:
    """A value for every knob, by name."""
    return {name: getattr(config, name) for name in KNOBS}


def to_json(config: Config) -> dict[str, Any]:
    """The config as plain JSON values, one key a knob; of families from outside those in `own`."""
    values = vars(config)
    if config.own:
        own = {name for one in config.own for name in vars(one)}
        names: Sequence[str] = [name for name in KNOBS if name in own or not KNOBS[name].source]
    else:
        names = _list_ours(tuple(KNOBS))
    return {
        name: list(value) if isinstance(value := values[name], tuple) else value for name in names
    }


@functools.lru_cache(maxsize=4)
def _list_ours(names: tuple[str, ...]) -> list[str]:
    """The knobs among those that are there that are not from outside: asked for each lane."""
    return [name for name in names if not KNOBS[name].source]


def from_json(values: Mapping[str, Any]) -> Config:
    """The config of `to_json`. Raises ConfigError on an unknown key or a bad value."""
    fields: dict[str, Any] = {
        find_knob(name).name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
    }
    return _build(fill_in(fields))


def structure_of(config: Config) -> Config:
    """The config with every traced number at its default: equal for runs that share a program."""
    values = values_of(config)
    traced = {name: default_of(name, values) for name, knob in KNOBS.items() if knob.traced}
    return _copy(config, traced)


def with_seed(config: Config, seed: int) -> Config:
    """The lane of that seed. Raises ConfigError where the seed cannot be.

    The rest is not checked again: it is a Config already, and no rule of another knob names seed.
    """
    knobs.check_value(KNOBS["seed"], seed)
    return _copy(config, {"seed": seed})


def with_stop(config: Config, stop: int) -> Config:
    """The lane that ends after so many steps on its schedule; with 0 after all of them."""
    return _copy(config, {"stop_at": stop})


def _copy(config: Config, values: Mapping[str, Any]) -> Config:
    """The config with these values, unchecked: a hundredth of what `dataclasses.replace` takes."""
    made = object.__new__(type(config))
    vars(made).update(vars(config))
    vars(made).update(values)
    return made


def numbers_of(config: Config) -> dict[str, float | int]:
    """The traced numbers of a run, by name; seeds of a part that are the run's are its seed."""
    numbers = {name: getattr(config, name) for name, knob in KNOBS.items() if knob.traced}
    return numbers | {name: config.seed for name in SEEDS if numbers[name] < 0}


def fill_in(given: Mapping[str, Any]) -> dict[str, Any]:
    """A value for every knob: what is given, and else its default beside the others."""
    values = {name: knob.default for name, knob in KNOBS.items()}
    values |= {**defaults_of(given.get("model", values["model"])), **given}
    for name in KNOBS:  # a rule names knobs that stand above its own, so that these are settled
        if name not in given:
            values[name] = default_of(name, values)
    return values


def make_config(given: Mapping[str, Any]) -> Config:
    """The config with these values, and for all other knobs the defaults of its model.

    Raises ConfigError where one cannot be, or is given and would not be read, whatever its value.
    """
    for name in given:
        find_knob(name)
    config = _build(fill_in(given))
    for name in given:
        check_read(KNOBS[name], vars(config))
    return config


def make_base(given: Mapping[str, Any], arms: Sequence[Mapping[str, Any]]) -> Config:
    """The config on which arms are made by `override`.

    What all arms set themselves is free: it is as in the first arm that reads all that is given.
    Raises ConfigError where something is given that no arm reads.
    """
    shared = set(arms[0]).intersection(*arms) if arms else set()
    refusals = []
    for arm in ({}, *arms):
        try:
            return make_config({**{name: arm[name] for name in arm if name in shared}, **given})
        except ConfigError as error:
            refusals.append(error)
    raise refusals[0]


def settings_of(config: Config) -> dict[str, Any]:
    """What a config has other than by default: `make_config` of it is the config again."""
    values = values_of(config)
    own = {name: value for name, value in values.items() if value != default_of(name, values)}
    return own if config.model == KNOBS["model"].default else {"model": config.model, **own}


def override(base: Config, overrides: Mapping[str, Any]) -> Config:
    """The config of an arm: `base` with `overrides`.

    Another model brings its own defaults for the knobs that `base` has at those of its model. A
    knob of `base` that the arm no longer reads (pool_size where the arm has no pooling) goes back
    to its default, so that arms can be compared on a base that suits most of them. Raises
    ConfigError where the arm cannot be, or would not read its own overrides, whatever their value.
    """
    kept = settings_of(base)
    values = fill_in({**kept, **overrides})
    for name, knob in KNOBS.items():
        if name in overrides:
            continue
        obstacle = find_obstacle(knob, values) if name in kept else None
        if name not in kept or obstacle is not None and obstacle[0] == UNREAD:
            values[name] = default_of(name, values)
    config = _build(values)
    for name in overrides:
        check_read(find_knob(name), values)
    return config


def request_of(config: Config) -> Request:
    """What of a run decides which examples are loaded."""
    return Request(*(getattr(config, name) for name in Request._fields))
