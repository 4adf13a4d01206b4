"""Arrays from a person's own files: .npz, .npy and .mat, and the IDX format of MNIST."""

import hashlib
import pathlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cnnjax.config import datasets, paths, words
from cnnjax.config.knobs import ConfigError
from cnnjax.data.source import Arrays, Source
from cnnjax.data.sources import check, containers, holdout

SPLITS = {  # what stands before or behind a name; nothing means train
    "train": ("", "train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
WORDS = {  # what arrays may be called; where several are there, the first of these is read
    "images": ("x", "images", "image", "imgs", "img", "pixels", "data", "inputs", "features"),
    "labels": ("y", "labels", "label", "targets", "target", "classes", "class"),
}
USUAL = re.compile(r"[xy](_(train|val|valid|validation|test))?")  # names that need no note
IDX_PARTS = {"train": r"train", "validation": r"val(id|idation)?", "test": r"(t10k|test)"}


class Meaning(NamedTuple):
    """What the name of an array says."""

    split: str
    what: str  # images or labels
    rank: tuple[int, int]  # the least is read, where several arrays mean the same


MEANINGS = {
    text: Meaning(split, what, (-len(end), rank))
    for split, ends in SPLITS.items()
    for what, words in WORDS.items()
    for end in ends
    for rank, word in enumerate(words)
    for text in (end + word, word + end)
}

Pairs = Mapping[str, tuple[Any, Any]]  # images and labels by split


def open_arrays(path: str) -> Source:
    """The arrays of a .npz or .mat file, or of the .npy files of a folder.

    By their names: x_train, y_train, x_test, y_test (x_val, y_val), or x and y, or what else
    WORDS and SPLITS have. Nothing is unpickled. Raises ConfigError where there are none.
    """
    name, place = f"arrays:{path}", paths.expand(path)
    try:
        keys, load = containers.open_container(place)
        chosen, notes = choose_arrays(name, keys)
        arrays = {key: load(key) for pair in chosen.values() for key in pair}
    except FileNotFoundError:
        raise ConfigError(f"--dataset={name} is not a file") from None
    except ConfigError:
        raise
    except Exception as error:  # of as many types as there are readers
        raise ConfigError(f"--dataset={name} cannot be read: {containers.explain(error)}") from None
    pairs = {split: (arrays[x], arrays[y]) for split, (x, y) in chosen.items()}
    return make_source(name, pairs, notes)


def choose_arrays(
    name: str, keys: Iterable[str]
) -> tuple[dict[str, tuple[str, str]], tuple[str, ...]]:
    """The names of images and labels by split, and a note where they are not the usual ones.

    Raises ConfigError where there is no train, or a split lacks one of the two.
    """
    found: dict[tuple[str, str], list[tuple[tuple[int, int], str]]] = {}
    keys = list(keys)
    for key in keys:
        if meaning := MEANINGS.get(re.sub(r"[\W_]", "", key).lower()):
            found.setdefault((meaning.split, meaning.what), []).append((meaning.rank, key))
    chosen, said = {}, []
    for split in SPLITS:
        own = {what: sorted(found.get((split, what), [])) for what in WORDS}
        if not any(own.values()) and split != "train":
            continue
        for what, candidates in own.items():
            if not candidates and split == "train":
                raise ConfigError(
                    f"--dataset={name} holds {', '.join(keys) or 'no arrays'}: give x_train,"
                    " y_train, x_test, y_test, or x and y"
                )
            if not candidates:
                there = next(iter(sorted(sum(own.values(), []))))[1]
                raise ConfigError(f"--dataset={name} holds {there} and no {what} of {split}: give"
                                  " both, or leave it out")  # fmt: skip
            if len({rank for rank, _ in candidates[:2]}) < len(candidates[:2]):
                (_, one), (_, other) = candidates[:2]
                raise ConfigError(f"--dataset={name} holds {one} and {other}, which may both be"
                                  f" {what} of {split}: give one")  # fmt: skip
        chosen[split] = own["images"][0][1], own["labels"][0][1]
        said.append(f"{split} {' and '.join(chosen[split])}")
    read = {key for pair in chosen.values() for key in pair}
    rest = [key for key in keys if key not in read]
    if rest or not all(USUAL.fullmatch(key) for key in read):
        more = f"; not read: {check.list_names(rest)}" if rest else ""
        return chosen, (f"read as images and labels of {', of '.join(said)}{more}",)
    return chosen, ()


def open_idx(path: str) -> Source:
    """The IDX files of a folder, named as MNIST's are, gzipped or not.

    Raises ConfigError where there are none or several of a kind, RunError where one is not whole.
    """
    name, root = f"idx:{path}", paths.expand(path)
    if not root.is_dir():
        raise ConfigError(f"--dataset={name} is not a folder")
    files = sorted(file for file in root.iterdir() if file.is_file() and file.name[0] != ".")
    pairs = {}
    for split, pattern in IDX_PARTS.items():
        found: dict[str, dict[str, pathlib.Path]] = {}
        for what in WORDS:
            like = re.compile(rf"(^|[-_.]){pattern}[-_.]{what}")
            found[what] = {f.name.removesuffix(".gz"): f for f in files if like.search(f.name)}
            if len(found[what]) > 1:
                raise ConfigError(f"--dataset={name} holds several files of {what} of {split}"
                                  f" ({check.list_names(list(found[what]))}): give a folder with"
                                  " one")  # fmt: skip
        if any(found.values()) and not all(found.values()) and split != "train":
            there = next(iter(found["images"] or found["labels"]))
            raise ConfigError(f"--dataset={name} holds {there} alone: give both images and labels"
                              f" of {split}, or leave it out")  # fmt: skip
        if all(found.values()):
            pairs[split] = tuple(
                containers.read_idx(next(iter(own.values()))) for own in found.values()
            )
    if "train" not in pairs:
        raise ConfigError(
            f"--dataset={name} lacks train-images-idx3-ubyte and train-labels-idx1-ubyte (or the"
            " same with .gz)"
        )
    return make_source(name, pairs)


def make_source(
    name: str, pairs: Pairs, notes: tuple[str, ...] = (),
    number: Callable[..., Any] = check.number_classes,
) -> Source:  # fmt: skip
    """The data set of these arrays; what has no arrays of its own is held out of train.

    `number` finds the classes. Raises ConfigError where they do not fit together.
    """
    last = counts_last(name, pairs)
    arranged = {split: np.moveaxis(np.asarray(x), -1, 0) if last else np.asarray(x)
                for split, (x, _) in pairs.items()}  # fmt: skip
    if last:
        notes += (f"images of {', '.join(pairs)} are counted along the last axis",)
    images = check.cast_images(name, arranged)
    values = {split: check.read_labels(name, split, y, len(images[split]))
              for split, (_, y) in pairs.items()}  # fmt: skip
    class_names, labels, said = number(name, values)
    notes += (*said, *check.compare_pixels(name, images))
    hashes = {split: [hashlib.sha256(image.tobytes()).hexdigest() for image in own]
              for split, own in images.items()}  # fmt: skip
    shares = {split: share for split, share in holdout.SHARES.items() if split not in images}
    held = holdout.split_by_hash(hashes["train"], labels["train"].tolist(), shares)
    splits = {split: Arrays(images[split], labels[split]) for split in images}
    splits |= {split: Arrays(images["train"][own], labels["train"][own])
               for split, own in held.items()}  # fmt: skip
    labels = {split: splits[split].labels for split in SPLITS}
    notes += check.check_classes(name, class_names, labels)
    if copies := len(hashes["train"]) - len(set(hashes["train"])):
        said = words.count(copies, "training image is a copy", "training images are copies")
        notes += (f"{said} of others",)
    notes += count_shared(hashes)
    digest = hashlib.sha256()
    for split in sorted(splits):
        digest.update(splits[split].images.tobytes() + splits[split].labels.tobytes())
    fingerprint = digest.hexdigest()
    height, width, channels = images["train"].shape[1:]
    return Source(
        datasets.without_path(name), class_names, channels, (height, width), splits,
        lambda: fingerprint, labels, notes=notes, dtype=images["train"].dtype,
    )  # fmt: skip


def counts_last(name: str, pairs: Pairs) -> bool:
    """Whether images are counted along the last axis, as in MATLAB's files often: one rule for all.

    Raises ConfigError where splits contradict each other.
    """
    first, last = [], []
    for split, (x, y) in pairs.items():
        images, labels = np.shape(x), np.shape(y)
        count = np.size(y) if 1 in labels else labels[0] if labels else 0
        if len(images) in (3, 4):
            first += [split] if images[0] == count else []
            last += [split] if images[-1] == count else []
    only_first, only_last = set(first) - set(last), set(last) - set(first)
    if only_first and only_last:
        raise ConfigError(
            f"--dataset={name}: images of {check.list_names(sorted(only_last))} are counted along"
            f" the last axis, those of {check.list_names(sorted(only_first))} along the first: give"
            " all along one"
        )
    return bool(only_last)


def count_shared(hashes: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """A note where images of one split, by their hashes, are in another too."""
    places = Counter(image for own in hashes.values() for image in set(own))
    shared = sum(count > 1 for count in places.values())
    said = words.count(shared, "image lies", "images lie")
    return (f"{said} in several splits",) if shared else ()
