"""What a study may compare: how each metric is read from a record, and how it is shown."""

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from cnnjax.config import register
from cnnjax.measures.packing import unpack_values
from cnnjax.records.record import Record


def _none(record: Record) -> float:
    return 0.0


class Metric(NamedTuple):
    """One number a run. `share` is shown in per cent, its differences in points."""

    label: str
    margin: float  # differences below this do not matter, unless a study says otherwise
    read: Callable[[Record], float]  # NaN where the run failed
    share: bool = True
    unit: str = ""  # of what is no share
    resolution: Callable[[Record], float] = _none  # least step between two scores
    # What the metric is the mean of [images], NaN for images that do not count; None where it is
    # no such mean, or was not kept.
    images: Callable[[Record], np.ndarray | None] = lambda record: None
    counts_failures: bool = False
    measure: str = ""  # what a lane is measured by for it, where that must be asked for


def _score(name: str) -> Callable[[Record], float]:
    def read(record: Record) -> float:
        value = record.scores.get(name)
        return math.nan if value is None else float(value)

    return read


def has_failed(record: Record) -> bool:
    """Whether a run failed; older records say only whether it diverged."""
    return bool(record.scores.get("failed", record.scores.get("diverged", False)))


def _read_failed(record: Record) -> float:
    return float(has_failed(record))


def _images(name: str) -> Callable[[Record], np.ndarray | None]:
    def read(record: Record) -> np.ndarray | None:
        kept = record.scores.get("by_image") or {}
        return unpack_values(kept[name]).astype(np.float32) if name in kept else None

    return read


def _one_image(record: Record) -> float:
    return 1 / record.scores["num_test_examples"]


def _one_evaluation(record: Record) -> float:
    return float(record.config["eval_every"] or record.config["steps"])


def _mean(
    name: str, label: str, margin: float, share: bool = True, unit: str = "", counted: bool = True,
    measure: str = "",
) -> Metric:  # fmt: skip
    """A mean over the test images; `counted` where each counts as right or wrong."""
    resolution = _one_image if counted else _none
    return Metric(
        label, margin, _score(name), share, unit, resolution, _images(name), measure=measure
    )


def _steps_to(target: float) -> Callable[[Record], float]:
    """Steps to the first evaluation that reaches a validation accuracy; all where none does."""

    def read(record: Record) -> float:
        if has_failed(record):
            return math.nan
        for line in record.metrics:
            if (line["validation_accuracy"] or 0.0) >= target:
                return float(line["step"])
        return float(record.config["steps"])

    return read


def _steps(target: float) -> Metric:
    label = f"steps to {100 * target:.0f}%"
    return Metric(label, 10, _steps_to(target), False, "steps", resolution=_one_evaluation)


def _recall(place: int) -> Metric:
    """The share of the test images of a class, by its number, that are recognised."""

    def images(record: Record) -> np.ndarray | None:
        correct, labels = _images("test_accuracy")(record), _images("label")(record)
        if correct is None or labels is None:
            return None
        return np.where(labels == place, correct, np.nan)

    def read(record: Record) -> float:
        own = images(record)
        known = None if own is None else own[np.isfinite(own)]
        return math.nan if known is None or not len(known) else float(np.mean(known))

    def resolution(record: Record) -> float:
        own = images(record)
        return 0.0 if own is None else 1 / max(int(np.isfinite(own).sum()), 1)

    label = f"recall of class {place}"
    return Metric(label, 0.005, read, resolution=resolution, images=images)


def _area(kind: str) -> Metric:
    return _mean(f"auc_{kind}", f"accuracy under {kind}", 0.01, measure="robustness")


CORRUPTIONS = register.read_home("corruption")  # by kind
METRICS: Mapping[str, Metric] = {
    "test_accuracy": _mean("test_accuracy", "test accuracy", 0.005),
    "test_balanced_accuracy": _mean("test_balanced_accuracy", "balanced accuracy", 0.005),
    "validation_accuracy": Metric("validation accuracy", 0.005, _score("validation_accuracy")),
    "test_loss": _mean("test_loss", "test loss", 0.02, False, "nats", counted=False),
    "initial_loss": Metric(
        "loss before training", 0.1, _score("initial_loss"), share=False, unit="nats"
    ),
    "test_ece": Metric("calibration error", 0.005, _score("test_ece")),
    "test_ece_scaled": Metric("calibration error, scaled", 0.005, _score("test_ece_scaled")),
    "test_brier": _mean("test_brier", "Brier score", 0.005, share=False, counted=False),
    "test_brier_scaled": _mean(
        "test_brier_scaled", "Brier score, scaled", 0.005, share=False, counted=False
    ),
    "test_overconfidence": _mean(
        "test_overconfidence", "confidence above accuracy", 0.005, counted=False
    ),
    "test_position_error": _mean(
        "test_position_error", "position error", 0.1, False, "pixels", counted=False
    ),
    "fc_correlation": Metric("rank correlation", 0.05, _score("fc_correlation"), share=False),
    "shift_consistency": _mean(
        "shift_consistency", "shift consistency", 0.01, measure="robustness"
    ),
    "failed": Metric("runs that fail to converge", 0.05, _read_failed, counts_failures=True),
    "steps_to_80": _steps(0.8),
    "steps_to_90": _steps(0.9),
    **{f"auc_{kind}": _area(kind) for kind in CORRUPTIONS},
}


@functools.cache
def find(name: str) -> Metric:
    """The metric of that name; `test_recall_3` is the recall of class 3. Raises KeyError."""
    head, _, place = name.rpartition("_")
    if head == "test_recall" and place.isdecimal():
        return _recall(int(place))
    return METRICS[name]


def list_measures(names: Iterable[str]) -> tuple[str, ...]:
    """What must be measured for these metrics besides what always is."""
    return tuple(sorted({find(name).measure for name in names} - {""}))
