"""Claims that are mathematics, each checked by a function."""

from typing import Literal, NamedTuple


class Outcome(NamedTuple):
    """What a check found."""

    verdict: Literal["supported", "refuted"]  # of the statement as it stands, in every case tried
    finding: str  # one sentence with the numbers, and of what the statement is true


def decide(holds: bool, finding: str) -> Outcome:
    """The outcome of a statement that holds in all cases tried, or not."""
    return Outcome("supported" if holds else "refuted", finding)
