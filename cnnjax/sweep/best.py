"""Which evaluation of a learning curve is its best, and whether there is patience for another."""

from collections.abc import Mapping, Sequence
from typing import Any

Curve = Sequence[Mapping[str, Any]]


def find_best(curve: Curve, patience: int = 0) -> int:
    """After how many steps a lane did best on validation images; 0 where it has no score.

    Of equal accuracies the lower loss counts, and of these the earlier one; with `patience`, which
    waits for a higher accuracy, the first.
    """
    scored = [line for line in curve if line["validation_accuracy"] is not None]
    if not scored:
        return 0

    def rank(line: Mapping[str, Any]) -> tuple[float, ...]:
        loss = () if patience else (-line["validation_loss"],)
        return (line["validation_accuracy"], *loss, -line["step"])

    return max(scored, key=rank)["step"]


def has_run_out(curve: Curve, patience: int) -> bool:
    """Whether so many evaluations, of any number, were without a higher accuracy than before."""
    best = find_best(curve, patience)
    return 0 < patience <= sum(line["step"] > best for line in curve)
