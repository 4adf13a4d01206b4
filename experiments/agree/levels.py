"""How far two machines agree on a case: in bits, in its losses, in its verdict. Imports no JAX."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cnnjax.records.record import Record

BITS, WITHIN, VERDICT, NOTHING = "same bits", "same within", "same verdict", "another verdict"


class Numbers(NamedTuple):
    """What a machine made of a case: plain JSON values."""

    digest: str  # of every number of every run
    losses: list[list[float | None]]  # [runs, evaluations] training losses in nats; None: diverged
    verdict: str  # on the two arms
    difference: float | None  # of their mean test accuracies


class Agreement(NamedTuple):
    """How far two machines agree on a case."""

    level: str  # BITS, WITHIN, VERDICT or NOTHING
    deviation: float  # nats, the largest of all runs and evaluations; infinite where one diverged


def sum_up(records: Sequence[Record], verdict: Mapping[str, Any]) -> Numbers:
    """The numbers of a case from its records, in order of its runs, and its row of verdicts."""
    told = [[record.scores, record.metrics] for record in records]
    text = json.dumps(told, sort_keys=True)
    losses = [[row["train_loss"] for row in record.metrics] for record in records]
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Numbers(digest, losses, verdict["verdict"], verdict["difference"])


def compare(own: Numbers, other: Numbers, tolerance: float) -> Agreement:
    """How far two machines agree; `tolerance` in nats."""
    deviation = measure_deviation(own.losses, other.losses)
    if own.digest == other.digest:
        return Agreement(BITS, deviation)
    if deviation <= tolerance and own.verdict == other.verdict:
        return Agreement(WITHIN, deviation)
    return Agreement(VERDICT if own.verdict == other.verdict else NOTHING, deviation)


def measure_deviation(
    own: Sequence[Sequence[float | None]], other: Sequence[Sequence[float | None]]
) -> float:
    """The largest difference of losses in nats; infinite where they are not of the same runs."""
    if [len(run) for run in own] != [len(run) for run in other]:
        return math.inf
    pairs = [pair for a, b in zip(own, other, strict=True) for pair in zip(a, b, strict=True)]
    return max((_subtract(a, b) for a, b in pairs), default=0.0)


def _subtract(a: float | None, b: float | None) -> float:
    if a is None or b is None:
        return 0.0 if a is b else math.inf
    return abs(a - b)
