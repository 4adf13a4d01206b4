"""Programs compiled ahead of time for TPUs that are not here, by the real compiler.

Nothing is run, placed or looked for: shapes alone go in. `slices.leave_hardware_alone` comes first.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import topologies
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from cnnjax.config.config import Config
from cnnjax.config.errors import ConfigError, RunError
from cnnjax.data.batches import Batches
from cnnjax.sweep import trial
from cnnjax.sweep.group import GroupData
from cnnjax.training import program

COLLECTIVES = re.compile(
    r" (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(?:-start)?\("
)


class Described(NamedTuple):
    """What the compiler says of an executable."""

    device_bytes: int  # that each device must hold while it runs
    code_bytes: int  # of the program itself, on each device
    flops: float  # of all the loop's body once, by XLA's count
    collectives: dict[str, int]  # how many of each kind


def find_devices(topology: str) -> list[Any]:
    """Compile-only devices of a slice, such as v6e:2x2.

    Raises ConfigError on a topology that the compiler does not know, RunError where it does not
    start.
    """
    jax.config.update("jax_platforms", "cpu")
    shape = [int(side) for side in re.findall(r"\d+", topology.partition(":")[2])]
    # A host has 2x2 chips, unless there are not so many.
    alone: dict[str, Any] = {}
    if np.prod(shape, initial=1) == 1:
        alone["chips_per_host_bounds"] = (1, 1, 1)
    try:
        found = topologies.get_topology_desc(platform="tpu", topology_name=topology, **alone)
    except Exception as error:
        raise explain(error, topology) from None
    return list(found.devices)


def explain(error: Exception, topology: str) -> Exception:
    """What the compiler says as it starts, in one line: of its topology, of its lock, or other."""
    said = " ".join(str(error).split())[:200]
    if "INVALID_ARGUMENT" in said:
        return ConfigError(
            f"--topology={topology} is not known to the compiler: give one such as v5e:2x2 or"
            f" v6e:2x2 ({said})"
        )
    if "lockfile" in said or "already in use" in said:
        return RunError(
            "another process holds the TPU compiler: run this again once that has ended, or remove"
            f" the lock if none runs ({said})"
        )
    return RunError(f"the TPU compiler did not start ({said})")


def make_mesh(devices: Sequence[Any], data: int = 1) -> Mesh:
    """A mesh of devices, so many of them for each batch and the rest for lanes."""
    grid = np.array(devices).reshape(-1, data)
    return Mesh(grid, ("run", "data"), axis_types=(AxisType.Auto,) * 2)


def describe_numbers(structure: Config, num_lanes: int, mesh: Mesh) -> dict[str, Any]:
    """Shapes of the traced numbers of so many lanes, spread over a mesh."""
    spread = NamedSharding(mesh, PartitionSpec("run"))
    return trial.describe_numbers(structure, (num_lanes,), spread)


def describe_data(
    spec: program.DataSpec, splits: Sequence[tuple[int, int]], mesh: Mesh,
    dtype: Any = np.uint8, num_train: int | None = None,
) -> GroupData:  # fmt: skip
    """Shapes of a group's data, on every device of a mesh.

    `splits` has batches and their size of validation and test split. `num_train` images lie on the
    devices, as many as the program trains on unless it is given.
    """
    everywhere = NamedSharding(mesh, PartitionSpec())
    shape = spec.image_shape

    def describe(*sizes: int, dtype: Any = np.float32) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(sizes, dtype, sharding=everywhere)

    validation, test = (
        Batches(
            describe(*sizes, *shape, dtype=dtype), describe(*sizes, dtype=np.int32),
            describe(*sizes),
        )
        for sizes in splits
    )  # fmt: skip
    size = num_train or spec.num_train
    train = program.TrainData(describe(size, *shape, dtype=dtype), describe(size, dtype=np.int32))
    streamed = spec.streamed
    return GroupData(
        spec, None if streamed else train, validation, test, stream=() if streamed else None
    )


def describe(compiled: Any) -> Described:
    """What an executable's compiler says of it."""
    memory, cost = compiled.memory_analysis(), compiled.cost_analysis() or {}
    found = COLLECTIVES.findall(compiled.as_text())
    return Described(
        memory.argument_size_in_bytes + memory.output_size_in_bytes
        + memory.temp_size_in_bytes - memory.alias_size_in_bytes,
        memory.generated_code_size_in_bytes,
        float(cost.get("flops", 0.0)),
        {kind: found.count(kind) for kind in dict.fromkeys(found)},
    )  # fmt: skip


def name_collectives(counts: dict[str, int]) -> str:
    """'2 all-reduce, 1 all-gather', or 'none'."""
    return ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "none"
