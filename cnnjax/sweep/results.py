"""What lanes say of themselves: a learning curve line by line, and scores in the end."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy import stats as scipy_stats

from cnnjax.measures import outcome
from cnnjax.measures.examine import Examination
from cnnjax.sweep import group
from cnnjax.sweep.placed import GroupData
from cnnjax.training import program


def describe_scores(
    name: str, scores: program.Scores | program.TrainScores, lane: int
) -> dict[str, float | None]:
    """Mean loss and accuracy of one lane, as `<name>_loss` and `<name>_accuracy`."""
    loss, correct, count = (float(total[lane]) for total in scores[:3])
    return {f"{name}_loss": loss / count, f"{name}_accuracy": correct / count}


def describe_segment(segment: group.Segment, num_lanes: int) -> list[dict[str, Any]]:
    """A line of each lane's learning curve, after a segment, in NumPy, that ends in an evaluation.

    `constant_loss` is the training loss of the best constant prediction on the same targets: the
    entropy of their mean. `diverged_at` is the first step, from 1, whose loss was no number: from
    there on a lane has no score.
    """
    assert segment.validation is not None
    sums, diverged_at = program.read_sums(segment.states.sums), segment.states.diverged_at
    lines = []
    for lane in range(num_lanes):
        scores = describe_scores("train", sums, lane)
        mean = np.asarray(sums.targets[lane], np.float64)
        scores["constant_loss"] = float(scipy_stats.entropy(mean))
        scores |= describe_scores("validation", segment.validation, lane)
        line: dict[str, Any] = {"step": segment.step, **scores}
        if first := int(diverged_at[lane]):
            line = {"step": segment.step, **dict.fromkeys(scores), "diverged_at": first}
        lines.append(line)
    return lines


class Finished(NamedTuple):
    """What a lane comes to."""

    scores: dict[str, Any]
    answers: tuple[np.ndarray, np.ndarray, np.ndarray] | None  # as `records.predictions` has them


def finish_lane(
    curve: Sequence[dict[str, Any]],
    begun: program.Scores,
    found: Examination,
    data: GroupData,
    lane: int,
) -> Finished:
    """Final scores of a lane, a failed one's too (`outcome.hide` takes those away), and answers.

    `by_image` holds what was measured on each test image.
    """
    own = jax.tree.map(lambda value: np.asarray(value[lane]), found)
    real = np.asarray(data.test.mask).ravel() > 0
    labels = np.asarray(data.test.labels).ravel()[real]
    validated = own["validation"][np.asarray(data.validation.mask).ravel() > 0]
    scores = {key: value for key, value in curve[-1].items() if key.startswith("validation")}
    scores["initial_loss"] = float(begun.loss[lane] / begun.count[lane])
    images, others = outcome.finish(own["measures"], real, data.spec)
    means, images = outcome.summarise(images, labels)
    scores |= means | others
    scores |= {
        "num_train_examples": data.num_train,
        "num_pool_examples": data.num_pool,
        "drawn_by_seed": data.spec.drawn,
    }
    scores |= outcome.describe_failure(curve, scores["test_loss"])
    images["validation_accuracy"] = validated
    scores["by_image"] = outcome.pack(images, labels, data.clusters)
    answers = own["predicted"][real], own["probability"][real], labels
    return Finished(scores, None if scores["failed"] else answers)
