"""What every kind of data offers before a pixel is decoded: examples by position."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cnnjax.data import decode

# Hears what a person should know, one line each; what begins with "warning: " he must know.
Say = Callable[[str], None]


def say_nothing(text: str) -> None:
    """Whoever asks hears nothing."""


class Example(NamedTuple):
    """One example as stored: a file's bytes, or pixels [H, W, C]."""

    image: bytes | np.ndarray
    label: int


class Mapped(Sequence):
    """A sequence whose items are made when asked for."""

    def __init__(self, items: Sequence[Any], make: Callable[[Any], Any]):
        self.items, self.make = items, make

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        return self.make(self.items[index])


class Taken(Sequence):
    """The items at some positions."""

    def __init__(self, items: Sequence[Any], places: Sequence[int]):
        self.items, self.places = items, places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any) -> Any:
        return self.items[self.places[index]]


def read(examples: Sequence[Any], start: int, stop: int) -> list[Any]:
    """The items from `start` up to `stop`, in one read where the store can."""
    places = range(start, min(stop, len(examples)))
    many = getattr(examples.items, "__getitems__", None) if isinstance(examples, Mapped) else None
    if isinstance(examples, Mapped) and many is not None:
        return [examples.make(item) for item in many(places)]
    return [examples[place] for place in places]


def spread_places(total: int, count: int) -> np.ndarray:
    """So many places of `total`, or all, evenly apart: one end of a split may be a class or two."""
    return np.linspace(0, total - 1, min(count, total)).astype(int)


class Arrays(Sequence):
    """Examples whose pixels lie in memory."""

    def __init__(self, images: np.ndarray, labels: np.ndarray):
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any) -> Example:
        return Example(self.images[index], int(self.labels[index]))


class Source(NamedTuple):
    """A data set to be read. `splits` are sequences of Example: train, validation and test."""

    name: str  # with the version; of one's own files their kind, since paths change no number
    class_names: tuple[str, ...]
    channels: int
    size: tuple[int, int] | None  # height and width, where all images share them
    splits: Mapping[str, Sequence[Example]]
    find_hash: Callable[[], str]  # of all contents; takes a while where they are large
    labels: Mapping[str, np.ndarray] = {}  # of each split, where known without the examples
    cluster: np.ndarray | None = None  # of each test example [n] int32: which belong together
    notes: tuple[str, ...] = ()  # what a person should know, one line each
    dtype: np.dtype = np.dtype(np.uint8)  # of the pixels once they are decoded
    cut: Mapping[str, str] = {}  # split -> of which part of another it is, cut by position


def to_pixels(image: bytes | np.ndarray, channels: int) -> np.ndarray:
    """The pixels [H, W, channels] of an example."""
    return decode.decode(image, channels) if isinstance(image, bytes) else image
