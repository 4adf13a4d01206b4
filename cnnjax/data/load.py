"""Data sets as arrays in memory, read through TFDS; prepared first where that was never done."""

import hashlib
import os
import pathlib
import subprocess
import sys
from typing import NamedTuple

import filelock
import numpy as np
import platformdirs

from cnnjax.data import drawings
from cnnjax.knobs import ConfigError, RunError

BUILDERS = {  # data set -> module and class of its builder
    "digits": ("digits", "CnnjaxDigits"),
    "mnist1d": ("generated", "CnnjaxMnist1d"),
    "dot": ("generated", "CnnjaxDot"),
    "gratings": ("generated", "CnnjaxGratings"),
    "shapes": ("generated", "CnnjaxShapes"),
}
POSITIONS = {"dot": drawings.dot_positions}  # data set -> where each class lies [classes, 2]


class Split(NamedTuple):
    """Examples in a fixed order."""

    images: np.ndarray  # [n, height, width, channels] uint8, or float32 where pixels are no bytes
    labels: np.ndarray  # [n] int32


class Dataset(NamedTuple):
    """A data set in memory, with the hash of all its examples and labels."""

    name: str
    num_classes: int
    train: Split
    validation: Split
    test: Split
    fingerprint: str
    positions: np.ndarray | None = None  # row and column of each class [classes, 2], in pixels


def find_data_dir(given: str | None) -> pathlib.Path:
    """The folder of prepared data sets that was asked for, or else the user's."""
    return pathlib.Path(given) if given else default_data_dir()


def default_data_dir() -> pathlib.Path:
    """Where prepared data sets lie unless --data_dir says otherwise."""
    return pathlib.Path(platformdirs.user_cache_dir("cnnjax")) / "data"


def make_builder(name: str, data_dir: pathlib.Path):
    """The TFDS builder of a data set. TFDS is imported here, since `--help` must not wait."""
    import importlib

    module, builder = BUILDERS[name]
    make = getattr(importlib.import_module(f"cnnjax.data.{module}"), builder)
    return make(data_dir=os.fspath(data_dir), file_format="array_record")


def is_prepared(name: str, data_dir: pathlib.Path) -> bool:
    """Whether the data set lies ready under `data_dir`."""
    builder = make_builder(name, data_dir)
    return builder.data_path.exists() and builder.is_prepared()  # TFDS warns of a missing folder


def prepare_dataset(name: str, data_dir: pathlib.Path) -> None:
    """Writes the data set under `data_dir` in a child process; two at once wait for each other.

    Raises RunError where that fails.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(data_dir / f"{name}.lock"):
        if is_prepared(name, data_dir):
            return
        command = [sys.executable, "-m", "cnnjax.data.prepare", name, os.fspath(data_dir)]
        child = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if child.returncode != 0:
        reason = (child.stderr.strip().splitlines() or ["no message"])[-1]
        raise RunError(f"data set {name} could not be prepared in {data_dir}: {reason}")


def load_dataset(name: str, data_dir: pathlib.Path) -> Dataset:
    """Reads a data set, preparing it if need be. Raises RunError where it cannot be prepared."""
    if not is_prepared(name, data_dir):
        prepare_dataset(name, data_dir)
    builder = make_builder(name, data_dir)
    splits = [_read_split(builder, split) for split in ("train", "validation", "test")]
    digest = hashlib.sha256(f"{name} {builder.version}".encode())
    for split in splits:
        digest.update(split.images.tobytes())
        digest.update(split.labels.tobytes())
    num_classes = builder.info.features["label"].num_classes
    positions = POSITIONS[name]() if name in POSITIONS else None
    train, validation, test = splits
    return Dataset(name, num_classes, train, validation, test, digest.hexdigest(), positions)


def _read_split(builder, split: str) -> Split:
    examples = list(builder.as_data_source(split=split))
    images = np.stack([example["image"] for example in examples])
    labels = np.array([example["label"] for example in examples], np.int32)
    return Split(images, labels)


def load_info(name: str, data_dir: pathlib.Path) -> tuple[tuple[int, int, int], int]:
    """Shape of an image (height, width, channels) and number of classes; prepares nothing."""
    features = make_builder(name, data_dir).info.features
    return features["image"].shape, features["label"].num_classes


def check_train_examples(dataset: Dataset, num_examples: int) -> None:
    """Raises ConfigError where the training split holds fewer than `num_examples`."""
    available = len(dataset.train.labels)
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
    keep = num_examples or len(dataset.train.labels)
    return dataset._replace(train=Split(dataset.train.images[:keep], dataset.train.labels[:keep]))
