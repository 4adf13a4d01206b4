"""Arrays from a person's own files: .npz, and the IDX format of MNIST."""

import gzip
import hashlib
import pathlib
import re
import struct
import zipfile
from collections.abc import Mapping

import numpy as np

from cnnjax.data import source
from cnnjax.data.source import Arrays, Source
from cnnjax.knobs import ConfigError, RunError

PARTS = {  # split -> what its arrays end in
    "train": ("train",),
    "validation": ("val", "valid", "validation"),
    "test": ("test",),
}
IDX_PARTS = {"train": r"train", "validation": r"val(id|idation)?", "test": r"(t10k|test)"}
IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}

Pairs = Mapping[str, tuple[np.ndarray, np.ndarray]]  # images and labels by split


def open_arrays(path: str) -> Source:
    """The arrays of a .npz file: x_train, y_train, x_test, y_test (x_val, y_val), or x and y.

    Nothing in the file is unpickled. Raises ConfigError where it is no such file.
    """
    name = f"arrays:{path}"
    try:
        with np.load(pathlib.Path(path).expanduser(), allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except FileNotFoundError:
        raise ConfigError(f"--dataset={name} is not a file") from None
    except (ValueError, OSError, zipfile.BadZipFile, AttributeError) as error:
        raise ConfigError(f"--dataset={name} cannot be read: {error}") from None
    pairs = {}
    for split, endings in PARTS.items():
        for ending in endings:
            if f"x_{ending}" in arrays and f"y_{ending}" in arrays:
                pairs[split] = arrays[f"x_{ending}"], arrays[f"y_{ending}"]
    if not pairs and "x" in arrays and "y" in arrays:
        pairs["train"] = arrays["x"], arrays["y"]
    if "train" not in pairs:
        raise ConfigError(
            f"--dataset={name} holds {', '.join(arrays) or 'nothing'}: give x_train, y_train,"
            " x_test, y_test, or x and y"
        )
    return make_source(name, pairs)


def open_idx(path: str) -> Source:
    """The IDX files of a folder, named as MNIST's are, gzipped or not.

    Raises ConfigError where there are none, RunError where one is not whole.
    """
    name, root = f"idx:{path}", pathlib.Path(path).expanduser()
    if not root.is_dir():
        raise ConfigError(f"--dataset={name} is not a folder")
    files = sorted(file for file in root.iterdir() if file.is_file())
    pairs = {}
    for split, pattern in IDX_PARTS.items():
        found = {
            what: [f for f in files if re.search(rf"(^|[-_.]){pattern}[-_.]{what}", f.name)]
            for what in ("images", "labels")
        }
        if all(found.values()):
            pairs[split] = tuple(read_idx(found[what][0]) for what in ("images", "labels"))
    if "train" not in pairs:
        raise ConfigError(
            f"--dataset={name} lacks train-images-idx3-ubyte and train-labels-idx1-ubyte (or the"
            " same with .gz)"
        )
    return make_source(name, pairs)


def read_idx(path: pathlib.Path) -> np.ndarray:
    """The array of an IDX file. Raises RunError, naming it, where it is not whole."""
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
        zero, kind, rank = struct.unpack(">HBB", raw[:4])
        shape = struct.unpack(f">{rank}I", raw[4 : 4 + 4 * rank])
        values = np.frombuffer(raw, IDX_TYPES[kind], offset=4 + 4 * rank)
        if zero or values.size != np.prod(shape):
            raise ValueError(f"{values.size} values for shape {shape}")
    except (OSError, EOFError, struct.error, KeyError, ValueError) as error:
        raise RunError(f"{path} is not a whole IDX file: {error}") from None
    return values.reshape(shape)


def make_source(name: str, pairs: Pairs) -> Source:
    """The data set of these arrays; what has no arrays of its own is held out of train.

    Raises ConfigError where they do not fit together.
    """
    checked = {split: (check_images(name, split, x), check_labels(name, split, y, len(x)))
               for split, (x, y) in pairs.items()}  # fmt: skip
    shapes = {images.shape[1:] for images, _ in checked.values()}
    kinds = {images.dtype for images, _ in checked.values()}
    if len(shapes) > 1 or len(kinds) > 1:
        raise ConfigError(f"--dataset={name}: splits differ in shape or type: {shapes}, {kinds}")
    height, width, channels = shapes.pop()
    images, labels = checked["train"]
    hashes = [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
    shares = {split: share for split, share in source.SHARES.items() if split not in checked}
    held = source.split_by_hash(hashes, labels.tolist(), shares)
    splits = {split: Arrays(*arrays) for split, arrays in checked.items()}
    splits |= {split: Arrays(images[own], labels[own]) for split, own in held.items()}
    digest = hashlib.sha256()
    for split in sorted(splits):
        digest.update(splits[split].images.tobytes() + splits[split].labels.tobytes())
    num_classes = 1 + max(int(arrays.labels.max(initial=0)) for arrays in splits.values())
    copies = len(hashes) - len(set(hashes))
    notes = (f"{copies} training images are copies of others",) if copies else ()
    fingerprint = digest.hexdigest()
    return Source(name, num_classes, channels, (height, width), splits, lambda: fingerprint, notes)


def check_images(name: str, split: str, images: np.ndarray) -> np.ndarray:
    """Images as [n, H, W, C], uint8 or float32. Raises ConfigError where they are no images."""
    kind = images.dtype.kind
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or kind not in "uif" or not images.size:
        raise ConfigError(
            f"--dataset={name}: images of {split} have shape {images.shape} and type"
            f" {images.dtype}: give [n, height, width] or [n, height, width, channels], of numbers"
        )
    if images.shape[3] not in (1, 3, 4) and images.shape[1] in (1, 3, 4):
        raise ConfigError(
            f"--dataset={name}: images of {split} have shape {images.shape}, channels first:"
            " give channels last"
        )
    if kind == "f":
        if not np.isfinite(images).all():
            raise ConfigError(f"--dataset={name}: images of {split} hold NaN or infinity")
        return images.astype(np.float32)
    if images.min() < 0 or images.max() > 255:
        return images.astype(np.float32)
    return images.astype(np.uint8)


def check_labels(name: str, split: str, labels: np.ndarray, count: int) -> np.ndarray:
    """Labels as [n] int32 from 0. Raises ConfigError where they are no classes."""
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    good = labels.shape == (count,) and labels.dtype.kind in "ui" and labels.min(initial=0) >= 0
    if not good:
        raise ConfigError(
            f"--dataset={name}: labels of {split} have shape {labels.shape} and type"
            f" {labels.dtype}: give one integer from 0 for each of its {count} images"
        )
    return labels.astype(np.int32)
