"""Compiles our programs for a slice of TPUs by the real compiler, where there is no TPU.

It finds what tracing on a CPU cannot: what the compiler refuses, what a chip must hold, and which
collectives a program has. Nothing is run.
"""

import contextlib
import functools
import importlib.util
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

from cnnjax.config.config import Config
from cnnjax.config.knobs import ConfigError, RunError
from cnnjax.config.words import count

if TYPE_CHECKING:  # JAX starts where its platform is set
    from jax.sharding import Mesh
    from jax.typing import DTypeLike

# Nobody must look for hardware, or ask a cloud's metadata server for it. No chip is used, so
# others may compile beside us.
SETTINGS = {
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
}
TOPOLOGY = "v6e:2x2"
COLLECTIVES = re.compile(
    r" (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(?:-start)?\("
)
BATCH, STEPS, TRAINING, TESTING = 16, 2, 64, 32  # few: only shapes count
# How hard the compiler looks for fast code, from -1 to 1. With the least, the networks of FEW took
# a third of the time and had the same collectives, but a chip held up to ten times as much.
USUAL, LEAST = 0.0, -1.0
FEW = ("cnn", "resnet20", "airbench94")
# Published networks made small: on smaller images, with fewer hidden units.
SMALL: dict[str, dict[str, Any]] = {
    "alexnet": {"image_size": 67, "hidden": (64,)},
    "vgg11": {"image_size": 32, "hidden": (64,)},
    "vgg16": {"image_size": 32, "hidden": (64,)},
    **dict.fromkeys(("airbench94", "all_cnn_c"), {"image_size": 16}),
    "resnet20": {"width_multiplier": 1.0},  # narrow as it is
    **dict.fromkeys(("resnet18", "resnet34", "resnet50"), {"image_size": 32}),
}


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


def list_networks(models: Sequence[str], dtypes: Sequence[str]) -> dict[str, Config]:
    """Configs by name: each model in each precision, an eighth as wide where it has a width."""
    from cnnjax.config.config import make_config

    shared = {"steps": STEPS, "eval_every": 0, "lanes_strategy": "vmap", "batch_size": BATCH}
    return {
        f"{model} {dtype}": make_config(
            {"model": model, "dtype": dtype, **_narrow(model), **SMALL.get(model, {}), **shared}
        )
        for model in models
        for dtype in dtypes
    }


def _narrow(model: str) -> dict[str, Any]:
    return {"width_multiplier": 0.125} if _reads(model, "width_multiplier") else {}


def _reads(model: str, name: str) -> bool:
    """Whether a knob means something to a model."""
    from cnnjax.config.config import KNOBS, find_obstacle, make_config

    values = vars(make_config({"model": model}))
    return find_obstacle(KNOBS[name], values) is None


@contextlib.contextmanager
def few_blocks() -> Iterator[None]:
    """Within, a residual network has a block that keeps its channels, and one that does not.

    More would only repeat them. The first bottleneck of a stage never keeps them.
    """
    from cnnjax.config import layouts, register
    from cnnjax.networks import cost

    def shorten(lay_out: Callable[..., Any], config: Config, num_classes: int) -> Any:
        plan = lay_out(config, num_classes)
        if not isinstance(plan, layouts.ResNet):
            return plan
        return plan._replace(features=plan.features[:2], blocks=(1 + plan.bottleneck, 1))

    built_in = {name: register.find("model", name) for name in register.names("model")}
    few = {
        name: choice._replace(make=functools.partial(shorten, choice.make))
        for name, choice in built_in.items()
    }
    cost.forget()  # it remembers by name what a network is and costs
    try:
        with mock.patch.dict(register.CHOICES["model"], few):
            yield
    finally:
        cost.forget()


def compile_all(
    models: Sequence[str], dtypes: Sequence[str], topology: str, effort: float
) -> Iterator[Compiled | Failure]:
    """Compiles every program of every network, one result after the other.

    Raises ConfigError on a topology that the compiler does not know, RunError where it does not
    start.
    """
    os.environ.update(SETTINGS)  # before JAX starts
    import jax

    jax.config.update("jax_exec_time_optimization_effort", effort)
    mesh = make_mesh(topology)
    for name, config in list_networks(models, dtypes).items():
        try:
            with few_blocks():
                found = list(compile_network(name, config, mesh))
        except Exception as error:  # of our tracing or of the compiler: a row, and on with the next
            found = [Failure(name, " ".join(str(error).split())[:300])]
        yield from found


def make_mesh(topology: str) -> "Mesh":
    """A mesh of compile-only devices, all of them for lanes.

    Raises ConfigError on a topology that the compiler does not know, RunError where it does not
    start.
    """
    import jax
    import numpy as np
    from jax.experimental import topologies
    from jax.sharding import AxisType, Mesh

    jax.config.update("jax_platforms", "cpu")
    try:
        found = topologies.get_topology_desc(platform="tpu", topology_name=topology)
    except Exception as error:
        raise explain(error, topology) from None
    devices = np.array(found.devices).reshape(-1, 1)
    return Mesh(devices, ("run", "data"), axis_types=(AxisType.Auto,) * 2)


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


def compile_network(name: str, config: Config, mesh: "Mesh") -> Iterator[Compiled]:
    """Compiles the programs of lanes of one config, as `group.compile_group` has them."""
    import jax
    import numpy as np
    from jax.sharding import NamedSharding, PartitionSpec

    from cnnjax.config import models
    from cnnjax.config.config import KNOBS, numbers_of, structure_of
    from cnnjax.data.batches import Batches
    from cnnjax.sweep import group, placement
    from cnnjax.training import program

    shape = models.images_of(config.model)
    structure = structure_of(config)
    spec = program.DataSpec(shape, 10, TRAINING, mean=100.0, std=50.0)
    # As many lanes as a chip trains in step: fewer would be filled up to these.
    lanes = mesh.devices.size * placement.count_chunk(structure, spec, "tpu")
    everywhere, over_run = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in ((), ("run",)))

    def describe(*sizes: int, dtype: "DTypeLike" = np.float32) -> jax.ShapeDtypeStruct:
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
    executables = group.compile_group(structure, numbers, data, mesh, structure.steps)
    seconds = time.perf_counter() - begin
    programs = {
        "init": executables.init,
        "advance": executables.advance,
        "evaluate": executables.evaluate_validation,
        "examine": executables.examine,
    }
    for place, (title, compiled) in enumerate(programs.items()):
        took = 0.0 if place else seconds  # all four were compiled in it
        yield describe_compiled(f"{name}, {count(lanes, 'lane')}", title, took, compiled)


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


def print_results(results: Sequence[Compiled], topology: str, effort: float) -> None:
    """One table of all programs."""
    from cnnjax.report import console as console_lib
    from cnnjax.report import text

    title = f"compiled for {topology}, batches of {BATCH} images"
    table = console_lib.start_table(title, "network and program")
    holds = "each chip holds" if effort == USUAL else "each chip holds at most"
    for column in ("seconds", holds, "MFLOP", "collectives"):
        table.add_column(column, justify="right")
    for row in results:
        seconds = f"{row.seconds:.1f}" if row.seconds else ""
        size, flops = text.size(row.chip_bytes), f"{row.flops / 1e6:,.1f}"
        table.add_row(f"{row.network}: {row.program}", seconds, size, flops, row.collectives)
    console_lib.print_table(table, console_lib.open_console())
