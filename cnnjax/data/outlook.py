"""What is known of the data of a run before any are prepared or loaded: for plans."""

from collections.abc import Iterable

import numpy as np

from cnnjax.config.config import Config, request_of
from cnnjax.config.datasets import PREPARED, Where, parse
from cnnjax.data import load, source, transform
from cnnjax.data.dataset import Dataset, Split, Stream
from cnnjax.data.source import Source
from cnnjax.data.sources import check as rules
from cnnjax.data.sources import prepared, shares

FEW = 20_000  # examples that a plan reads for the sake of their classes


def check(config: Config, opened: Source, budget: int) -> None:
    """Raises ConfigError where a run asks for what its data set does not have."""
    request = request_of(config)
    side, num_train = load.find_side(opened, request), len(opened.splits["train"])
    feed = load.decide_feed(opened, request, side, budget)
    shape = load.find_shape(opened, side)
    transform.check_foreseen(config, num_train, feed, shape, opened.dtype)


def read_labels(opened: Source, split: str) -> np.ndarray:
    """The classes of all examples of a split [n] int32, which are read for that."""
    examples = source.read(opened.splits[split], 0, len(opened.splits[split]))
    return np.array([label for _, label in examples], np.int32)


def count_split(config: Config, where: Where, split: str) -> int | None:
    """How many images a split of a run's data has; None where they are not prepared yet."""
    request, name = request_of(config), parse(config.dataset)
    if name.kind in PREPARED and not prepared.is_prepared(name, where):
        return None
    return len(load.open_source(request, where).splits[split])


def describe_feed(
    config: Config, where: Where, budget: int, others: Iterable[Config] = ()
) -> str:  # fmt: skip
    """What a run would read and whether it fits the memory, in one line; notes, one line each.

    Prepares nothing. Raises ConfigError where it, or one of `others` on the same data, asks for
    what they do not have.
    """
    request, name = request_of(config), parse(config.dataset)
    if name.kind in PREPARED and not prepared.is_prepared(name, where):
        return f"{config.dataset}: not prepared yet; the first run does"
    opened = load.open_source(request, where)
    side = load.find_side(opened, request)
    shape = "x".join(map(str, load.find_shape(opened, side)))
    counts = [len(opened.splits[split]) for split in load.SPLITS]
    feed = load.decide_feed(opened, request, side, budget)
    known = {request: opened}
    for lane in (config, *others):
        own = request_of(lane)
        known[own] = known.get(own) or load.open_source(own, where)
        check(lane, known[own], budget)
    size = sum(counts[feed == "stream" :]) * load.count_bytes(opened, side)
    held = "training images streamed, the others" if feed == "stream" else "all"
    labels = opened.labels.get("test")
    if labels is None and counts[2] <= FEW:
        labels = read_labels(opened, "test")
        if feed == "memory" and sum(counts) <= FEW:
            own = {split: read_labels(opened, split) for split in load.SPLITS}
            rules.check_classes(request.dataset, opened.class_names, own)
    share = f"; {len(opened.class_names)} classes"
    if labels is not None:
        share += f", the largest {100 * shares.majority_share(labels):.1f}% of the test images"
    said = (
        *opened.notes,
        *load.note_enlarged(opened, request),
        *load.note_feed(request, counts[0], feed),
    )
    notes = "".join(f"\nnote: {request.dataset}: {note}" for note in said)
    return (
        f"{config.dataset}: {counts[0]:,} training, {counts[1]:,} validation, {counts[2]:,} test"
        f" images of {shape}; {held} in memory ({size / 2**20:,.1f} MiB){share}{notes}"
    )


def make_blank(config: Config, where: Where, budget: int) -> Dataset:
    """A run's data set as it would be fed to a device of such a budget: all images blank, and none
    takes memory. Where it is not prepared yet it has none at all.
    """  # fmt: skip
    request, name = request_of(config), parse(config.dataset)
    known = name.kind not in PREPARED or prepared.is_prepared(name, where)
    opened = load.open_source(request, where) if known else load.describe(config, where)
    side, feed = load.find_side(opened, request), "memory"
    shape, counts = load.find_shape(opened, side), [0, 0, 0]
    if known:
        feed = load.decide_feed(opened, request, side, budget)
        counts = [len(opened.splits[split]) for split in load.SPLITS]

    def blank(size: int) -> Split:
        images = np.broadcast_to(np.zeros((), opened.dtype), (size, *shape))
        return Split(images, np.broadcast_to(np.int32(0), (size,)))

    train, validation, test = map(blank, counts)
    if feed == "stream":
        train = Stream(source.Arrays(*train), train)
    positions, parts = load.find_meaning(request.dataset)
    return Dataset(
        request.dataset, len(opened.class_names), train, validation, test, fingerprint="",
        positions=positions, parts=parts,
    )  # fmt: skip
