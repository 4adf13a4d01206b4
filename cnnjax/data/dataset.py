"""A data set as arrays: three splits, and what else a run reads of it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cnnjax.config.knobs import ConfigError
from cnnjax.data import source
from cnnjax.data.source import Example


class Split(NamedTuple):
    """Examples in a fixed order."""

    images: np.ndarray  # [n, height, width, channels] uint8, or float32 where pixels are no bytes
    labels: np.ndarray  # [n] int32


class Dataset(NamedTuple):
    """A data set in memory, with the hash of all its examples and labels.

    Where it is streamed, `train` holds only a sample of the training images, and `stream` all.
    """

    name: str
    num_classes: int
    train: Split
    validation: Split
    test: Split
    fingerprint: str
    positions: np.ndarray | None = None  # row and column of each class [classes, 2], in pixels
    stream: Sequence[Example] | None = None
    notes: tuple[str, ...] = ()  # what a person should know, one line each
    class_names: tuple[str, ...] = ()
    cluster: np.ndarray | None = None  # of each test image [n] int32: which belong together
    test_fingerprint: str = ""  # of the test images and their labels alone


def describe_notes(dataset: Dataset) -> list[str]:
    """What a person should know of a data set, one line each."""
    lines = [f"{dataset.name}: {note}" for note in dataset.notes]
    if dataset.stream is not None:
        lines.append(f"{dataset.name}: {len(dataset.stream):,} training images are streamed")
    return lines


def check_train_examples(dataset: Dataset, num_examples: int) -> None:
    """Raises ConfigError where the training split holds fewer than `num_examples`."""
    available = len(dataset.train.labels if dataset.stream is None else dataset.stream)
    if num_examples > available:
        raise ConfigError(
            f"--train_examples={num_examples} is more than the {available} training images"
            f" of {dataset.name}: give at most {available}, or 0 for all"
        )


def take_train(dataset: Dataset, num_examples: int) -> Dataset:
    """The data set with the first `num_examples` of its training split; 0 keeps all.

    Raises ConfigError where the split holds fewer.
    """
    check_train_examples(dataset, num_examples)
    if dataset.stream is not None:
        return dataset._replace(
            stream=source.Taken(dataset.stream, range(num_examples or len(dataset.stream)))
        )
    keep = num_examples or len(dataset.train.labels)
    return dataset._replace(train=Split(dataset.train.images[:keep], dataset.train.labels[:keep]))
