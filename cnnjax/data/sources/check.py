"""What labels and images may be: one rule for all sources of data.

A label is read exactly or refused, what cannot be learned is refused, what is odd is a note.
"""

import contextlib
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cnnjax.config import words
from cnnjax.config.knobs import ConfigError
from cnnjax.data import decode
from cnnjax.data.source import Example, spread_places
from cnnjax.data.sources import shares

LARGEST = 2**16 - 1  # a greater number is no class
SHOWN = 3  # names in a message
SAMPLE = 2048  # images of a split that stand for all of it where ranges are compared
UNLIKE, FAR = 2.0, 8.0  # ratios of deviations between splits: a note, no common scale
LOOKED = 256  # images of a split that are opened for their sizes


def list_names(names: Sequence[Any]) -> str:
    """The first few names, and how many more there are."""
    return words.list_first(names, SHOWN)


def read_labels(name: str, split: str, labels: Any, count: int) -> np.ndarray:
    """The class of each of `count` images as it was given: [count] int64, or text.

    Whole numbers of any type, booleans (0 and 1), text, or rows with a single 1. Raises
    ConfigError, saying why, on all that is no class.
    """
    where = f"--dataset={name}: labels of {split}"
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.size == count:
        labels = labels.reshape(count)
    if labels.ndim == 2 and len(labels) == count and labels.dtype.kind in "buif":
        if not (((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all()):
            raise ConfigError(
                f"{where} have shape {labels.shape} and rows that are not a single 1 among"
                " zeros: give one class for each image"
            )
        labels = labels.argmax(axis=1)
    if labels.shape != (count,):
        raise ConfigError(
            f"{where} have shape {labels.shape}: give one label for each of its {count} images"
        )
    if labels.dtype.kind in "OSU":
        return read_text(where, labels)
    if labels.dtype.kind not in "buif":
        raise ConfigError(f"{where} have type {labels.dtype}: give integers or text")
    if labels.dtype.kind == "f":
        labels = labels.astype(np.float64)  # 16 bits do not hold all classes
        if (odd := labels[~np.isfinite(labels) | (labels != np.trunc(labels))]).size:
            raise ConfigError(
                f"{where} hold {odd[0]}, and a class is a whole number or text: leave images"
                " without a class out; numbers cannot be predicted here"
            )
    if (negative := labels[labels < 0]).size:
        raise ConfigError(
            f"{where} hold {negative[0]:.0f} ({len(negative)} of {count}), and a class is numbered"
            " from 0 (-1 often marks images without one): leave these images out, or name classes"
            " by text"
        )
    if (large := labels[labels > LARGEST]).size:
        raise ConfigError(
            f"{where} hold {int(large[0])}, and a class is a number up to {LARGEST}: name classes"
            " by text if this is one; numbers cannot be predicted here"
        )
    return labels.astype(np.int64)


def read_text(where: str, labels: np.ndarray) -> np.ndarray:
    """Labels that are text, of any of NumPy's types. Raises ConfigError where some are not."""
    found = []
    for label in labels.tolist():
        if isinstance(label, np.ndarray) and label.size == 1:  # a cell of MATLAB's
            label = label.item()
        try:
            label = label.decode() if isinstance(label, bytes) else label
        except UnicodeDecodeError:
            raise ConfigError(f"{where} hold {label!r}, which is no UTF-8 text") from None
        if not isinstance(label, str) or not label.strip():
            raise ConfigError(f"{where} hold {label!r}: give each image the name of its class")
        found.append(unicodedata.normalize("NFC", label.strip()))
    return np.array(found)


def number_classes(
    name: str, values: Mapping[str, np.ndarray]
) -> tuple[tuple[str, ...], dict[str, np.ndarray], tuple[str, ...]]:
    """Class names, labels [n] int32 by split, and notes; classes are what occurs, in its order.

    Raises ConfigError where some splits have numbers and others text.
    """
    kinds = {split: "text" if own.dtype.kind == "U" else "numbers" for split, own in values.items()}
    if len(set(kinds.values())) > 1:
        said = " and ".join(f"those of {split} are {kind}" for split, kind in kinds.items())
        raise ConfigError(f"--dataset={name}: labels differ in kind: {said}: give all as text")
    classes = np.unique(np.concatenate([*values.values()]))
    labels = {split: np.searchsorted(classes, own).astype(np.int32)
              for split, own in values.items()}  # fmt: skip
    notes = ()
    if classes.dtype.kind != "U" and classes.tolist() != list(range(len(classes))):
        notes = (
            f"labels are {list_names(classes.tolist())}: {len(classes)} classes, in this order",
        )
    return tuple(map(str, classes)), labels, notes


def check_classes(
    name: str, class_names: Sequence[str], labels: Mapping[str, np.ndarray], grouped: bool = False
) -> tuple[str, ...]:
    """What is odd in the labels [n] of train, validation and test, one line each.

    `grouped` says that images were held out by groups. Raises ConfigError where there is nothing
    to learn: an empty split, a single class, images
    without a class, or a class that is tested and not trained.
    """
    for split, own in labels.items():
        if not len(own):
            raise ConfigError(
                f"--dataset={name} has no {split} examples, and too few to hold out"
                + (": images of a group stay together, and there are too few groups (--group_by)"
                   if grouped else "")
            )  # fmt: skip
        if own.max() >= len(class_names):
            raise ConfigError(f"--dataset={name}: some {split} examples are of class {own.max()},"
                              f" and there are {len(class_names)} classes")  # fmt: skip
        if own.min() < 0:
            raise ConfigError(
                f"--dataset={name}: some {split} examples have no class: give another split"
            )
    counts = {split: np.bincount(own, minlength=len(class_names)) for split, own in labels.items()}
    trained = counts["train"] > 0

    def named(which: np.ndarray) -> list[str]:
        return [class_names[index] for index in np.flatnonzero(which).tolist()]

    for split in ("validation", "test"):
        if strange := named((counts[split] > 0) & ~trained):
            raise ConfigError(
                f"--dataset={name} cannot be learned: class {list_names(strange)} of {split} is"
                f" not among those of train: add training images, or leave it out of {split}"
            )
    if trained.sum() < 2:
        only = "".join(f", {label}" for label in named(trained))
        raise ConfigError(f"--dataset={name} has one class{only}: nothing to learn")
    notes = []
    if absent := named(~trained):
        notes.append(f"{len(absent)} of {len(class_names)} classes have no training image, such as"
                     f" {absent[0]}")  # fmt: skip
    if untested := named(trained & (counts["test"] == 0)):
        notes.append(f"{len(untested)} of {len(class_names)} classes have no test image, such as"
                     f" {untested[0]}")  # fmt: skip
    if 2 * (single := int((counts["train"] == 1).sum())) > trained.sum():
        notes.append(f"{single} of {trained.sum()} classes have a single training image: are these"
                     " numbers to be predicted? They are learned as classes")  # fmt: skip
    return (*notes, *shares.describe_majority(class_names, labels["test"]))


def note_enlarged(
    examples: Sequence[Example], channels: int, side: int, share: float
) -> tuple[str, ...]:
    """A note where the host enlarges images to `side` x `side`, by some of all examples.

    `share` is what it keeps of an image's shorter side. What cannot be opened is passed over here.
    """
    sizes = []
    for place in spread_places(len(examples), LOOKED).tolist():
        with contextlib.suppress(decode.BadImage):
            width, height = decode.open_example(examples[place].image, channels).size
            sizes.append((height, width))
    small = [size for size in sizes if round(share * min(size)) < side]
    if not small:
        return ()
    height, width = min(small, key=min)
    of = f"the central {share:.1%} of " if share < 1 else ""
    few = f"{len(small)} of {len(sizes)} images looked at, the smallest {height}x{width},"
    which = f"images of {height}x{width}" if len(set(sizes)) == 1 else few
    return (
        f"{of}{which} are enlarged to {side}x{side} before the network sees them: a smaller"
        " --image_size costs less",
    )


def cast_images(name: str, images: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Images by split as [n, H, W, C], all uint8 or all float32.

    Bytes are what all splits hold as whole numbers from 0 to 255. Raises ConfigError where they
    are no images, differ in shape, or are not finite as float32.
    """
    shaped = {split: shape_images(name, split, own) for split, own in images.items()}
    if len(shapes := {own.shape[1:] for own in shaped.values()}) > 1:
        raise ConfigError(
            f"--dataset={name}: splits differ in shape: {', '.join(map(str, shapes))}"
        )
    if all(own.dtype.kind != "f" and own.min() >= 0 and own.max() <= 255
           for own in shaped.values()):  # fmt: skip
        return {split: own.astype(np.uint8) for split, own in shaped.items()}
    cast = {}
    for split, own in shaped.items():
        with np.errstate(over="ignore"):  # infinity is refused below
            cast[split] = own.astype(np.float32)
        if not np.isfinite(cast[split]).all():
            raise ConfigError(
                f"--dataset={name}: images of {split} hold NaN or infinity, or numbers beyond"
                " float32 (3e38): leave them out, or scale all images"
            )
    return cast


def shape_images(name: str, split: str, images: np.ndarray) -> np.ndarray:
    """Images as [n, H, W, C]. Raises ConfigError where they are none."""
    where = f"--dataset={name}: images of {split} have shape {images.shape}"
    images = images[..., None] if images.ndim == 3 else images
    if images.ndim != 4 or images.dtype.kind not in "buif" or not images.size:
        raise ConfigError(
            f"{where} and type {images.dtype}: give [n, height, width] or [n, height, width,"
            " channels], of numbers"
        )
    _, height, width, channels = images.shape
    first = channels not in (1, 3, 4) and height in (1, 3, 4)
    if first or (channels > 4 and height < width == channels):  # 13 of 16x16, say
        raise ConfigError(f"{where}, channels first: give channels last")
    return images


def compare_pixels(name: str, images: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """A note where the pixels of the splits differ in range, by samples of each [n, H, W, C].

    Raises ConfigError where they have no common scale (train in 0 to 1, test in 0 to 255), or all
    training pixels are equal.
    """
    ranges, means, deviations = {}, {}, {}
    for split, own in images.items():
        some = own[:: max(len(own) // SAMPLE, 1)]
        ranges[split] = f"{split} {some.min():g} to {some.max():g}"
        means[split] = float(some.mean(dtype=np.float64))
        deviations[split] = float(some.std(dtype=np.float64))
    said = ", ".join(ranges.values())
    if not (scale := deviations["train"]):
        raise ConfigError(f"--dataset={name}: all training pixels are equal ({said}): nothing to"
                          " learn; were fractions made integers?")  # fmt: skip
    if max(deviations.values()) > FAR * min(filter(None, deviations.values())):
        raise ConfigError(f"--dataset={name}: splits have no common scale: pixels of {said}: scale"
                          " all alike")  # fmt: skip
    apart = max(deviations.values()) > UNLIKE * min(deviations.values())
    if apart or max(abs(mean - means["train"]) for mean in means.values()) > scale:
        return (f"splits differ in brightness or contrast: pixels of {said}; one scale is used",)
    return ()
