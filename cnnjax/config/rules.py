"""Which knobs a run reads: by its model and by its other knobs. Imports no JAX."""

from collections.abc import Iterable, Mapping
from typing import Any

from cnnjax.config import hints, knobs, models, register
from cnnjax.config.allowed import Allowed, But, Readers
from cnnjax.config.augmentation import Augmentation, check_augmentation
from cnnjax.config.data import Data
from cnnjax.config.errors import ConfigError
from cnnjax.config.execution import Execution
from cnnjax.config.knobs import Knob, format_value
from cnnjax.config.layers import Layers
from cnnjax.config.network import Network
from cnnjax.config.training import Training, check_training

FAMILIES = (Data, Network, Layers, Training, Augmentation, Execution)
KNOBS: dict[str, Knob] = knobs.join(FAMILIES)
UNREAD = "does nothing"
# Families from outside, by module and name; their knobs stand in KNOBS, behind ours.
OWN: dict[str, type] = {}


def find_knob(name: str) -> Knob:
    """The knob of that name. Raises ConfigError, with the nearest right name."""
    if name in KNOBS:
        return KNOBS[name]
    hint = hints.suggest(name, KNOBS, f"the knobs are {', '.join(KNOBS)}")
    raise ConfigError(f"unknown knob {name!r}: {hint}")


def find_obstacle(knob: Knob, values: Mapping[str, Any]) -> tuple[str, str, Allowed] | None:
    """Why nothing in a run would read a knob: a verb, another knob, the values it would need."""
    model, value = values["model"], values[knob.name]
    if knob.by_model and not models.reads(model, knob.name):
        return UNREAD, "model", models.list_readers(knob.name)
    for other, allowed in knob.used_with.items():
        if values[other] not in allowed:
            return UNREAD, other, allowed
    if knob.source and not (knob.by_model or knob.used_with):
        declared = register.list_declared(knob.source)
        known = [other for other in declared if other in values]
        if known and not any(_has(values[other], declared[other]) for other in known):
            return UNREAD, known[0], declared[known[0]]
    if values["hidden"] == () and models.reads(model, f"{knob.name}@hidden"):
        return UNREAD, "hidden", KNOBS["hidden"].default
    named = f"{knob.name}={value}"
    if value in knob.model_values and not models.reads(model, named):
        return "cannot be", "model", models.list_readers(named)
    for other, allowed in knob.only_with.get(value, {}).items() if knob.only_with else ():
        if values[other] not in allowed:
            return "cannot be", other, allowed
    return None


def _has(value: str | Iterable[object], names: tuple[str, ...]) -> bool:
    return not set(names).isdisjoint((value,) if isinstance(value, str) else value)


def check_read(knob: Knob, values: Mapping[str, Any]) -> None:
    """Raises ConfigError where nothing in a run of these values would read the knob."""
    obstacle = find_obstacle(knob, values)
    if obstacle is not None:
        verb, other, allowed = obstacle
        raise ConfigError(
            f"--{knob.name}={format_value(values[knob.name])} {verb} with"
            f" --{other}={format_value(values[other])}: leave it out, or choose"
            f" --{other}{describe_values(KNOBS[other], allowed)}"
        )


def describe_values(knob: Knob, allowed: Allowed) -> str:
    """Values of a knob with which another one is read, in words."""
    if isinstance(allowed, range):
        return f" of {allowed[0]} or more"
    if isinstance(allowed, (But, Readers)):
        allowed = allowed.among(knob.choices)
    return f"={'|'.join(map(format_value, allowed))}"


def default_of(name: str, values: Mapping[str, Any]) -> Any:
    """What a knob is where nobody gave it, beside these values of the others.

    That is its model's, unless another choice leaves nothing to read it: then the general one.
    """
    knob, own = KNOBS[name], models.defaults_of(values["model"])
    if name not in own:
        return knob.default
    obstacle = find_obstacle(knob, {**values, name: own[name]})
    # A model may fix what cannot be set: a ResNet-20 has the stem for small images.
    return own[name] if obstacle is None or obstacle[1] == "model" else knob.default


def check_values(values: Mapping[str, Any]) -> None:
    """Raises ConfigError where a value is not its default and nothing reads it, and on values that
    are right alone and wrong together.
    """  # fmt: skip
    own = models.defaults_of(values["model"])
    for name, knob in KNOBS.items():
        if values[name] != (default_of(name, values) if name in own else knob.default):
            check_read(knob, values)
    check_augmentation(values)
    check_training(values)
