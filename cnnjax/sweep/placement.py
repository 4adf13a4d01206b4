"""How lanes share the devices: which strategy, how many at once, on which mesh.

Lanes are spread over the devices by `shard_map`; on each device `lax.map` takes them one after
the other, or `vmap` in chunks of a size that follows from the structure alone. So a lane's numbers
are the same bits alone or among any others, and with `map` on one device or many.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from cnnjax.config import machine, rules, words
from cnnjax.config.config import KNOBS, Config, numbers_of, values_of
from cnnjax.config.errors import RunError
from cnnjax.data import batches
from cnnjax.data.dataset import Dataset
from cnnjax.networks import cost
from cnnjax.ops import precision
from cnnjax.sweep.trial import DTYPES, describe_numbers
from cnnjax.training import microbatch, optimizers, program

# A chunk of lanes is to fill an accelerator and no more: so many multiplications forward, bytes of
# activations and lanes. From what an H100 does in a tenth of a millisecond; not yet measured.
CHUNK_MACS, CHUNK_BYTES, CHUNK_LANES = 2**33, 2**30, 32
# What a device does at a stretch, before anyone may stop it or keep what it did, takes so long
# by the least that a device does: most are several times as fast. Measured on a CPU core: 12 to 35
# billion multiplications a second.
STRETCH_SECONDS = 4.0
STEP_SECONDS = 1e-4  # of any step, however little is in it
CPU_MACS, ACCELERATOR_MACS = 4e9, 1e12  # a second


# How images and labels of a stream lie: lanes, and of each the shares of its batches.
STREAMED = PartitionSpec("run", "data")


def count_pieces(
    structure: Config, image_shape: tuple[int, int, int], num_classes: int, platform: str
) -> int:
    """Pieces in which a platform trains a batch: a GPU or TPU takes it whole.

    `platform` is a JAX back end, here and below.
    """
    if not precision.is_cpu(platform):
        return 1
    return microbatch.count_pieces(structure, image_shape, num_classes)


def find_strategy(structure: Config, platform: str) -> str:
    """How the lanes of one device run: `map`, one after the other, or `vmap`, in step.

    On two CPU cores `map` is the faster one; many small networks fill an accelerator only together.
    """
    if structure.lanes_strategy == "auto":
        return "map" if precision.is_cpu(platform) else "vmap"
    return structure.lanes_strategy


def count_chunk(structure: Config, spec: program.DataSpec | Dataset, platform: str) -> int:
    """Lanes that a device trains in step, a power of two: 1 with `map`.

    Fewer lanes are filled up to a chunk, so that a lane's bits do not tell how many they were.
    """
    if find_strategy(structure, platform) == "map":
        return 1
    measured = cost.measure(structure, spec.image_shape, spec.num_classes)
    chunk = CHUNK_LANES
    while chunk > 1 and (
        chunk * structure.batch_size * measured.macs > CHUNK_MACS
        or chunk * structure.batch_size * measured.activation_bytes > CHUNK_BYTES
    ):
        chunk //= 2
    return chunk


def count_at_once(structure: Config, spec: program.DataSpec | Dataset, platform: str) -> int:
    """Images that each lane is evaluated on at once: those of a chunk of lanes are one batch."""
    measured = cost.measure(structure, spec.image_shape, spec.num_classes)
    return batches.count_at_once(measured.layer_bytes * count_chunk(structure, spec, platform))


def settle_form(structure: Config, platform: str, chunk: int) -> Config:
    """The structure in the form that its convolutions have where lanes train in step: on a GPU as
    patches times a matrix.

    Kernels of several lanes are one grouped convolution, which cuDNN takes lane by lane, forward
    and backward. Millions of images a second of all lanes on an H100, JAX 0.11.2, float32:

                     one after the other   8 in step        32              128
                     native                native   native  patches   native  patches
        digits, 32   0.03                           0.35    3.36      0.90    4.17
        cnn28, 128   0.16                  0.40     0.44    0.62
    """
    if platform != "gpu" or chunk < 2 or structure.conv_form != "auto":
        return structure
    values = values_of(structure) | {"conv_form": "patches"}
    if rules.find_obstacle(KNOBS["conv_form"], values):  # a network without such convolutions
        return structure
    return dataclasses.replace(structure, conv_form="patches")


def make_mesh(num_lanes: int, num_pieces: int = 1) -> jax.sharding.Mesh:
    """A mesh of the devices: lanes along `run`, no more than there are.

    Where devices are left over, the pieces of a batch are shared along `data`.
    """
    return lay_out(*share_out_devices(num_lanes, num_pieces, jax.device_count()))


def share_out_devices(num_lanes: int, num_pieces: int, there: int) -> tuple[int, int]:
    """Devices, of those that are there, for lanes and for each batch, which in several pieces has
    one device's bits on `microbatch.SHARDS` of them.
    """  # fmt: skip
    shared = num_pieces > 1 and num_lanes * microbatch.SHARDS <= there
    if is_spread() and there % microbatch.SHARDS:  # a device, and perhaps its host, would be left
        shared = False
    data = microbatch.SHARDS if shared else 1
    return (there // data if is_spread() else min(num_lanes, there // data)), data


def lay_out(run: int, data: int) -> jax.sharding.Mesh:
    """The mesh of so many devices along its two axes."""
    return jax.make_mesh(
        (run, data), ("run", "data"), axis_types=(AxisType.Auto,) * 2,
        devices=jax.devices()[: run * data],
    )  # fmt: skip


def is_spread() -> bool:
    """Whether devices are those of several processes: each of them then takes part in all."""
    return jax.process_count() > 1


def put(tree: Any, sharding: jax.sharding.Sharding) -> Any:
    """NumPy arrays on the devices of a sharding; each process has them whole."""
    if sharding.is_fully_addressable:
        return jax.device_put(tree, sharding)

    def place(leaf: Any) -> jax.Array:
        whole = np.asarray(leaf)
        return jax.make_array_from_callback(whole.shape, sharding, lambda index: whole[index])

    return jax.tree.map(place, tree)


def platform_of(mesh: jax.sharding.Mesh) -> str:
    """The back end of a mesh's devices."""
    return mesh.devices.flat[0].platform


def memory_budget() -> int:
    """Bytes that a program may take of each device: half of what this process may still have,
    shared by all devices of a computer, or four fifths of an accelerator's.
    """  # fmt: skip
    device = jax.local_devices()[0]
    if device.platform == "cpu":
        return machine.find_room() // 2 // len(jax.local_devices())
    return int(0.8 * (device.memory_stats() or {}).get("bytes_limit", 8 * 2**30))


def check_memory(needed: int, num_devices: int) -> None:
    """Raises RunError where a program takes more of each device than there is at all."""
    device = jax.local_devices()[0]
    if device.platform == "cpu":
        whole, needed, of = machine.find_room(), needed * num_devices, "this process may still have"
    else:
        whole, of = (device.memory_stats() or {}).get("bytes_limit", needed), "the device has"
    if needed > whole:
        asked, there = (f"{size / 2**30:.3g} GiB" for size in (needed, whole))
        raise RunError(
            f"the smallest program for these lanes takes {asked} of memory, and {of} {there}: give"
            " a smaller --batch_size or network, or another machine"
        )


def refuse(least: int, structure: Config, error: Exception) -> RunError:
    """Of what cannot be had in less: the fewest lanes that train at once did not fit the memory."""
    fewer = ""
    if least > 1 and structure.lanes_strategy != "map":
        fewer = " --lanes_strategy=map, which takes lanes one after the other,"
    refused = RunError(
        f"{words.count(least, 'lane')} at once, the fewest, did not fit the memory: give{fewer} a"
        " smaller --batch_size or network, or a machine or device that is less in use"
    )
    refused.__cause__ = error
    return refused


def data_budget() -> int:
    """Bytes that the images of a data set may take of each device; larger ones are streamed.

    The same throughout a process: what a plan says is done.
    """
    if jax.local_devices()[0].platform == "cpu":
        return machine.find_memory() // 4 // len(jax.local_devices())
    return memory_budget() // 2


def seconds_of_step(structure: Config, spec: program.DataSpec, platform: str) -> float:
    """What a training step takes of a device that trains one chunk of lanes, at most or nearly."""
    macs = cost.measure(structure, spec.image_shape, spec.num_classes).macs
    chunk = count_chunk(structure, spec, platform)
    rate = CPU_MACS if precision.is_cpu(platform) else ACCELERATOR_MACS
    return STEP_SECONDS + 3 * macs * structure.batch_size * chunk / rate


def count_most(
    structure: Config, num_lanes: int, spec: program.DataSpec, mesh: jax.sharding.Mesh
) -> int:
    """Steps that so many lanes train at a stretch."""
    platform = platform_of(mesh)
    rounds = -(-num_lanes // (mesh.shape["run"] * count_chunk(structure, spec, platform)))
    return max(int(STRETCH_SECONDS / (rounds * seconds_of_step(structure, spec, platform))), 1)


def fit_wave(
    structure: Config, num_lanes: int, spec: program.DataSpec, mesh: jax.sharding.Mesh,
    budget: int | None = None,
) -> int:  # fmt: skip
    """How many lanes train at once on a mesh: all, or as many as memory and time allow.

    Their states must fit the `budget` of a device, in bytes, or else the memory there is; a state
    counts three times: by itself, its gradients, and while it is updated. A device that trains
    chunks one after the other need not have so many that it is long until the first are done: that
    is what an interruption leaves.
    """
    platform = platform_of(mesh)
    functions = program.make_program(structure, spec, platform)
    leaves = jax.tree.leaves(jax.eval_shape(functions.init, describe_numbers(structure)))
    state_bytes = sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
    chunk = count_chunk(structure, spec, platform)
    seconds = structure.steps * seconds_of_step(structure, spec, platform)
    budget = memory_budget() if budget is None else budget
    rounds = min(budget // (3 * state_bytes * chunk), int(STRETCH_SECONDS / seconds))
    return share_out(num_lanes, mesh.shape["run"] * chunk, max(rounds, 1))


def share_out(num_lanes: int, at_once: int, rounds: int) -> int:
    """Lanes of a wave of at most so many rounds, by which least places stay empty."""
    if num_lanes <= at_once * rounds:
        return num_lanes
    sizes = (at_once * own for own in range(rounds, 0, -1))
    return min(sizes, key=lambda size: -(-num_lanes // size) * size)


def stack_numbers(
    lanes: Sequence[Config], mesh: jax.sharding.Mesh, spec: program.DataSpec, at_least: int = 0
) -> optimizers.Numbers:
    """The traced numbers of the lanes, each [lanes], spread over the mesh.

    The last lane is repeated until there are enough, and the devices share whole chunks evenly.
    """
    chunk = count_chunk(lanes[0], spec, platform_of(mesh))
    padding = max(at_least - len(lanes), 0)
    padding += -(len(lanes) + padding) % (mesh.shape["run"] * chunk)
    rows = [numbers_of(lane) for lane in (*lanes, *[lanes[-1]] * padding)]
    stacked = {
        name: np.array([row[name] for row in rows], DTYPES[KNOBS[name].type]) for name in rows[0]
    }
    return put(stacked, NamedSharding(mesh, PartitionSpec("run")))


def over_lanes(
    function: Callable, mesh: jax.sharding.Mesh, chunk: int, num_own: int,
    donate: int | None = None, read: bool = False,
) -> Callable:  # fmt: skip
    """`function` for all lanes: each of its first `num_own` arguments leads with the lane axis.

    The others are shared. Argument `donate` is gone after a call: the result takes its place. What
    is to be `read` lies on all devices where those are of several processes. Three own arguments
    are numbers, states and training data of a stream, which lie as `STREAMED` says.
    """
    spread, everywhere = PartitionSpec("run"), PartitionSpec()
    in_step = chunk if chunk > 1 else None

    def on_device(own: tuple, shared: tuple) -> Any:
        return lax.map(lambda lane: function(*lane, *shared), own, batch_size=in_step)

    own = (spread, spread, STREAMED) if num_own == 3 else spread
    spread_out = jax.shard_map(
        on_device, mesh=mesh, in_specs=(own, everywhere), out_specs=spread, check_vma=False
    )
    return jax.jit(
        lambda *arguments: spread_out(arguments[:num_own], arguments[num_own:]),
        donate_argnums=donate,
        out_shardings=NamedSharding(mesh, everywhere) if read and is_spread() else None,
    )
