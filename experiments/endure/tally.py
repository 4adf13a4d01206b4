"""What a part of the endurance test found: a line of figures that docs quote, and the faults."""

from typing import NamedTuple


class Tally(NamedTuple):
    """One part of the test, done."""

    part: str  # such as "kills"
    figures: str  # one line, such as "100 kills, 0 lost records, 0 differing bits"
    faults: tuple[str, ...]  # a line each
