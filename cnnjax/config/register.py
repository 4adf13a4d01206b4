"""What a choice may be called: built-in names and those from outside, each declared once.

A decorator is the only place where a name stands; it marks the function that the name stands for.
Imports no JAX.
"""

import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeVar

from cnnjax.config.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])
PACKAGE = __name__.partition(".")[0]


class Choice(NamedTuple):
    """What a name stands for."""

    make: Callable[..., Any]
    help: str  # the first line of its docstring
    source: str  # the file that declares it, where that is none of ours; empty for built-in
    traits: Mapping[str, Any]


CHOICES: dict[str, dict[str, Choice]] = {"model": {}}  # by knob, in the order of declaration


def names(knob: str) -> tuple[str, ...]:
    """All names of a knob: the built-in ones, then those from outside."""
    return tuple(CHOICES[knob])


def find(knob: str, name: str) -> Choice:
    """What a name of a knob stands for."""
    return CHOICES[knob][name]


def _register(knob: str, name: str, make: F, traits: Mapping[str, Any]) -> F:
    """Raises ConfigError where the name stands for something else already."""
    module = make.__module__
    source = ""
    if module.partition(".")[0] != PACKAGE:
        source = getattr(sys.modules.get(module), "__file__", None) or module
    there = CHOICES[knob].get(name)
    if there and (there.source, there.make.__qualname__) != (source, make.__qualname__):
        raise ConfigError(
            f"{source or module}: --{knob}={name} is there already: give it another name"
        )
    help = (inspect.getdoc(make) or "").partition("\n")[0]
    CHOICES[knob][name] = Choice(make, help, source, traits)
    return make


def model(
    name: str,
    *,
    reads: Collection[str],
    defaults: Mapping[str, Any] | None = None,
    small: Mapping[str, Any] | None = None,
) -> Callable[[F], F]:
    """Declares a model: a function of (Config, classes) to its layers as data, or a Linen module.

    `reads` names the knobs that it heeds of those that say `by_model`, and values that not every
    model has, such as "padding=published". `defaults` are its own of the knobs of its architecture,
    for which a person may give another value; `small` makes it one that trains in a test.
    """
    traits = {"reads": frozenset(reads), "defaults": defaults or {}, "small": small or {}}
    return lambda make: _register("model", name, make, traits)
