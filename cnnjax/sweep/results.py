"""What lanes say of themselves: a learning curve line by line, and scores in the end."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy import special

from cnnjax.measures import outcome
from cnnjax.measures.examine import Examination
from cnnjax.sweep import group
from cnnjax.sweep.best import find_best
from cnnjax.sweep.placed import GroupData
from cnnjax.training import program, tally


def describe_scores(
    name: str, scores: program.Scores | tally.TrainScores, lane: int
) -> dict[str, float | None]:
    """Mean loss and accuracy of one lane, as `<name>_loss` and `<name>_accuracy`."""
    loss, correct, count = (float(total[lane]) for total in scores[:3])
    return {f"{name}_loss": loss / count, f"{name}_accuracy": correct / count}


def describe_lane(segment: group.Segment, lane: int, step: int) -> dict[str, Any]:
    """A line of a lane's learning curve, after a segment, in NumPy, that ends in an evaluation.

    It is after `step` steps, some at least.

    `constant_loss` is the training loss of the best constant prediction on the same targets: the
    entropy of their mean. `diverged_at` is the first step, from 1, whose loss was no number: from
    there on a lane has no score.
    """
    assert segment.validation is not None
    sums, diverged_at = tally.read_sums(segment.states.sums), segment.states.diverged_at
    scores = describe_scores("train", sums, lane)
    mean = np.asarray(sums.targets[lane], np.float64)
    scores["constant_loss"] = float(special.entr(mean / mean.sum()).sum())
    scores |= describe_scores("validation", segment.validation, lane)
    last = segment.states.last._asdict()
    scores |= {name: float(value[lane]) for name, value in last.items()}
    if first := int(diverged_at[lane]):
        return {"step": step, **dict.fromkeys(scores), "diverged_at": first}
    return {"step": step, **scores}


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
    patience: int = 0,
) -> Finished:
    """Final scores of a lane, a failed one's too (`outcome.hide` takes those away), and answers.

    `by_image` holds what was measured on each test image. With `patience` all is of the network
    after the best evaluation, and scores say after how many steps that was, and of how many.
    """
    best = find_best(curve, patience) if patience else 0  # 0 where there is no score at all
    judged = [line for line in curve if not best or line["step"] <= best]
    own = jax.tree.map(lambda value: np.asarray(value[lane]), found)
    real = np.asarray(data.test.mask).ravel() > 0
    labels = np.asarray(data.test.labels).ravel()[real]
    validated = own["validation"][np.asarray(data.validation.mask).ravel() > 0]
    scores = {key: value for key, value in judged[-1].items() if key.startswith("validation")}
    if patience:
        scores |= {"best_step": judged[-1]["step"], "trained_steps": curve[-1]["step"]}
    scores["initial_loss"] = float(begun.loss[lane] / begun.count[lane])
    images, others = outcome.finish(own["measures"], real, data.spec)
    means, images = outcome.summarise(images, labels)
    scores |= means | others
    scores |= {
        "num_train_examples": data.num_train,
        "num_pool_examples": data.num_pool,
        "drawn_by_seed": data.spec.drawn,
    }
    scores |= outcome.describe_failure(curve, scores["test_loss"], judged[-1])
    images["validation_accuracy"] = validated
    scores["by_image"] = outcome.pack(images, labels, data.clusters)
    answers = own["predicted"][real], own["probability"][real], labels
    return Finished(scores, None if scores["failed"] else answers)
