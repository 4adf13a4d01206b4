"""Values of one knob with which another one is read, also of names that come later. No JAX."""

from collections.abc import Sequence
from typing import NamedTuple

from cnnjax.config import register


class But(NamedTuple):
    """Every value but these: right for names that are registered later, too."""

    names: tuple[str, ...]

    def __contains__(self, value: object) -> bool:
        return value not in self.names

    def among(self, choices: Sequence[str]) -> tuple[str, ...]:
        """Those of some choices that it allows."""
        return tuple(name for name in choices if name in self)


class Readers(NamedTuple):
    """The names of a knob that say that they read another one."""

    knob: str
    read: str

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str) and register.reads(self.knob, value, self.read)

    def among(self, choices: Sequence[str]) -> tuple[str, ...]:
        """Those of some choices that read it."""
        return tuple(name for name in choices if name in self)


Allowed = tuple[str, ...] | range | But | Readers


def but(*names: str) -> But:
    """Every value of a knob but these."""
    return But(names)
