"""Compiles our programs for a slice of TPUs by the real compiler, where there is no TPU.

It finds what tracing on a CPU cannot: what the compiler refuses, what a chip must hold, and which
collectives a program has. Nothing is run.
"""

import contextlib
import dataclasses
import functools
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

from cnnjax.config import slices
from cnnjax.config.config import Config
from cnnjax.config.words import count

if TYPE_CHECKING:  # JAX starts where its platform is set
    from jax.sharding import Mesh

TOPOLOGY = "v6e:2x2"
BATCH, STEPS, TRAINING, TESTING = 16, 2, 64, 32  # few: only shapes count
# How hard the compiler looks for fast code, from -1 to 1. With the least, the networks of FEW took
# a third of the time and had the same collectives, but a chip held up to ten times as much.
USUAL, LEAST = 0.0, -1.0
FEW = ("cnn", "resnet20", "airbench94")
# Published networks made small: on smaller images, with fewer hidden units.
SMALL: dict[str, dict[str, Any]] = {
    "alexnet": {"image_size": 67, "hidden": (64,)},
    "alexnet_2014": {"image_size": 64, "hidden": (64,)},
    "vgg11": {"image_size": 32, "hidden": (64,)},
    "vgg16": {"image_size": 32, "hidden": (64,)},
    **dict.fromkeys(("airbench94", "all_cnn_c"), {"image_size": 16}),
    "resnet20": {"width_multiplier": 1.0},  # narrow as it is
    **dict.fromkeys(("resnet18", "resnet34", "resnet50"), {"image_size": 32}),
}


# How chips share the work: each has lanes of its own, all share each batch, or some of them do.
MESHES = ("lanes", "data", "mixed")


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
    models: Sequence[str], dtypes: Sequence[str], topology: str, effort: float,
    meshes: Sequence[str] = MESHES[:1],
) -> Iterator[Compiled | Failure]:  # fmt: skip
    """Compiles every program of every network on every mesh, one result after the other.

    Raises ConfigError on a topology that the compiler does not know, RunError where it does not
    start.
    """
    slices.leave_hardware_alone()
    import jax

    from cnnjax.sweep import aot

    jax.config.update("jax_exec_time_optimization_effort", effort)
    devices = aot.find_devices(topology)
    networks = list_networks(models, dtypes).items()
    for (name, config), kind in itertools.product(networks, meshes):
        mesh = aot.make_mesh(devices, count_data(kind, len(devices)))
        try:
            with few_blocks():
                found = list(compile_network(name, config, mesh))
            check_collectives(found, kind)
        except Exception as error:  # of our tracing or of the compiler: a row, and on with the next
            found = [Failure(f"{name}, {kind}", " ".join(str(error).split())[:300])]
        yield from found


def count_data(kind: str, num_devices: int) -> int:
    """Devices that share each batch: one, all of them, or the root of how many there are."""
    if kind == "data":
        return num_devices
    return 2 ** (num_devices.bit_length() // 2) if kind == "mixed" else 1


def check_collectives(found: Sequence[Compiled], kind: str) -> None:
    """Raises RunError where chips that have lanes of their own wait for each other in any program,
    or where those that share a batch do not add up what they found.
    """  # fmt: skip
    from cnnjax.config.errors import RunError

    none = {row.program for row in found if row.collectives == "none"}
    if kind == "lanes" and len(none) < len(found):
        talking = next(row for row in found if row.program not in none)
        raise RunError(f"{talking.program} of lanes alone has {talking.collectives}")
    if kind != "lanes" and "advance" in none:
        raise RunError("advance has no collective: shares of a batch are not added up")


def compile_network(name: str, config: Config, mesh: "Mesh") -> Iterator[Compiled]:
    """Compiles the programs of lanes of one config, as `group.compile_group` has them.

    A batch has at least an image for each device that shares it.
    """
    from cnnjax.config import models
    from cnnjax.config.config import structure_of
    from cnnjax.sweep import aot, group, placement
    from cnnjax.training import program

    shape = models.images_of(config.model)
    run, shares = mesh.shape["run"], mesh.shape["data"]
    size = max(config.batch_size, shares)
    structure = structure_of(dataclasses.replace(config, batch_size=size))
    spec = program.DataSpec(shape, 10, max(TRAINING, size), mean=100.0, std=50.0)
    # As many lanes as a chip trains in step: fewer would be filled up to these.
    lanes = run * placement.count_chunk(structure, spec, "tpu")
    where = f"{count(lanes, 'lane')}, mesh {run}x{shares}"
    numbers = aot.describe_numbers(structure, lanes, mesh)
    data = aot.describe_data(spec, [(1, TESTING), (1, TESTING)], mesh)
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
        yield describe_compiled(f"{name}, {where}", title, took, compiled)


def describe_compiled(name: str, program: str, seconds: float, compiled: Any) -> Compiled:
    """What an executable's compiler says of it."""
    from cnnjax.sweep import aot

    found = aot.describe(compiled)
    collectives = aot.name_collectives(found.collectives)
    return Compiled(name, program, seconds, found.device_bytes, found.flops, collectives)


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
