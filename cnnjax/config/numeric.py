"""Flags of numbers that are no knobs. Imports no JAX."""

from typing import Any

from absl import flags

from cnnjax.config import words


class _IntegerParser(flags.IntegerParser):
    """Parses 1e3 as 1000, as knobs do."""

    def convert(self, argument: Any) -> int:
        return words.read_integer(argument) if isinstance(argument, str) else argument


def define_integer(
    values: flags.FlagValues, name: str, default: int | None, help: str, least: int,
    most: int | None = None,
) -> None:  # fmt: skip
    """Defines a flag of whole numbers that is no knob."""
    parser = _IntegerParser(lower_bound=least, upper_bound=most)
    serializer = flags.ArgumentSerializer()
    flags.DEFINE(parser, name, default, help, flag_values=values, serializer=serializer)


class _NumberParser(flags.FloatParser):
    """A number of at least 0, infinity among them."""

    def convert(self, argument: Any) -> float:
        value = super().convert(argument)
        if not value >= 0:
            raise ValueError("give a number >= 0")
        return value


def define_number(values: flags.FlagValues, name: str, default: float | None, help: str) -> None:
    """Defines a flag of numbers from 0 on that is no knob."""
    serializer = flags.ArgumentSerializer()
    flags.DEFINE(_NumberParser(), name, default, help, flag_values=values, serializer=serializer)
