"""What a part of the endurance test found: a line of figures that docs quote, and the faults."""

import sys
from collections.abc import Sequence
from typing import NamedTuple

from cnnjax.config import words


class Tally(NamedTuple):
    """One part of the test, done."""

    part: str  # such as "kills"
    figures: str  # one line, such as "100 kills, 0 lost records, 0 differing bits"
    faults: tuple[str, ...]  # a line each


def say(what: str, faults: Sequence[str]) -> None:
    """A line of progress."""
    words.say(f"{what}: {words.count(len(faults), 'fault')}", sys.stderr)
