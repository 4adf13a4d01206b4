"""Damaged files in MNIST's format, for idx:PATH."""

import gzip
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.endure import damage
from experiments.endure.damage import Built, Case

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def list_cases() -> list[Case]:
    """All of them."""
    made = [*_plain(), *_packed(), *_contents(), *_places()]
    return [Case("idx", name, build) for name, build in made]


def pack(array: np.ndarray, kind: int = 8) -> bytes:
    """An IDX file."""
    shape = array.shape[:-1] if array.ndim == 4 else array.shape
    return struct.pack(f">HBB{len(shape)}I", 0, kind, len(shape), *shape) + array.tobytes()


def name_files() -> dict[str, bytes]:
    """The data set as such files."""
    found, names = {}, {"train": "train", "validation": "validation", "test": "t10k"}
    for split, (images, labels) in damage.draw().items():
        found[f"{names[split]}-images-idx3-ubyte"] = pack(images)
        found[f"{names[split]}-labels-idx1-ubyte"] = pack(labels)
    return found


def _write(files: Mapping[str, bytes], named: str, **about: Any) -> Callable[[Path], Built]:
    def build(folder: Path) -> Built:
        for name, raw in files.items():
            (folder / name).write_bytes(raw)
        return Built(f"idx:{folder}", named, **about)

    return build


def _plain() -> Iterator[tuple[str, Callable[[Path], Built]]]:
    """Damage to files without a checksum: pixels are what the file says."""
    good, truth = name_files(), damage.draw()
    for name, head in ((IMAGES, 16), (LABELS, 8)):
        for what, raw in damage.cut(good[name]):
            yield f"{name} {what}", _write({**good, name: raw}, name)
        for what, raw in damage.flips(good[name], head, stop=head):
            yield f"{name}, {what}", _write({**good, name: raw}, "", truth=truth, may_refuse=True)
        for what, raw in damage.foreign(gzip.compress(good[name])):
            yield f"{name} {what}", _write({**good, name: raw}, name)
        yield f"{name} with more behind it", _write({**good, name: good[name] + b"\0"}, name)
    images, labels = truth["train"]
    for what, raw in damage.flips(good[IMAGES], 5, start=16):
        changed = np.frombuffer(raw, np.uint8, offset=16).reshape(images.shape)
        own = {**truth, "train": (changed, labels)}
        yield f"{IMAGES}, {what}", _write({**good, IMAGES: raw}, IMAGES, truth=own)


def _packed() -> Iterator[tuple[str, Callable[[Path], Built]]]:
    """Damage to gzipped files: it must be noticed, or have changed nothing."""
    good, truth, name = name_files(), damage.draw(), f"{IMAGES}.gz"
    rest = {other: raw for other, raw in good.items() if other != IMAGES}
    packed = gzip.compress(good[IMAGES], mtime=0)
    for what, raw in [*damage.flips(packed, 24), *damage.blank(packed, 5)]:
        yield f"{name}, {what}", _write({**rest, name: raw}, "", truth=truth, may_refuse=True)
    for what, raw in damage.cut(packed):
        yield f"{name} {what}", _write({**rest, name: raw}, name)
    for what, raw in damage.foreign(good[IMAGES]):
        yield f"{name} {what}", _write({**rest, name: raw}, name)
    for what, behind in {"noise": b"noise", "another file": packed}.items():
        yield f"{name} with {what} behind it", _write({**rest, name: packed + behind}, name)

    def bomb(folder: Path) -> Built:
        zeros = zlib.compressobj(1, wbits=31)
        parts = [zeros.compress(good[IMAGES]), *(zeros.compress(bytes(2**24)) for _ in range(64))]
        raw = b"".join([*parts, zeros.flush()])
        return _write({**rest, name: raw}, name)(folder)

    yield f"{name} with 1 GiB of zeros behind it", bomb
    vast = struct.pack(">HBBIII", 0, 8, 3, 2**32 - 1, 2**10, 2**10)
    yield f"{name} that declares 4 PB", _write({**rest, name: gzip.compress(vast)}, name)


def _contents() -> Iterator[tuple[str, Callable[[Path], Built]]]:
    """Whole files that are no images and labels."""
    good, truth = name_files(), damage.draw()
    images, labels = truth["train"]
    parts = {
        "declares 10 PB": struct.pack(">HBBIII", 0, 8, 3, 2**32 - 1, 2**11, 2**11),
        "declares 2^64 bytes": struct.pack(">HBB4I", 0, 8, 4, 2**16, 2**16, 2**16, 2**16),
        "declares no axes": struct.pack(">HBB", 0, 8, 0) + b"\7",
        "declares 255 axes": struct.pack(">HBB", 0, 8, 255) + struct.pack(">I", 1) * 255 + b"\7",
        "has no images": struct.pack(">HBBIII", 0, 8, 3, 0, 8, 8),
        "has NaN": pack(np.where(images == 0, np.nan, images).astype(">f4"), 13),
        "has infinity": pack(np.where(images == 0, np.inf, images).astype(">f8"), 14),
        "has an unknown type": pack(images, 10),
        "has fewer images": pack(images[:-1]),
        "has images of another shape": pack(images[:, :5]),
        "has images that are all alike": pack(np.zeros_like(images)),
        "has images of two axes": pack(images[:, :, 0, 0]),
    }
    for what, raw in parts.items():
        yield f"{IMAGES} {what}", _write({**good, IMAGES: raw}, "")
    for what, own in {
        "one class": pack(0 * labels),
        "negative classes": pack(labels.astype("i1") - 1, 9),
        "fractions": pack((labels + 0.5).astype(">f4"), 13),
        "NaN": pack(np.full(len(labels), np.nan, ">f4"), 13),
        "classes beyond 16 bits": pack(labels.astype(">i4") + 2**20, 12),
        "images": good[IMAGES],
        "one label more": pack(np.append(labels, labels[:1])),
    }.items():
        yield f"{LABELS} has {what}", _write({**good, LABELS: own}, "")
    wide = {**good, IMAGES: pack(images.astype(">i4"), 12), LABELS: pack(labels.astype(">i2"), 11)}
    yield "wide types", _write(wide, "", truth=truth)


def _places() -> Iterator[tuple[str, Callable[[Path], Built]]]:
    """Files that are not where or what they should be."""
    good, truth = name_files(), damage.draw()
    rest = {name: raw for name, raw in good.items() if name != IMAGES}
    yield "no labels to train", _write({n: r for n, r in good.items() if n != LABELS}, "")
    yield "images twice", _write({**good, f"own-{IMAGES}": good[IMAGES]}, IMAGES)
    yield "an empty folder", _write({}, "")
    odd = os.fsdecode(b"\xff\n-") + IMAGES
    yield "a name of odd bytes", _write({**rest, odd: good[IMAGES]}, "", truth=truth)
    yield "a name of odd bytes, cut", _write({**rest, odd: good[IMAGES][:99]}, odd)

    def put(make: Callable[[Path], Any]) -> Callable[[Path], Built]:
        def build(folder: Path) -> Built:
            built = _write(rest, "")(folder)
            make(folder / IMAGES)
            return built

        return build

    yield "images that are a folder", put(Path.mkdir)
    yield "images that are a pipe", put(os.mkfifo)
    yield "images that are a link to itself", put(lambda path: path.symlink_to(path.name))
    yield "images that are a link to nothing", put(lambda path: path.symlink_to("nothing"))
    yield "a file for a folder", lambda folder: Built(f"idx:{__file__}", "idx.py")
    yield "no folder at all", lambda folder: Built(f"idx:{folder}/none", "none")
    yield "a name too long", lambda folder: Built(f"idx:{folder}/{'n' * 999}", "nnn")
    yield "a name with a zero byte", lambda folder: Built(f"idx:{folder}/a\0b", "a\0b")
