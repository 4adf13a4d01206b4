"""What may be measured on a finished run, by name. Imports no JAX.

A measure of the package is a function below `@measure("name")` in a file of `measures`; one from
outside is known from where that decorator has run.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from cnnjax.config import declared
from cnnjax.config.knobs import NOT_ALLOWED, ConfigError

F = TypeVar("F", bound=Callable[..., Mapping[str, Any]])


class Measure(NamedTuple):
    """A pure function on the device, and what makes scores of what it gives, where that is none.

    `find(model, params, stats, observed, key)` gives arrays by name: [], one score of the run, or
    [..., test images]. `finish(found, spec)` takes those in NumPy, without padding, and gives
    scores: numbers, values [test images] of which the score is the mean, or JSON as it stands.
    """

    find: Callable[..., Mapping[str, Any]]
    finish: Callable[[Mapping[str, Any], Any], Mapping[str, Any]] | None
    always: bool  # whether it is measured unasked; then its name is none to ask for


MEASURES: dict[str, Measure] = {}  # those whose decorator has run


def measure(
    name: str,
    *,
    always: bool = False,
    finish: Callable[[Mapping[str, Any], Any], Mapping[str, Any]] | None = None,
) -> Callable[[F], F]:
    """Declares a measure, see `Measure`. Raises ConfigError where the name is another's."""

    def register(find: F) -> F:
        there = MEASURES.get(name)
        if there and _place_of(there.find) != _place_of(find):
            raise ConfigError(f"a measure named {name} is there already: give it another name")
        MEASURES[name] = Measure(find, finish, always)
        return find

    return register


def _place_of(function: Callable) -> tuple[str, str]:
    return function.__module__, function.__qualname__


@functools.cache
def read_built_in() -> dict[str, str]:
    """The measures of the package that are for the asking, and what they say of themselves."""
    found = declared.read("measures", "measure")
    return {name: own.help for name, own in found.items() if own.facts.get("always") != "True"}


def list_names() -> list[str]:
    """The measures that may be asked for."""
    others = (name for name, own in MEASURES.items() if not own.always)
    return list(dict.fromkeys((*read_built_in(), *others)))


def check(name: str) -> None:
    """Raises ConfigError unless a measure of that name may be asked for."""
    if name not in list_names():
        always = name in declared.read("measures", "measure") or name in MEASURES
        why = "is measured always: leave it out, or" if always else f"{NOT_ALLOWED}:"
        raise ConfigError(f"--measure={name} {why} give {describe_names()}")


def describe_names() -> str:
    """The measures that may be asked for, in words."""
    return f"{'|'.join(list_names())}, or several with commas between"


def describe_built_in() -> str:
    """What each of the package's measures is, in words."""
    return " ".join(f"{name}: {help}" for name, help in read_built_in().items())
