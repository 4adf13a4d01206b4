"""A data set as a run reads it: three splits, and what else is known of them."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from cnnjax.config.knobs import ConfigError
from cnnjax.data import source
from cnnjax.data.source import Example

Feed = Literal["memory", "stream"]  # where training images are, once it is decided


class Split(NamedTuple):
    """Examples in a fixed order."""

    images: np.ndarray  # [n, height, width, channels] uint8, or float32 where pixels are no bytes
    labels: np.ndarray  # [n] int32


class Stream(NamedTuple):
    """Training examples that are decoded while others train, in an order of their own."""

    examples: Sequence[Example]
    sample: Split  # from all over them, decoded: what is measured of their pixels


class Dataset(NamedTuple):
    """A data set, with the hash of all its examples and labels."""

    name: str
    num_classes: int
    train: Split | Stream
    validation: Split
    test: Split
    fingerprint: str
    positions: np.ndarray | None = None  # row and column of each class [classes, 2], in pixels
    notes: tuple[str, ...] = ()  # what a person should know, one line each
    class_names: tuple[str, ...] = ()
    cluster: np.ndarray | None = None  # of each test image [n] int32: which belong together
    test_fingerprint: str = ""  # of the test images and their labels alone
    parts: np.ndarray | None = None  # whether images of a class have a part [classes, parts]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        height, width, channels = self.test.images.shape[1:]
        return height, width, channels

    @property
    def feed(self) -> Feed:
        """Whether training images lie in memory or are streamed."""
        return "stream" if isinstance(self.train, Stream) else "memory"

    @property
    def num_train(self) -> int:
        """How many training examples there are."""
        train = self.train
        return len(train.examples if isinstance(train, Stream) else train.labels)

    @property
    def sample(self) -> Split:
        """The training examples in memory: all of them, or a stream's sample."""
        return self.train.sample if isinstance(self.train, Stream) else self.train


def describe_notes(dataset: Dataset) -> list[str]:
    """What a person should know of a data set, one line each."""
    return [f"{dataset.name}: {note}" for note in dataset.notes]


def check_train_examples(name: str, num_train: int, num_examples: int) -> None:
    """Raises ConfigError where the training split of a data set holds fewer than is asked for."""
    if num_examples > num_train:
        raise ConfigError(
            f"--train_examples={num_examples} is more than the {num_train} training images"
            f" of {name}: give at most {num_train}, or 0 for all"
        )


def take_train(dataset: Dataset, num_examples: int) -> Dataset:
    """The data set with the first `num_examples` of its training split; 0 keeps all.

    Raises ConfigError where the split holds fewer.
    """
    check_train_examples(dataset.name, dataset.num_train, num_examples)
    train, keep = dataset.train, num_examples or dataset.num_train
    if isinstance(train, Stream):
        taken = train._replace(examples=source.Taken(train.examples, range(keep)))
    else:
        taken = Split(train.images[:keep], train.labels[:keep])
    return dataset._replace(train=taken)
