"""The rule: what an interval of a difference makes of what was claimed. Imports no JAX."""

import math
from collections.abc import Sequence
from typing import Literal

Verdict = Literal["supported", "refuted", "equivalent", "inconclusive"]
Finding = Literal["ahead", "behind", "equivalent", "open"]
Relation = Literal[">", "<", "=", "!="]  # what a claim says of a against b
Role = Literal["headline", "part", "secondary"]
MEANING = {  # of what a claim comes to, for readers
    "supported": "the interval shows what the statement says",
    "refuted": "the interval contradicts the statement",
    "equivalent": "any difference is shown to be smaller than the margin that would matter",
    "in part": "some of the things that the statement says are shown, and not all",
    "depends": "it holds on some data sets and is shown not to on others",
    "inconclusive": "the interval leaves open whether the statement holds",
}


def decide(
    relation: Relation, low: float, high: float, margin: float, threshold: float | None = None
) -> tuple[Finding, Verdict]:
    """What an interval of the difference shows, and what that makes of the claim.

    "A leads B": equivalent inside the margin, supported above 0, refuted below. "By more than a
    threshold": by the side on which the interval lies. "No difference": supported inside the
    margin, refuted beyond it. "Some difference": supported off 0, refuted inside the margin.
    """
    if math.isnan(low) or math.isnan(high):
        return "open", "inconclusive"
    inside = threshold is None and -margin < low and high < margin
    finding: Finding = "ahead" if low > 0 else "behind" if high < 0 else "open"
    if inside:
        finding = "equivalent"
    if relation == "=":
        refuted = low > margin or high < -margin
        return finding, "supported" if inside else "refuted" if refuted else "inconclusive"
    if relation == "!=":
        apart = low > 0 or high < 0
        return finding, "refuted" if inside else "supported" if apart else "inconclusive"
    if inside:
        return finding, "equivalent"
    if relation == "<":
        low, high = -high, -low
        threshold = threshold if threshold is None else -threshold
    border = threshold or 0.0
    return finding, "supported" if low > border else "refuted" if high < border else "inconclusive"


def combine(verdicts: Sequence[str]) -> str:
    """The verdict on a claim of several parts: all must hold (intersection-union, Berger 1982).

    Where one depends on the data set, the whole does.
    """
    if "depends" in verdicts:
        return "depends"
    supported = [verdict == "supported" for verdict in verdicts]
    if all(supported):
        return "supported"
    if any(supported):
        return "in part"
    return "refuted" if "refuted" in verdicts else "inconclusive"
