"""The training data of a group, segment by segment: in memory once, or a stream of chunks.

Of a stream each host reads what its devices take: their lanes, and of each batch their share.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import NamedSharding

from cnnjax.config.config import Config
from cnnjax.data import stream
from cnnjax.sweep import placement
from cnnjax.sweep.placed import GroupData
from cnnjax.training import optimizers, program


class Part(NamedTuple):
    """What a device takes of a stream."""

    lane: int
    share: int  # of each batch, from 0


def describe_chunk(
    structure: Config, reach: int, numbers: optimizers.Numbers, data: GroupData,
    mesh: jax.sharding.Mesh,
) -> program.TrainData:  # fmt: skip
    """Shapes of the images and labels that a stream gives the lanes for so many steps.

    Devices along `data` have, one after the other, their shares of all these steps.
    """
    sharding = NamedSharding(mesh, placement.STREAMED)
    leading = (len(numbers["seed"]), reach * structure.batch_size)
    shape = (*leading, *data.spec.image_shape)
    return program.TrainData(
        jax.ShapeDtypeStruct(shape, data.validation.images.dtype, sharding=sharding),
        jax.ShapeDtypeStruct(leading, np.int32, sharding=sharding),
    )


def open_feed(
    structure: Config, numbers: optimizers.Numbers, data: GroupData, step: int,
    lengths: Sequence[int], reach: int, mesh: jax.sharding.Mesh,
) -> Iterator[program.TrainData | None]:  # fmt: skip
    """The training data of each segment: always the same, unless they are streamed."""
    if data.stream is None:
        return itertools.cycle([data.train])
    seeds = _find_seeds(numbers)
    shares = mesh.shape["data"]
    parts = [Part(lane, share) for lane in seeds for share in _find_shares(mesh)]
    streams = stream.open_streams(
        structure, data.stream, [seeds[part.lane] for part in parts], step, data.spec.image_shape,
        [part.share for part in parts], shares,
    )  # fmt: skip
    shape = describe_chunk(structure, reach, numbers, data, mesh)
    return (_place(chunk, parts, shape) for chunk in stream.make_chunks(streams, lengths, reach))


def _find_seeds(numbers: optimizers.Numbers) -> dict[int, int]:
    """The seeds of the order, of those lanes that train on devices of this host."""
    found: dict[int, int] = {}
    for shard in numbers["seed_order"].addressable_shards:
        first = shard.index[0].start or 0
        found |= {first + at: int(seed) for at, seed in enumerate(np.asarray(shard.data))}
    return dict(sorted(found.items()))


def _find_shares(mesh: jax.sharding.Mesh) -> list[int]:
    """Which shares of a batch the devices of this host take."""
    own = np.vectorize(lambda device: device.process_index == jax.process_index())(mesh.devices)
    return np.flatnonzero(own.any(axis=0)).tolist()


def _place(
    chunk: stream.Chunk, parts: Sequence[Part], shapes: program.TrainData
) -> program.TrainData:
    """A chunk [parts, images of a share, ...] on the devices that take its parts."""
    rows = {part: row for row, part in enumerate(parts)}

    def place(own: np.ndarray, whole: jax.ShapeDtypeStruct) -> jax.Array:
        size = own.shape[1]

        def cut(index: Any) -> np.ndarray:
            lanes = range(*index[0].indices(whole.shape[0]))
            share = (index[1].start or 0) // size
            return own[[rows[Part(lane, share)] for lane in lanes]]

        return jax.make_array_from_callback(whole.shape, whole.sharding, cut)

    return program.TrainData(place(chunk.images, shapes[0]), place(chunk.labels, shapes[1]))
