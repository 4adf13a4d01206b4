"""What a study may compare: how each metric is read from a record, and how it is shown."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from cnnjax.store import Record


class Metric(NamedTuple):
    """One number a run. `share` is shown in per cent, its differences in points."""

    label: str
    margin: float  # differences below this do not matter, unless a study says otherwise
    read: Callable[[Record], float]
    share: bool = True
    unit: str = ""  # of what is no share


def _score(name: str) -> Callable[[Record], float]:
    def read(record: Record) -> float:
        value = record.scores.get(name)
        return math.nan if value is None else float(value)

    return read


def _failed(record: Record) -> float:
    """1 where the loss is no number, or in the end no lower than before the first step."""
    end, start = record.metrics[-1]["train_loss"], record.scores["initial_loss"]
    return float(record.scores["diverged"] or end is None or not end < start)


def _steps_to(target: float) -> Callable[[Record], float]:
    """Steps to the first evaluation that reaches a validation accuracy; all where none does."""

    def read(record: Record) -> float:
        for line in record.metrics:
            if (line["validation_accuracy"] or 0.0) >= target:
                return float(line["step"])
        return float(record.config["steps"])

    return read


KINDS = (
    "gaussian", "salt", "pepper", "dropped", "blur", "contrast", "translation", "rotation", "scale"
)  # fmt: skip
METRICS: Mapping[str, Metric] = {
    "test_accuracy": Metric("test accuracy", 0.005, _score("test_accuracy")),
    "validation_accuracy": Metric("validation accuracy", 0.005, _score("validation_accuracy")),
    "test_loss": Metric("test loss", 0.02, _score("test_loss"), share=False, unit="nats"),
    "initial_loss": Metric(
        "loss before training", 0.1, _score("initial_loss"), share=False, unit="nats"
    ),
    "test_ece": Metric("calibration error", 0.005, _score("test_ece")),
    "test_ece_scaled": Metric("calibration error, scaled", 0.005, _score("test_ece_scaled")),
    "test_brier": Metric("Brier score", 0.005, _score("test_brier"), share=False),
    "test_brier_scaled": Metric(
        "Brier score, scaled", 0.005, _score("test_brier_scaled"), share=False
    ),
    "test_overconfidence": Metric(
        "confidence above accuracy", 0.005, _score("test_overconfidence")
    ),
    "test_position_error": Metric(
        "position error", 0.1, _score("test_position_error"), share=False, unit="pixels"
    ),
    "fc_correlation": Metric("rank correlation", 0.05, _score("fc_correlation"), share=False),
    "shift_consistency": Metric("shift consistency", 0.01, _score("shift_consistency")),
    "failed": Metric("runs that fail to converge", 0.05, _failed),
    "steps_to_80": Metric("steps to 80%", 10, _steps_to(0.8), share=False, unit="steps"),
    "steps_to_90": Metric("steps to 90%", 10, _steps_to(0.9), share=False, unit="steps"),
    **{
        f"auc_{kind}": Metric(f"accuracy under {kind}", 0.01, _score(f"auc_{kind}"))
        for kind in KINDS
    },
}


def describe(metric: str) -> dict[str, Any]:
    """How a metric is shown, as plain values."""
    found = METRICS[metric]
    return {"label": found.label, "share": found.share, "unit": found.unit}
