"""The mesh on which lanes train: devices along `run` for lanes, along `data` for each batch.

Asked for by --mesh, or found from the size of a network. What devices along `data` sum has other
last bits than on one of them, so how many they are follows from the structure and the devices
alone, never from how many lanes there are, and is in the origin of a record.
"""

import collections
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import jax

from cnnjax.config import register, words
from cnnjax.config.config import Config, request_of, structure_of
from cnnjax.config.datasets import Request
from cnnjax.config.errors import ConfigError
from cnnjax.config.mesh import AUTO, MeshShape, parse_mesh
from cnnjax.data.dataset import Dataset
from cnnjax.networks import cost
from cnnjax.ops import precision
from cnnjax.sweep import placement, waiting
from cnnjax.sweep.trial import Info
from cnnjax.training import microbatch

# An accelerator shares a batch with others while each keeps so many multiplications forward, or
# bytes of activations: some milliseconds of a step, beside which adding up gradients takes little.
# From what an H100 does in a tenth of a millisecond (`placement.CHUNK_MACS`); not yet measured.
SHARE_MACS, SHARE_BYTES = 2**37, 2**33


class Described(NamedTuple):
    """What a record's origin says of a mesh, by its own names of what changes bits."""

    num_devices: int | None  # where lanes train in step
    batch_shares: int


def make_group_mesh(
    structure: Config, num_lanes: int, dataset: Dataset, asked: str = AUTO
) -> jax.sharding.Mesh:
    """The mesh on which so many lanes of a structure train, `asked` for as --mesh is.

    Raises ConfigError where there cannot be one.
    """
    info = (dataset.image_shape, dataset.num_classes)
    check(asked, [(structure, info)])
    return placement.lay_out(*find_shape(structure, num_lanes, info, asked))


def find_shape(structure: Config, num_lanes: int, info: Info, asked: str = AUTO) -> tuple[int, int]:
    """Devices along `run` and along `data`, for a mesh that can be."""
    if waiting.takes_one_device(structure, info):
        return 1, 1
    # Lanes in step always take all devices: XLA compiles batched products anew for their number.
    platform, there = find_devices()
    in_step, shape = placement.find_strategy(structure, platform) == "vmap", parse_mesh(asked)
    if shape is None and precision.is_cpu(platform):
        num_pieces = placement.count_pieces(structure, *info, platform)
        return placement.share_out_devices(there if in_step else num_lanes, num_pieces, there)
    shape = shape or MeshShape(None, _count_data(structure, info, there))
    most = shape.run or there // shape.data
    return most if in_step or placement.is_spread() else min(most, num_lanes), shape.data


def find_devices() -> tuple[str, int]:
    """The back end of the devices that there are, and how many they are on all hosts."""
    return jax.local_devices()[0].platform, jax.device_count()


def _count_data(structure: Config, info: Info, num_devices: int) -> int:
    """Accelerators that share each batch of a large network: 1, or a power of two."""
    if _mixes_foreign(structure, info):
        return 1
    measured, size, data = cost.measure(structure, *info), structure.batch_size, 1
    parts = max(size * measured.macs / SHARE_MACS, size * measured.activation_bytes / SHARE_BYTES)
    while parts >= 2 * data and num_devices % (2 * data) == 0 and size % (2 * data) == 0:
        data *= 2
    return data


def _mixes_foreign(structure: Config, info: Info) -> bool:
    """Whether a network keeps statistics of a batch by layers that are none of ours."""
    named = (("model", structure.model), ("norm", structure.norm))
    outside = any(register.find(*own).source for own in named)
    return outside and cost.measure(structure, *info).mixes_batch


def check(asked: str, groups: Iterable[tuple[Config, Info]]) -> None:
    """Raises ConfigError where structures cannot train on the mesh that is asked for."""
    shape, (_, there) = parse_mesh(asked), find_devices()
    for structure, info in groups if placement.is_spread() else ():
        if waiting.takes_one_device(structure, info):
            raise ConfigError(
                "--multihost: what calls back into Python trains on one device of a CPU: leave the"
                " flag out"
            )
    if shape is None:
        return
    flag = f"--mesh={asked}"
    if placement.is_spread() and (shape.run or there // shape.data) * shape.data < there:
        raise ConfigError(f"{flag} leaves devices out, and hosts with them, of {there}: take all")
    if (taken := (shape.run or 1) * shape.data) > there:
        raise ConfigError(f"{flag} takes {taken} devices, and there are {there}: give fewer")
    for structure, info in groups if shape.data > 1 else ():
        size = structure.batch_size
        if size % shape.data:
            raise ConfigError(
                f"{flag}: a batch of {size} images is not to be divided by {shape.data}: give"
                " another --batch_size, or fewer devices along data"
            )
        if _mixes_foreign(structure, info):
            raise ConfigError(
                f"{flag}: --model={structure.model} --norm={structure.norm} keeps statistics of a"
                " batch that devices would not share: leave out data"
            )
        if waiting.takes_one_device(structure, info):
            raise ConfigError(
                f"{flag}: what calls back into Python trains on one device of a CPU: leave out data"
            )


def describe(lane: Config, info: Info, asked: str = AUTO) -> Described:
    """What the origin of a lane says of its mesh, however many lanes there are."""
    platform, there = find_devices()
    in_step = placement.find_strategy(lane, platform) == "vmap"
    if asked == AUTO and precision.is_cpu(platform):  # of 100,000 lanes nothing is measured
        return Described(there if in_step else None, 1)
    structure = structure_of(lane)
    run, data = find_shape(structure, 1, info, asked)
    alike = data == microbatch.SHARDS and not in_step  # the bits of one device, see microbatch.py
    if alike and placement.count_pieces(structure, *info, platform) > 1:
        data = 1
    return Described(run * data if in_step else None, data)


def describe_meshes(asked: str, groups: Mapping[Config, int], infos: Mapping[Request, Info]) -> str:
    """The devices that there are, and on which mesh of them how many programs would run.

    Each is of a structure and so many lanes. Raises ConfigError where one of them cannot.
    """
    check(asked, [(structure, infos[request_of(structure)]) for structure in groups])
    found: collections.Counter[str] = collections.Counter()
    for structure, num_lanes in groups.items():
        shape = find_shape(structure, num_lanes, infos[request_of(structure)], asked)
        found[str(MeshShape(*shape))] += 1
    own = (f"{mesh} ({words.count(number, 'program')})" for mesh, number in found.most_common())
    platform, there = find_devices()
    return f"{there} of {platform}; mesh {' and '.join(own)}"
