"""Prepared TFDS data sets, read by their files alone: whoever wrote them, and by whichever version.

array_record or tfrecord; TensorFlow is never needed.
"""

import hashlib
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cnnjax.config import paths
from cnnjax.config.datasets import DataName, Request, Where
from cnnjax.config.knobs import ConfigError, RunError
from cnnjax.data.source import Example, Mapped, Say, Source, read, say_nothing
from cnnjax.data.sources import arrayrecord, memory, official, tfrecord, whole

# Where the data set's own are not train, validation and test: ImageNet's test labels are secret.
DEFAULT_SPLITS = {"imagenet2012": ("train[:99%]", "train[99%:]", "validation")}
HELD_OUT = ("train[:90%]", "train[90%:]")  # where there is no validation split
CLUSTER = "cluster"  # of an example of ours: which belong together
# Where there is no test split either; of a set with a single split, of that one.
ALL_HELD_OUT = ("{0}[:80%]", "{0}[80%:90%]", "{0}[90%:]")


def choose_splits(builder: Any, request: Request) -> dict[str, str]:
    """Which of the data set's examples train, validate and test, in TFDS's split syntax.

    Raises ConfigError where a split cannot be, or two of them share examples.
    """
    own = builder.info.splits
    train, validation, test = find_splits(builder.name, list(own), request)
    chosen = {
        "train": request.train_split or train,
        "validation": request.validation_split or validation,
        "test": request.test_split or test,
    }
    shown = {
        split: f"--{split}_split={text}{'' if getattr(request, f'{split}_split') else ' (default)'}"
        for split, text in chosen.items()
    }
    parts = {}
    for split, text in chosen.items():
        try:
            parts[split] = own[text].file_instructions
        except (KeyError, ValueError) as error:
            reason = str(error).strip("'\"").splitlines()[0]
            raise ConfigError(
                f"{shown[split]} is not a split of {builder.name}, which has"
                f" {', '.join(own)}: {reason}"
            ) from None
        if not own[text].num_examples:
            raise ConfigError(f"{shown[split]} of {builder.name} holds no examples")
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        if shared := count_shared(parts[one], parts[other]):
            raise ConfigError(
                f"{shown[one]} and {shown[other]} share {shared:,} examples: give splits that do"
                " not overlap"
            )
    return chosen


def find_splits(name: str, own: Sequence[str], request: Request) -> tuple[str, str, str]:
    """Train, validation and test of a data set that has these splits, where nothing else is asked.

    What is missing is held out of train, or of an only split. Raises ConfigError where it cannot
    be told which splits are meant and the request names not all.
    """
    if name in DEFAULT_SPLITS:
        return DEFAULT_SPLITS[name]
    tested = "test" if "test" in own else "validation"
    if "train" in own and tested in own:
        kept = "validation" in own and tested == "test"
        return ("train", "validation", tested) if kept else (*HELD_OUT, tested)
    if "train" in own or len(own) == 1:
        base = "train" if "train" in own else own[0]
        train, validation, test = (part.format(base) for part in ALL_HELD_OUT)
        return train, validation, test
    if all([request.train_split, request.validation_split, request.test_split]):
        return "", "", ""
    raise ConfigError(
        f"{name} has the splits {', '.join(own)}: say which are meant, such as"
        f" --train_split={own[0]}[:80%] --validation_split={own[0]}[80%:90%]"
        f" --test_split={own[0]}[90%:]"
    )


def count_shared(one: Any, other: Any) -> int:
    """How many examples two lists of TFDS's file instructions have in common."""
    total = 0
    for a in one:
        for b in other:
            if a.filename == b.filename:
                end = min(a.skip + a.take, b.skip + b.take)
                total += max(0, end - max(a.skip, b.skip))
    return total


def open_records(builder: Any, split: str) -> Any:
    """The serialised examples of a split, by position: a sequence of bytes."""
    import tensorflow_datasets as tfds

    instructions = builder.info.splits[split].file_instructions
    if builder.info.file_format == tfds.core.FileFormat.TFRECORD:
        return tfrecord.TFRecords(instructions)
    if builder.info.file_format != tfds.core.FileFormat.ARRAY_RECORD:
        raise RunError(
            f"{builder.data_path} holds {builder.info.file_format.value} files: cnnjax reads"
            " array_record and tfrecord"
        )
    return arrayrecord.ArrayRecords(instructions, builder.data_path)


def describe(name: DataName, request: Request, where: Where) -> Source:
    """Shape and classes of a data set, without preparing it; there are no examples.

    Raises ConfigError where TFDS knows its splits, and not which of them are meant.
    """
    given = official.find_root(where)
    root = official.cache_dir() / "remote" if "://" in given else paths.expand(given)
    builder = official.find_prepared(name, root) or official.describe_builder(
        official.full_name(name), root
    )
    if builder.info.splits:
        find_splits(builder.name, list(builder.info.splits), request)
    return make_source(name, builder, {}, lambda: "")


def is_prepared(name: DataName, where: Where) -> bool:
    """Whether a data set lies ready, or need not be asked for over a network to know."""
    root = official.find_root(where)
    return "://" in root or official.find_prepared(name, paths.expand(root)) is not None


def open_source(name: DataName, request: Request, where: Where, say: Say = say_nothing) -> Source:
    """A prepared data set to be read, prepared now if need be.

    Raises ConfigError where the request does not fit it, RunError where it cannot be had.
    """
    builder = official.open_builder(name, where, say)
    read = make_reader(builder)
    chosen = choose_splits(builder, request)
    splits = {split: Mapped(open_records(builder, text), read) for split, text in chosen.items()}
    made = make_source(name, builder, splits, lambda: hash_files(builder))
    if name.kind == "built-in" and CLUSTER in builder.info.features:
        made = made._replace(cluster=read_clusters(builder, chosen["test"]))
    notes = official.cache_notes() if name.kind == "tfds" else ()
    if not {"test", "validation"} & set(builder.info.splits) and not request.test_split:
        notes += (f"has no test images: train is {chosen['train']}, validation"
                  f" {chosen['validation']}, test {chosen['test']}",)  # fmt: skip
    cut = {
        split: chosen[split]
        for split in ("validation", "test")
        if "[" in chosen[split] and not getattr(request, f"{split}_split")
    }
    return made._replace(notes=notes, cut=cut)


def make_source(
    name: DataName, builder: Any, splits: Mapping[str, Any], find_hash: Callable[[], str]
) -> Source:
    """What a builder says of its data. Raises ConfigError where they are no images with classes."""
    keys = official.find_features(builder)
    image = builder.info.features[keys.image]
    height, width, channels = image.shape
    size = (height, width) if height and width else None
    classes = tuple(builder.info.features[keys.label].names)
    encoded = type(image).__name__ == "Image"  # a file, of whatever depth
    return Source(
        f"{builder.name} {builder.version}", classes, channels or 3, size, splits, find_hash,
        dtype=np.dtype(np.uint8 if encoded else image.np_dtype),
    )  # fmt: skip


def make_reader(builder: Any) -> Callable[[bytes], Example]:
    """What turns a serialised example into its image, still encoded, and its class."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.proto import tf_example_pb2

    keys, features = official.find_features(builder), builder.info.features
    parse_proto: Any = tf_example_pb2.Example.FromString  # pyright: ignore[reportAttributeAccessIssue]

    def read_array(raw: bytes) -> Example:
        example = features.deserialize_example_np(raw)
        return Example(example[keys.image], int(example[keys.label]))

    def read_file(raw: bytes) -> Example:
        parts = parse_proto(raw).features.feature
        label = parts[keys.label].int64_list.value[0]
        return Example(parts[keys.image].bytes_list.value[0], int(label))

    make = read_file if isinstance(features[keys.image], tfds.features.Image) else read_array

    def read_example(raw: bytes) -> Example:
        try:
            return make(raw)
        except Exception as error:  # what TFDS and protobuf raise, of many types
            raise RunError(
                f"{builder.data_path} holds an example that is not as its features.json says"
                f" ({whole.explain(error)}): {whole.WAYS.format(builder.data_path)}"
            ) from None

    return read_example


def read_clusters(builder: Any, split: str) -> np.ndarray:
    """What each example belongs to [n] int32, numbered in order of appearance."""
    from tensorflow_datasets.proto import tf_example_pb2

    parse_proto: Any = tf_example_pb2.Example.FromString  # pyright: ignore[reportAttributeAccessIssue]
    records = open_records(builder, split)
    raw = read(records, 0, len(records))
    found = [parse_proto(own).features.feature[CLUSTER].int64_list.value[0] for own in raw]
    numbers = {own: number for number, own in enumerate(dict.fromkeys(found))}
    return np.array([numbers[own] for own in found], np.int32)


def hash_files(builder: Any) -> str:
    """The hash of all files of a prepared data set; remembered, since it takes a while."""
    splits = builder.info.splits.values()
    paths = sorted(pathlib.Path(path) for split in splits for path in split.filepaths)
    stamps = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    own = hashlib.sha256(repr(stamps).encode()).hexdigest()[:24]
    place = official.cache_dir() / "hashes" / f"{own}.json"
    if known := memory.recall(place):
        return known
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    memory.keep(place, digest.hexdigest())
    return digest.hexdigest()
