"""Whether a name can be declared: one that a flag, a grid and a file can hold. Imports no JAX."""

import math
import re
from collections.abc import Collection
from numbers import Real
from typing import Any

from cnnjax.config import callers, hints
from cnnjax.config.errors import ConfigError

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
RECALL = "test_recall_"  # and the number of a class, or its name: metrics that there are already


def check_name(knob: str, name: Any) -> None:
    """Raises ConfigError unless it is a text that can stand in a list of values of a flag."""
    callers.check_named(name, "pooling" if knob == "pool" else knob)
    if knob == "dataset":  # has a rule of its own
        return
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ConfigError(
            f"{knob} {name!r} cannot be a name: give letters, digits, _ . or -, the first none of"
            " the last two"
        )


def check_metric(name: Any, margin: Any) -> None:
    """Raises ConfigError unless a metric may have that name and that margin."""
    check_name("metric", name)
    if name.startswith(RECALL):
        raise ConfigError(
            f"metric {name}: {RECALL}CLASS is the recall of a class: give it another name"
        )
    if isinstance(margin, bool) or not isinstance(margin, Real) or not 0 < float(margin) < math.inf:
        raise ConfigError(f"metric {name}: margin={margin!r} is not allowed: give a number > 0")


def read_names(name: str, reads: Any) -> frozenset[str]:
    """The names in `reads` of a model. Raises ConfigError where it is no list of names."""
    if isinstance(reads, str) or not hasattr(reads, "__iter__"):
        raise ConfigError(f"model {name}: reads={reads!r}: give a tuple, such as ('widths',)")
    return frozenset(reads)


def check_reads(knob: str, name: str, reads: Collection[str]) -> None:
    """Raises ConfigError unless a choice from outside reads knobs, or values of them.

    Entries are `knob`, `knob=value` and `knob@knob`, as those of the built-in models.
    """
    from cnnjax.config.rules import KNOBS  # imports the models

    if isinstance(reads, str):
        raise ConfigError(f"{knob} {name}: reads={reads!r}: give a tuple of names")
    for entry in sorted(reads):
        for read in re.split("@|=.*", entry):
            if read and read not in KNOBS:
                hint = hints.suggest(read, KNOBS, "give names of knobs")
                raise ConfigError(f"{knob} {name}: reads {read!r}, which is no knob: {hint}")


def name_plainly(name: str) -> str:
    """A metric's name in words."""
    return name.replace("_", " ")
