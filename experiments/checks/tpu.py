"""Compiles our programs for a slice of TPUs by the real compiler, where there is no TPU.

It finds what tracing on a CPU cannot: what the compiler refuses, what a chip must hold, and which
collectives a program has. Nothing is run.
"""

import importlib.util
import os
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from cnnjax.config.config import Config

# Nobody must look for hardware, or ask a cloud's metadata server for it.
SETTINGS = {
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
}
TOPOLOGY = "v6e:2x2"
COLLECTIVES = re.compile(
    r" (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(?:-start)?\("
)
STEPS, TRAINING, TESTING = 2, 64, 32  # few: only shapes count


class Compiled(NamedTuple):
    """What the compiler says of one program."""

    network: str
    program: str
    seconds: float  # that all programs of the network took, beside the first of them
    chip_bytes: int  # that each chip must hold
    flops: float  # of all the loop's body once, by XLA's count
    collectives: str


class Failure(NamedTuple):
    """A network that the compiler, or we before it, refused."""

    network: str
    error: str


def is_installed() -> bool:
    """Whether the TPU compiler is there."""
    return importlib.util.find_spec("libtpu") is not None


def list_networks(everything: bool) -> dict[str, Config]:
    """Configs by name: three in bfloat16, or every model in both precisions."""
    from cnnjax.config.config import KNOBS, make_config

    shared = {"steps": STEPS, "eval_every": 0, "lanes_strategy": "vmap", "batch_size": 16}
    if not everything:
        chosen = {"cnn": {}, "resnet20": {}, "airbench94": {"width_multiplier": 0.125}}
        return {
            f"{model} bfloat16": make_config({"model": model, "dtype": "bfloat16", **own, **shared})
            for model, own in chosen.items()
        }
    narrow = {"width_multiplier": 0.125}
    return {
        f"{model} {dtype}": make_config(
            {
                "model": model, "dtype": dtype, **shared,
                **(narrow if _reads(model, "width_multiplier") else {}),
            }
        )
        for model in KNOBS["model"].choices
        for dtype in ("float32", "bfloat16")
    }  # fmt: skip


def _reads(model: str, name: str) -> bool:
    """Whether a knob means something to a model."""
    from cnnjax.config.config import KNOBS, find_obstacle, make_config

    values = vars(make_config({"model": model}))
    return find_obstacle(KNOBS[name], values) is None


def compile_all(everything: bool, topology: str) -> Iterator[Compiled | Failure]:
    """Compiles every program of every network, one result after the other.

    Raises ConfigError on a topology that the compiler does not know.
    """
    os.environ.update(SETTINGS)  # before JAX starts
    from cnnjax.config import layouts, register

    if not everything:  # two blocks compile in a fifth of the time of nine
        short, found = layouts.ResNet((16,), (2,)), register.CHOICES["model"]
        found["resnet20"] = found["resnet20"]._replace(make=lambda config, num_classes: short)
    mesh = make_mesh(topology)
    for name, config in list_networks(everything).items():
        try:
            yield from compile_network(name, config, mesh)
        except Exception as error:  # of our tracing or of the compiler: a row, and on with the next
            yield Failure(name, " ".join(str(error).split())[:300])


def make_mesh(topology: str) -> Any:
    """A mesh of compile-only devices, all of them for lanes."""
    import jax
    import numpy as np
    from jax.experimental import topologies
    from jax.sharding import AxisType, Mesh

    from cnnjax.config.knobs import ConfigError

    jax.config.update("jax_platforms", "cpu")
    try:
        found = topologies.get_topology_desc(platform="tpu", topology_name=topology)
    except Exception as error:
        raise ConfigError(
            f"--topology={topology} is not known to the compiler: give one such as v5e:2x2 or"
            f" v6e:2x2 ({' '.join(str(error).split())[:200]})"
        ) from None
    devices = np.array(found.devices).reshape(-1, 1)
    return Mesh(devices, ("run", "data"), axis_types=(AxisType.Auto,) * 2)


def compile_network(name: str, config: Config, mesh: Any) -> Iterator[Compiled]:
    """Compiles the programs of lanes of one config, as `group.compile_group` has them."""
    import jax
    import numpy as np
    from jax.sharding import NamedSharding, PartitionSpec

    from cnnjax.config.config import KNOBS, numbers_of, structure_of
    from cnnjax.data.batches import Batches
    from cnnjax.sweep import group, placement
    from cnnjax.training import program

    shape = (1, 40, 1) if config.model.startswith("mnist1d") else (8, 8, 1)
    structure = structure_of(config)
    spec = program.DataSpec(shape, 10, TRAINING, mean=100.0, std=50.0)
    # As many lanes as a chip trains in step: fewer would be filled up to these.
    lanes = mesh.devices.size * placement.count_chunk(structure, spec, "tpu")
    everywhere, over_run = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in ((), ("run",)))

    def describe(*sizes: int, dtype: Any = np.float32) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(sizes, dtype, sharding=everywhere)

    numbers: Any = {
        knob: jax.ShapeDtypeStruct((lanes,), placement.DTYPES[KNOBS[knob].type], sharding=over_run)
        for knob in numbers_of(structure)
    }
    split = Batches(
        describe(1, TESTING, *shape, dtype=np.uint8), describe(1, TESTING, dtype=np.int32),
        describe(1, TESTING),
    )  # fmt: skip
    train = program.TrainData(
        describe(TRAINING, *shape, dtype=np.uint8), describe(TRAINING, dtype=np.int32)
    )
    data = group.GroupData(spec, train, split, split)
    begin = time.perf_counter()
    executables = group.compile_group(structure, numbers, data, mesh, [structure.steps])
    seconds = time.perf_counter() - begin
    programs = {
        "init": executables.init,
        "advance": executables.advance[structure.steps],
        "evaluate": executables.evaluate_validation,
        "examine": executables.examine,
    }
    for place, (title, compiled) in enumerate(programs.items()):
        took = 0.0 if place else seconds  # all four were compiled in it
        yield describe_compiled(f"{name}, {lanes} lanes", title, took, compiled)


def describe_compiled(name: str, program: str, seconds: float, compiled: Any) -> Compiled:
    """What an executable's compiler says of it."""
    memory, cost = compiled.memory_analysis(), compiled.cost_analysis() or {}
    found = COLLECTIVES.findall(compiled.as_text())
    counts = {kind: found.count(kind) for kind in dict.fromkeys(found)}
    return Compiled(
        name,
        program,
        seconds,
        memory.argument_size_in_bytes + memory.output_size_in_bytes
        + memory.temp_size_in_bytes - memory.alias_size_in_bytes,
        float(cost.get("flops", 0.0)),
        ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "none",
    )  # fmt: skip


def print_results(results: Sequence[Compiled], topology: str) -> None:
    """One table of all programs."""
    from rich.console import Console

    from cnnjax.report import console as console_lib
    from cnnjax.report import text

    title = f"compiled for {topology}, batches of 16 images"
    table = console_lib.start_table(title, "network and program")
    for column in ("seconds", "each chip holds", "MFLOP", "collectives"):
        table.add_column(column, justify="right")
    for row in results:
        seconds = f"{row.seconds:.1f}" if row.seconds else ""
        size, flops = text.size(row.chip_bytes), f"{row.flops / 1e6:,.1f}"
        table.add_row(f"{row.network}: {row.program}", seconds, size, flops, row.collectives)
    console_lib.print_table(table, Console())
