"""Bytes damaged in ways that follow from a seed, and the small data set that they are of."""

import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

SIDE, CLASSES = 8, 3  # of the images
COUNTS = {"train": 24, "validation": 6, "test": 9}
CUTS = (0.0, 0.01, 0.25, 0.5, 0.75, 0.99)  # how much of a file is left
PETA = 10**16  # bytes that no machine has

Split = tuple[np.ndarray, np.ndarray]  # images [n, height, width, channels] and labels [n]


class Built(NamedTuple):
    """An input that was written."""

    value: str  # of --dataset, or the path that --flagfile is given
    named: str  # what a refusal names
    truth: Mapping[str, Split] | None = None  # what there is to read; None: to be refused
    may_refuse: bool = False  # whether a refusal is right beside `truth`
    noted: str = ""  # words of a note that must be there where it is read
    where: str = ""  # --data_dir


class Case(NamedTuple):
    """One damaged or hostile input."""

    kind: str
    name: str
    build: Callable[[Path], Built]  # writes it into an empty folder


def draw() -> dict[str, Split]:
    """A small data set: noise of 8 bits with labels in turn."""
    rng = np.random.default_rng(0)
    return {
        split: (
            rng.integers(0, 256, (count, SIDE, SIDE, 1), np.uint8),
            (np.arange(count) % CLASSES).astype(np.uint8),
        )
        for split, count in COUNTS.items()
    }


def cut(raw: bytes) -> Iterator[tuple[str, bytes]]:
    """The first part of a file, from nothing to all but its last byte."""
    for share in CUTS:
        yield f"cut to {share:.0%}", raw[: int(share * len(raw))]
    yield "without its last byte", raw[:-1]


def flip(raw: bytes, place: int, bit: int) -> bytes:
    """A file with one bit changed."""
    return raw[:place] + bytes([raw[place] ^ 1 << bit]) + raw[place + 1 :]


def flips(raw: bytes, count: int, start: int = 0, stop: int | None = None) -> Iterator[
    tuple[str, bytes]
]:  # fmt: skip
    """A bit changed at each of `count` places from `start` up to `stop`, spread over them."""
    rng = random.Random(len(raw))
    span = (len(raw) if stop is None else stop) - start
    for index in range(count):
        place = start + (index * span + rng.randrange(span)) // count
        bit = rng.randrange(8)
        yield f"bit {bit} of byte {place} flipped", flip(raw, place, bit)


def blank(raw: bytes, count: int, size: int = 64) -> Iterator[tuple[str, bytes]]:
    """A stretch of zeros, as a disk leaves it that lost a block, at each of `count` places."""
    for index in range(count):
        place = index * max(len(raw) - size, 0) // max(count - 1, 1)
        kept = raw[place + size :]
        yield f"zeros from byte {place}", (raw[:place] + bytes(size) + kept)[: len(raw)]


def foreign(raw: bytes) -> Iterator[tuple[str, bytes]]:
    """What is no such file at all; `raw` is one, of another kind."""
    yield "is another kind of file", raw
    yield "is text", b"these are no data\n" * 9
    yield "is a page of the web", b"<!doctype html><html><title>404</title></html>"
    yield "is zeros", bytes(4096)
    yield "is noise", random.Random(0).randbytes(4096)
    yield "is a pickle", b"\x80\x04cos\nsystem\n\x94\x8c\x04true\x94\x85\x94R\x94."
