"""What a finished run scored, image by image and in the mean, and whether it failed.

A score that is a mean over test images is kept image by image too, so that a comparison can
answer for other images than these.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cnnjax.config import guard, register
from cnnjax.config.measured import FACTS
from cnnjax.data.spec import DataSpec
from cnnjax.measures.packing import pack_values


def finish(
    found: Mapping[str, Mapping[str, np.ndarray]], real: np.ndarray, spec: DataSpec
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Values [images] by score, and scores that are no means of such, by what measures found.

    `real` says which of the measured images are no padding; `spec` is that of the data.
    """
    images: dict[str, np.ndarray] = {}
    scores: dict[str, Any] = {}
    for name, values in found.items():
        values = {key: value[..., real] if value.ndim else value for key, value in values.items()}
        for key, value in finish_measure(name, values, spec).items():
            if isinstance(value, np.ndarray) and value.ndim:
                images[key] = value
            else:
                scores[key] = value if isinstance(value, dict) else float(value)
    return images, scores


def finish_measure(
    name: str, values: Mapping[str, np.ndarray], spec: DataSpec
) -> Mapping[str, Any]:
    """The scores of one measure from what it found, without padding.

    Raises ValueError where one of logits and labels gives neither a number nor one by image.
    """
    own = register.find("measure", name)
    if not own.traits["of_logits"]:
        return own.traits["finish"](values, spec) if own.traits["finish"] else values
    labels, by_image = values["labels"], own.traits["by_image"]
    shape = labels.shape if by_image else ()
    if not np.isfinite(values["logits"]).all():  # it failed, and has no score
        return {name: np.full(shape, np.nan)}
    value = np.asarray(own.make(values["logits"].T, labels))
    if value.shape != shape:
        wanted = f"one value for each of the {len(labels)} test images" if by_image else "a number"
        said = f"metric {name} gives an array of shape {value.shape}, and not {wanted}"
        raise guard.mistake(own, said)
    return {name: value}


def summarise(
    images: Mapping[str, np.ndarray], labels: np.ndarray
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Scores, and what they are means of, from what was measured on each test image.

    `images` has values [images] by score, `labels` [images] the true classes.
    """
    own = {**images, "test_balanced_accuracy": balance(images["test_accuracy"], labels)}
    means = {name: float(np.mean(values, dtype=np.float64)) for name, values in own.items()}
    return {**means, "num_test_examples": len(labels)}, own


def balance(correct: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Right answers [images], weighted so that each class counts alike: their mean is the mean
    recall of the classes.
    """  # fmt: skip
    _, place, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    return correct * (len(labels) / (len(sizes) * sizes))[place]


def pack(images: Mapping[str, np.ndarray], labels: np.ndarray, clusters: Any) -> dict[str, str]:
    """The `by_image` entry of a record: values of each test image, and its class and cluster."""
    entry = {name: pack_values(values) for name, values in images.items()}
    entry["label"] = pack_values(labels)
    if clusters is not None:
        entry["cluster"] = pack_values(np.asarray(clusters))
    return entry


def describe_failure(
    curve: Sequence[Mapping[str, Any]], test_loss: float, judged: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Whether a run failed, by its learning curve and its loss in the end.

    It did where a loss was no number, or the training loss since the last evaluation is not below
    that of the best constant prediction on the same targets: the last before the network that is
    `judged`, where that is another than at the curve's end. `diverged_at` is the first step whose
    loss was no number, None where each was one.
    """
    last = judged or curve[-1]
    diverged_at = next((line["diverged_at"] for line in curve if "diverged_at" in line), None)
    if diverged_at is None and not np.isfinite(test_loss):
        diverged_at = last["step"]
    learned = last["train_loss"] is not None and last["train_loss"] < last["constant_loss"]
    return {
        "failed": diverged_at is not None or not learned,
        "diverged": diverged_at is not None,
        "diverged_at": diverged_at,
    }


def hide(scores: Mapping[str, Any]) -> dict[str, Any]:
    """The scores of a run for its record: a failed one has none but that it failed, and when."""
    if not scores["failed"]:
        return dict(scores)
    return {name: value if name in FACTS else None for name, value in scores.items()}
