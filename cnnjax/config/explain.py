"""Whence the values of a run are: model, recipe, command line, or nobody. Imports no JAX."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from cnnjax.config.config import KNOBS, Config, find_obstacle, values_of
from cnnjax.config.knobs import format_value
from cnnjax.config.models import defaults_of

DEFAULT = "default"


class Choice(NamedTuple):
    """A value in force, and whence it is."""

    name: str
    value: object
    source: str


def explain(config: Config, sources: Mapping[str, Collection[str]]) -> list[Choice]:
    """Every knob that the run reads, with its value and its source.

    That is the first of `sources` (such as {"command line": names}) that gives it, or else "model"
    where the model sets it, or "default".
    """
    values, preset = values_of(config), defaults_of(config.model)
    found = []
    for name, knob in KNOBS.items():
        of_model = name in preset and values[name] == preset[name]
        if find_obstacle(knob, values) and not of_model:
            continue
        given = [source for source, names in sources.items() if name in names]
        source = given[0] if given else "model" if of_model else DEFAULT
        found.append(Choice(name, values[name], source))
    return found


def describe_choices(choices: Sequence[Choice]) -> list[str]:
    """The values in force that are not the plain default, a line a source.

    Such as 'from the model: --padding=HALF --norm=batch'.
    """
    flags: dict[str, list[str]] = {}
    for name, value, source in choices:
        if source != DEFAULT:
            flags.setdefault(source, []).append(f"--{name}={format_value(value)}")
    lines = [f"from the {source}: {' '.join(own)}" for source, own in flags.items()]
    return [*lines, f"all {'else' if lines else 'values'}: the default (--help)"]
