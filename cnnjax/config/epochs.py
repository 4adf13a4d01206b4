"""Epochs, passes over the training images, as steps: a run and its record hold steps alone.

Imports no JAX.
"""

import fractions
import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from cnnjax.config.errors import ConfigError
from cnnjax.config.rules import KNOBS

NAME = "epochs"  # the flag; of an arm, what it sets in place of steps
MOST = 1_000_000  # beyond any use
# What decides how many training images there are, where --train_examples asks for all of them.
SOURCE = ("dataset", "train_split", "validation_split", "test_split", "group_by")
ALLOWED = "a number > 0, such as 90, 0.5 or 1/3"


def parse(text: str) -> fractions.Fraction:
    """A number of epochs, exactly. Raises ConfigError."""
    try:
        number = fractions.Fraction(text.strip())
    except (ValueError, ZeroDivisionError):
        number = fractions.Fraction(0)
    if not 0 < number <= MOST:
        raise ConfigError(f"--epochs={text} is not allowed: give {ALLOWED}, at most {MOST:,}")
    return number


def read(value: object) -> fractions.Fraction:
    """A number of epochs as a study has it; a float means its decimals. Raises ConfigError.

    0.07 is seven hundredths, and not the float that is a little more.
    """
    return value if isinstance(value, fractions.Fraction) and value > 0 else parse(str(value))


def name_source(values: Mapping[str, Any]) -> str:
    """One text for all values of the knobs with which the training images are the same."""
    return json.dumps([values[name] for name in SOURCE])


class Epochs(NamedTuple):
    """How often a run sees its training images, in place of steps."""

    number: fractions.Fraction | int
    sizes: Mapping[str, int] | None = None  # training images by `name_source`; None: not counted

    def find_steps(self, values: Mapping[str, Any]) -> int:
        """The steps of a run of these values, rounded up to whole ones.

        Where nobody has counted the images yet, as few as any run can have: all else about the
        run can be checked with them.
        """
        size = values["train_examples"]
        if not size:
            if self.sizes is None:
                return max(values["warmup_steps"], values["stop_at"]) + 1
            size = self.sizes[name_source(values)]
        return math.ceil(self.number * size / values["batch_size"])


def fill_steps(epochs: Epochs, given: Mapping[str, Any]) -> dict[str, Any]:
    """What is given, with the steps that its epochs are, if its images are counted."""
    values = {**{name: knob.default for name, knob in KNOBS.items()}, **given}
    if name_source(values) not in (epochs.sizes or {}):
        epochs = Epochs(epochs.number)
    return {**given, "steps": epochs.find_steps(values)}
