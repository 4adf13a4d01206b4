"""A group's data on the devices, measured and placed once for all groups that see them alike."""

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from cnnjax.config.config import Config
from cnnjax.data import batches, transform
from cnnjax.data.dataset import Dataset, Stream
from cnnjax.data.prepare import make_prepare
from cnnjax.data.source import Example
from cnnjax.networks import models
from cnnjax.sweep import placement, start
from cnnjax.training import program

Made = TypeVar("Made")


class GroupData(NamedTuple):
    """What the lanes of a group train and are judged on, on the devices."""

    spec: program.DataSpec
    train: program.TrainData | None  # None where it is streamed
    validation: batches.Batches
    test: batches.Batches
    stream: Sequence[Example] | None = None  # the training examples as stored, if streamed
    num_train: int = 0  # images that each run trains on
    num_pool: int = 0  # images that these are taken from
    clusters: np.ndarray | None = None  # what each test image is of [images], where known


class Shared:
    """What groups of one data set have in common, made once, whichever of them asks first."""

    def __init__(self):
        self._made: dict[Hashable, Any] = {}
        self._lock = threading.Lock()

    def recall(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` gave for that key."""
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            return self._made[key]


def place_data(
    structure: Config, dataset: Dataset, mesh: jax.sharding.Mesh, shared: Shared | None = None
) -> GroupData:
    """The group's data on every device of the mesh, as uint8.

    Groups of one data set that hand on `shared` hold the same arrays wherever they see the same
    pixels. Raises ValueError where the training split holds fewer examples than asked for.
    """
    shared = shared or Shared()
    num_pool, num_train = dataset.num_train, structure.train_examples or dataset.num_train
    transform.check(structure, dataset)
    view = transform.view_of(structure, dataset)
    seen = shared.recall(view, lambda: transform.transform(structure, dataset))
    train = shared.recall((view, mesh), lambda: _place(_find_training(seen), mesh))
    at_once = placement.count_at_once(structure, seen, placement.platform_of(mesh))
    validation, test = shared.recall(
        (view, mesh, at_once),
        lambda: _place(
            [batches.pad_batches(*own, at_once) for own in (seen.validation, seen.test)], mesh
        ),
    )
    pixels = shared.recall(
        (view, structure.standardise),
        lambda: transform.measure_pixels(structure, seen.sample.images),
    )
    spec = make_spec(structure, seen, pixels)
    stream = seen.train.examples if isinstance(seen.train, Stream) else None
    return GroupData(spec, train, validation, test, stream, num_train, num_pool, seen.cluster)


def _find_training(dataset: Dataset) -> program.TrainData | None:
    """None where it is streamed."""
    return None if isinstance(dataset.train, Stream) else program.TrainData(*dataset.train)


def _place(arrays: Any, mesh: jax.sharding.Mesh) -> Any:
    """A tree of arrays on every device of the mesh."""
    return placement.put(arrays, NamedSharding(mesh, PartitionSpec()))


def make_spec(
    structure: Config, dataset: Dataset, measured: transform.Pixels | None = None
) -> program.DataSpec:
    """What a program must know of a data set (already transformed), whose pixels are `measured`."""
    images = dataset.sample.images
    pixels = measured or transform.measure_pixels(structure, images)
    prepare = make_prepare(structure, pixels.mean, pixels.std)
    filters = models.find_filters(structure, images, prepare)
    found = start.load(structure, dataset.image_shape, dataset.num_classes)
    drawn = transform.draws_by_seed(structure, dataset)
    return program.DataSpec(
        image_shape=dataset.image_shape, num_classes=dataset.num_classes, drawn=drawn,
        num_train=drawn and structure.train_examples or len(images),
        filters=filters, **pixels._asdict(),
        positions=dataset.positions, parts=dataset.parts, streamed=dataset.feed == "stream",
        start=found and (found.params, found.stats),
    )  # fmt: skip
