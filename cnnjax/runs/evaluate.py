"""How a kept network does on images that it was not made for."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from cnnjax.config import words
from cnnjax.config.config import override
from cnnjax.config.datasets import Where
from cnnjax.config.errors import ConfigError
from cnnjax.data import load, transform
from cnnjax.data.dataset import Dataset
from cnnjax.data.source import Say, say_nothing
from cnnjax.measures import calibration
from cnnjax.runs import files
from cnnjax.runs.images import check_images
from cnnjax.runs.run import Run, calibrate
from cnnjax.study.recognised import Share, count_answers, make_share, share_of

ALL = "all"  # splits
# Knobs of training that could refuse a data set which is only scored.
WHOLE: dict[str, Any] = {
    "train_examples": 0, "batch_size": 1, "draw": "first", "seed_draw": -1, "init_from": "",
    "shuffle_labels": False, "shift": 0, "cutout": 0,
}  # fmt: skip
SHOWN = 5  # names in a refusal


class Opened(NamedTuple):
    """A data set as a run sees it."""

    dataset: Dataset
    order: list[int]  # the run's class for each class of it
    streamed: bool  # whether its training images are no more than a sample


class Evaluation(NamedTuple):
    """The scores of a network on a split of a data set."""

    dataset: str
    split: str
    accuracy: Share
    loss: float  # mean negative log-likelihood, in nats
    ece: float  # expected calibration error (Guo et al. 2017)
    ece_scaled: float | None  # the same, calibrated on the run's own validation images
    by_class: dict[str, Share]  # of the images of each class
    confusion: np.ndarray  # [classes, classes] images of a class (row) by what they are taken for


def evaluate(
    run: Run, dataset: str | None, where: Where, split: str = "test", say: Say = say_nothing
) -> Evaluation:
    """Scores a run on a split of a data set of the same classes, its own where none is named.

    Classes are known by their names, in whatever order; `say` is told what a person should know.
    Raises ConfigError where classes are others, or images of another shape or range than the
    network takes.
    """
    seen, order, streamed = open_dataset(run, dataset, where, say)
    if split != "test" and streamed:
        raise ConfigError(f"{seen.name} is streamed: --split=test is all that can be scored")
    parts = {"test": seen.test, "validation": seen.validation, "train": seen.sample}
    total = sum(len(part.labels) for part in parts.values())
    if dataset is not None and split == "test" and len(parts["test"].labels) < total:
        said = f"{len(parts['test'].labels):,} of {total:,} images"
        say(f"{seen.name}: {said} are its test split; --split=all scores all")
    chosen = [*parts.values()] if split == ALL else [parts[split]]
    images = np.concatenate([part.images for part in chosen])
    labels = np.concatenate([part.labels for part in chosen])
    images = match_pixels(run, images, seen.name, say)
    return score(run, run.answer(images), np.asarray(order)[labels], seen.name, split)


def open_dataset(run: Run, dataset: str | None, where: Where, say: Say = say_nothing) -> Opened:
    """A data set as a run sees it, its own where none is named.

    Raises ConfigError where classes are others than the run's, or images of another shape.
    """
    given = {} if dataset is None else {"dataset": dataset}
    config = dataclasses.replace(override(run.config, given), **WHOLE)
    loaded = load.load_dataset(config, where, say=say)
    order = match_classes(run, loaded)
    if loaded.image_shape != run.input.image_shape:
        there, here = (
            "x".join(map(str, own)) for own in (loaded.image_shape, run.input.image_shape)
        )
        raise ConfigError(f"{config.dataset} has images of {there}, and this network takes {here}")
    seen = transform.transform(config, loaded._replace(train=loaded.sample))
    return Opened(seen._replace(name=config.dataset), order, loaded.feed == "stream")


def match_pixels(run: Run, images: np.ndarray, name: str, say: Say) -> np.ndarray:
    """The images in the range of pixels that a run was trained on.

    Raises ConfigError where nothing tells how they come there.
    """
    high, scale = float(images.max(initial=0)), files.find_scale(run)
    if scale != 1 and high > files.DIM:
        say(f"pixels of {name}, 0 to 255, are 0 to {files.BRIGHTEST * scale:g} here")
        return images * np.float32(scale)
    if scale == 1 and high <= files.DIM and run.input.pixels.high > files.DIM:
        raise ConfigError(
            f"{name} has pixels up to {high:g}, and this network was trained on pixels up to"
            f" {run.input.pixels.high:g}: give images in that range"
        )
    return check_images(images, run.input.image_shape, run.input.pixels.low)


def match_classes(run: Run, dataset: Dataset) -> list[int]:
    """For each class of a data set its column of `predict`. Raises ConfigError where one has none.

    Classes that are only numbered must be as many.
    """
    own, there = run.class_names, dataset.class_names
    if not there or not run.input.class_names:
        if dataset.num_classes != run.input.num_classes:
            raise ConfigError(
                f"{dataset.name} has {dataset.num_classes} classes, and this network tells"
                f" {run.input.num_classes}"
            )
        return list(range(dataset.num_classes))
    if unknown := [name for name in there if name not in own]:
        raise ConfigError(
            f"{dataset.name} has classes that this network does not tell:"
            f" {words.list_first(unknown, SHOWN)}"
        )
    return [own.index(name) for name in there]


def score(
    run: Run, probabilities: np.ndarray, labels: np.ndarray, name: str, split: str
) -> Evaluation:
    """The scores of answers [N, classes] to images of these classes [N]."""
    if not len(labels):
        raise ConfigError(f"{name} has no {split} images")
    predicted, classes = probabilities.argmax(axis=-1), run.class_names
    confusion = count_answers(labels, predicted, len(classes))
    plain = _calibration_of(probabilities, labels)
    scaled = None
    if run.temperature is not None:
        scaled = float(_calibration_of(calibrate(probabilities, run.temperature), labels).ece)
    return Evaluation(
        name, split, make_share(int(confusion.trace()), len(labels)),
        float(np.asarray(plain.loss, np.float64).mean()), float(plain.ece), scaled,
        {
            name: share_of(confusion, place)
            for place, name in enumerate(classes) if confusion[place].sum()
        },
        confusion,
    )  # fmt: skip


def _calibration_of(probabilities: np.ndarray, labels: np.ndarray) -> calibration.Calibration:
    logits = jnp.log(jnp.maximum(probabilities, np.finfo(np.float32).tiny))
    mask = jnp.ones(len(labels), jnp.float32)
    return calibration.calibrate(logits, jnp.asarray(labels, jnp.int32), mask)


def list_confused(evaluation: Evaluation, names: Sequence[str]) -> list[tuple[str, str, int]]:
    """The classes most often taken for another: true, taken for, how many images."""
    wrong = evaluation.confusion - np.diag(np.diag(evaluation.confusion))
    places = np.argsort(wrong, axis=None, kind="stable")[::-1]
    pairs = (divmod(int(place), len(names)) for place in places)
    return [(names[row], names[col], int(wrong[row, col])) for row, col in pairs if wrong[row, col]]
