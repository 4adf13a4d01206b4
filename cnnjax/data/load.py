"""Data sets as arrays in memory, or as a stream where they are too large for that."""

import concurrent.futures
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from cnnjax.config import words
from cnnjax.config.config import Config, request_of
from cnnjax.config.datasets import PREPARED, DataName, Request, Where, parse
from cnnjax.config.knobs import ConfigError, RunError
from cnnjax.data import decode, source
from cnnjax.data.builders import drawings
from cnnjax.data.dataset import Dataset, Feed, Split, Stream
from cnnjax.data.source import Arrays, Example, Say, Source, say_nothing
from cnnjax.data.sources import check, files, folder, made, official, prepared, shares

# Data set -> where each class lies [classes, 2], and which parts its images have [classes, parts].
POSITIONS = {"dot": drawings.dot_positions}
PARTS = {"strokes": drawings.stroke_parts}
AT_ONCE = 256  # examples that a core decodes before it takes the next
SAMPLE = 2048  # training images that stand for all in the statistics of a streamed data set
SPLITS = ("train", "validation", "test")


def check_request(request: Request) -> DataName:
    """The data set's name. Raises ConfigError where a flag is given that its kind does not read."""
    name = parse(request.dataset)
    if request.group_by and name.kind != "folder":
        raise ConfigError(
            f"--group_by={request.group_by} reads the paths of folder:PATH, and {request.dataset}"
            " has none: leave it out"
        )
    for split in SPLITS:
        given = getattr(request, f"{split}_split")
        if given and name.kind not in PREPARED:
            raise ConfigError(
                f"--{split}_split={given} is for data sets of TFDS: {request.dataset} is split by"
                " its own folders or arrays"
            )
    return name


def open_source(request: Request, where: Where, say: Say = say_nothing) -> Source:
    """The data set, found or prepared. Raises ConfigError or RunError where it cannot be had."""
    name = check_request(request)
    if name.kind in PREPARED:
        return prepared.open_source(name, request, where, say)
    if name.kind == "folder":
        opened = folder.open_source(
            name.name, official.cache_dir(), where.skip_bad_files, request.group_by
        )
        return opened._replace(notes=(*official.cache_notes(), *opened.notes))
    if name.kind == "function":
        return made.open_source(name.name)
    return files.open_arrays(name.name) if name.kind == "arrays" else files.open_idx(name.name)


def load_dataset(
    config: Config, where: Where, budget: int | None = None, feed: Feed | None = None,
    say: Say = say_nothing,
) -> Dataset:  # fmt: skip
    """The data set of a run, prepared if need be; `say` is told before.

    Where the config leaves it open, it is fed as `feed` says, and without that streamed where it
    exceeds `budget` bytes. Raises RunError where it cannot be prepared, ConfigError where the
    request does not fit it.
    """
    request = request_of(config)
    opened = open_source(request, where, say)
    side = find_side(opened, request)
    feed = feed or decide_feed(opened, request, side, budget)
    streamed = feed == "stream"
    sample = train = opened.splits["train"]
    if streamed:
        sample = source.Taken(train, source.spread_places(len(train), SAMPLE).tolist())
    splits = [sample, opened.splits["validation"], opened.splits["test"]]
    try:
        loaded = [load_split(split, opened.channels, side, request.eval_crop) for split in splits]
    except decode.BadImage as error:
        raise RunError(f"--dataset={request.dataset} has an image that is none: {error}") from None
    positions, parts = find_meaning(request.dataset)
    notes = (*opened.notes, *check_loaded(request, opened, loaded, streamed))
    return Dataset(
        request.dataset, len(opened.class_names),
        Stream(train, loaded[0]) if streamed else loaded[0], *loaded[1:],
        fingerprint=find_fingerprint(opened, loaded, (positions, parts), streamed),
        positions=positions, parts=parts,
        notes=(*notes, *note_feed(request, len(train), feed)),
        class_names=opened.class_names, cluster=opened.cluster,
        test_fingerprint=hash_arrays([], loaded[2]),
    )  # fmt: skip


def check_loaded(
    request: Request, opened: Source, loaded: Sequence[Split], streamed: bool
) -> tuple[str, ...]:
    """Notes on what could not be known before the examples were read.

    Raises ConfigError where they cannot be learned. Of a stream of TFDS not all labels are known.
    """
    name, notes = request.dataset, note_enlarged(opened, request)
    by_split = dict(zip(SPLITS, loaded, strict=True))
    labels = {split: own.labels for split, own in by_split.items()}
    if not opened.labels and streamed:
        notes += shares.describe_majority(opened.class_names, labels["test"])
    elif not opened.labels:
        notes += check.check_classes(name, opened.class_names, labels)
    notes += shares.compare_shares(opened.class_names, labels, opened.cut)
    if isinstance(opened.splits["train"], Arrays):
        return notes  # compared when they were opened
    images = {split: own.images for split, own in by_split.items()}
    return (*notes, *check.compare_pixels(name, images))


def find_side(opened: Source, request: Request) -> int | None:
    """The side of the squares that the host makes of all images; None where it leaves them.

    Images that TFDS or an array declares equal are left to the network, which may resize them.
    Raises ConfigError where they differ and nobody said what to make of them, and where they are
    such that the host cannot.
    """
    wanted = request.image_size and parse(request.dataset).kind == "folder"
    if opened.size is not None and request.eval_crop == 1.0 and not wanted:
        return None
    if opened.dtype != np.uint8 or opened.channels not in (1, 3):
        channels = words.count(opened.channels, "channel")
        raise ConfigError(
            f"--dataset={request.dataset} has {opened.dtype} images of {channels}, and"
            f" --eval_crop={request.eval_crop} cuts 8-bit grey or RGB images alone: leave it out"
        )
    if not request.image_size:
        reason = "images differ in size" if opened.size is None else "--eval_crop cuts images"
        raise ConfigError(f"--dataset={request.dataset}: {reason}: give --image_size, such as 224")
    return request.image_size


def note_enlarged(opened: Source, request: Request) -> tuple[str, ...]:
    """A note where the host enlarges images."""
    side = find_side(opened, request)
    if side is None:
        return ()
    return check.note_enlarged(opened.splits["train"], opened.channels, side, request.eval_crop)


def find_shape(opened: Source, side: int | None) -> tuple[int, int, int]:
    """Height, width and channels of every image, given the side of `find_side`."""
    height, width = (side, side) if side else opened.size or (0, 0)
    return height, width, opened.channels


def count_bytes(opened: Source, side: int | None) -> int:
    """Bytes of an image in memory."""
    return math.prod(find_shape(opened, side)) * opened.dtype.itemsize


def decide_feed(opened: Source, request: Request, side: int | None, budget: int | None) -> Feed:
    """Where the training images are to be. Raises ConfigError where the others do not fit."""
    if request.feed != "auto" or budget is None:
        return "stream" if request.feed == "stream" else "memory"
    counts = {split: len(opened.splits[split]) for split in SPLITS}
    each = count_bytes(opened, side)
    train, validation, test = (count * each for count in counts.values())
    if validation + test > budget:
        own = parse(request.dataset).kind in PREPARED
        fewer = "fewer by --validation_split or --test_split, or " if own else ""
        raise ConfigError(
            f"--dataset={request.dataset}: {counts['validation']:,} validation and"
            f" {counts['test']:,} test images take {(validation + test) / 2**30:.1f} GiB, more than"
            f" the {budget / 2**30:.1f} GiB for images here: give {fewer}a smaller --image_size"
        )
    return "stream" if train + validation + test > budget else "memory"


def note_feed(request: Request, num_train: int, feed: Feed) -> tuple[str, ...]:
    """A note where training images are streamed, and whether that is this machine's doing."""
    if feed == "memory":
        return ()
    why = ""
    if request.feed == "auto":
        why = (", since they exceed what this machine holds; where they fit, runs are others: give"
               " --feed=stream for the same ones everywhere")  # fmt: skip
    return (f"{num_train:,} training images are streamed{why}",)


def load_split(examples: Sequence[Example], channels: int, side: int | None, share: float) -> Split:
    """All examples of a split in memory, decoded by all cores."""
    if isinstance(examples, Arrays) and side is None:
        images, labels = examples.images, examples.labels
    else:

        def load(start: int) -> tuple[np.ndarray, list[int]]:
            part = source.read(examples, start, start + AT_ONCE)
            images = [fit_pixels(image, channels, side, share) for image, _ in part]
            return np.stack(images), [label for _, label in part]

        with concurrent.futures.ThreadPoolExecutor() as pool:
            loaded = list(pool.map(load, range(0, len(examples), AT_ONCE)))
        images = np.concatenate([images for images, _ in loaded])
        labels = np.array([label for _, labels in loaded for label in labels], np.int32)
    return Split(images, labels)


def fit_pixels(
    image: bytes | np.ndarray, channels: int, side: int | None, share: float
) -> np.ndarray:
    """The pixels of an example, of its own size or the central square as `side` x `side`."""
    if side is None:
        return source.to_pixels(image, channels)
    opened = decode.open_example(image, channels)
    return decode.to_array(decode.fit(opened, side, share))


def find_meaning(dataset: str) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Where each class lies, and which parts its images have; None where that has no meaning."""
    position, part = POSITIONS.get(dataset), PARTS.get(dataset)
    return position and position(), part and part()


def find_fingerprint(
    opened: Source, loaded: Sequence[Split], meaning: Iterable[np.ndarray | None], streamed: bool
) -> str:
    """The hash of everything that a run reads: pixels, shapes, types, labels, classes, clusters."""
    arrays = [array for split in loaded for array in split]
    arrays += [array for array in (*meaning, opened.cluster) if array is not None]
    about = [opened.name, opened.class_names]
    about += ["streamed", opened.channels, opened.find_hash()] if streamed else []
    return hash_arrays(about, arrays)


def hash_arrays(about: Sequence[Any], arrays: Sequence[np.ndarray]) -> str:
    """The hash of some words and of the bytes of arrays, with types and shapes."""
    about = [*about, [(str(array.dtype), array.shape) for array in arrays]]
    digest = hashlib.sha256(json.dumps(about).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def describe(config: Config, where: Where) -> Source:
    """What is known of a run's data set before it is prepared: of that there are no examples.

    Files of one's own are looked through. Raises ConfigError where the request does not fit.
    """
    request = request_of(config)
    name = check_request(request)
    if name.kind in PREPARED:
        return prepared.describe(name, request, where)
    return open_source(request, where)


def find_info(opened: Source, request: Request) -> tuple[tuple[int, int, int], int]:
    """Shape of an image (height, width, channels) and number of classes."""
    return find_shape(opened, find_side(opened, request)), len(opened.class_names)


def load_info(config: Config, where: Where) -> tuple[tuple[int, int, int], int]:
    """`find_info` of what a run names; prepares nothing. Raises ConfigError as `describe`."""
    return find_info(describe(config, where), request_of(config))


def count_train(
    values: Mapping[str, Any], where: Where, prepare: bool = True, say: Say = say_nothing
) -> int:
    """How many training images there are, by the values of a run's knobs; prepares them if need be.

    Raises ConfigError where they are not prepared, and must not be for the sake of this.
    """
    request = Request(*(values[name] for name in Request._fields))
    name = check_request(request)
    if name.kind in PREPARED and not prepare and not prepared.is_prepared(name, where):
        raise ConfigError(
            f"--epochs needs the number of training images, and {request.dataset} is not prepared"
            " yet: give --steps or --train_examples, or train first"
        )
    return len(open_source(request, where, say).splits["train"])


def majority_share(dataset: Dataset) -> float:
    """The share of the test images in the most frequent class: what a constant answer gets."""
    return shares.majority_share(dataset.test.labels)
