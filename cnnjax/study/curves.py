"""Metrics of how a run went: from its learning curve, its loss before training, its rate.

Declared by being imported, as `metrics` does.
"""

import math

from cnnjax.config import register
from cnnjax.config.training import find_last_step
from cnnjax.records.record import Record

OF_FACTS = ("initial_loss_ratio",)  # of what a failed run still says


def one_evaluation(record: Record) -> float:
    """The step of what counts training steps."""
    return float(record.config["eval_every"] or find_last_step(record.config))


def steps_to(record: Record, target: float) -> float:
    """Steps to the first evaluation that reaches a validation accuracy; all where none does."""
    for line in record.metrics:
        if (line["validation_accuracy"] or 0.0) >= target:
            return float(line["step"])
    return float(find_last_step(record.config))


for _target in (80, 90):
    register.metric(
        f"steps_to_{_target}", label=f"steps to {_target}%", margin=10, unit="steps",
        resolution=one_evaluation,
    )(lambda record, target=_target / 100: steps_to(record, target))  # fmt: skip


@register.metric(
    "validation_area", label="validation accuracy, mean over training", margin=0.005, share=True
)
def find_area(record: Record) -> float:
    """The area under the validation accuracy by step, over the number of steps.

    It stays between two evaluations as it was at the later one: who is sooner right has more, and a
    run that never arrives has less, however far it is from there.
    """
    steps = [0, *(line["step"] for line in record.metrics)]
    found = [line["validation_accuracy"] or 0.0 for line in record.metrics]
    parts = [own * (end - start) for own, start, end in zip(found, steps, steps[1:], strict=False)]
    return sum(parts) / steps[-1]


@register.metric("initial_loss_ratio", label="loss before training, of a guess's", margin=0.05)
def find_initial_ratio(record: Record) -> float | None:
    """The loss before training over that of a uniform guess, the log of the number of classes."""
    loss, classes = record.score("initial_loss"), record.provenance.get("class_names")
    return None if loss is None or not classes else loss / math.log(len(classes))


@register.metric(
    "beyond_limit", label="rates above 2 / the largest eigenvalue", margin=0.05, share=True,
    counts_failures=True, measure="largest_eigenvalue",
)  # fmt: skip
def find_beyond(record: Record) -> float | None:
    """Whether the rate is above that at which gradient descent on a quadratic diverges.

    Of the curvature before the first step; the mean over a grid of rates is the share beyond.
    """
    curvature = record.score("largest_eigenvalue")
    return None if curvature is None else float(record.config["learning_rate"] * curvature > 2)
