"""What groups would take of a slice of TPUs, by its compiler, before anything is rented.

Waves are cut as `session.open_session` cuts them there; nothing is run or placed.
"""

import contextlib
import dataclasses
import math
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend import core
from jax.sharding import NamedSharding, PartitionSpec

from cnnjax.config.config import Config, request_of
from cnnjax.config.datasets import Where
from cnnjax.config.slices import Slice
from cnnjax.data import outlook, transform
from cnnjax.data.dataset import Dataset
from cnnjax.study.bill import Forecast, Wave
from cnnjax.study.timing import Group
from cnnjax.sweep import aot, feeds, group, placement
from cnnjax.training import program

BUDGET = 0.8  # of a device's memory, that a wave may take; as `placement.memory_budget` has it
NO_CACHE = 1e9  # seconds of compiling from which on a program is kept: none is
# What the compiler says where a program does not fit a device.
USED = re.compile(r"(?:Used |\()([\d.]+)([KMGT]?)\)? (?:of|exceeds)")
UNITS = {unit: 2 ** (10 * place) for place, unit in enumerate(("", "K", "M", "G", "T"))}
# Each makes the compiler's bound too small by one second.
FREE = 'custom_call_target="ConcatBitcast"'


def foresee(
    groups: Sequence[Group], where: Where, slice: Slice, say: Callable[[str], None]
) -> list[Forecast]:
    """Compiles the programs of each group for a slice, one after the other; `say` hears of each.

    Raises RunError where the compiler does not start.
    """
    devices = aot.find_devices(slice.topology)
    budget = int(BUDGET * slice.chip_bytes * slice.chips) // len(devices) // 2
    found, asked = [], {request_of(own.structure): own.structure for own in groups}
    blank = {request: outlook.make_blank(own, where, budget) for request, own in asked.items()}
    for dataset in dict.fromkeys(own.name for own in blank.values() if not own.num_train):
        say(f"{dataset} is not prepared yet: what a chip holds is without its images")
    kept = "jax_persistent_cache_min_compile_time_secs"
    before = jax.config.values[kept]
    jax.config.update(kept, NO_CACHE)  # what was kept would be said to have compiled at once
    try:
        for number, own in enumerate(groups, 1):
            begin = time.perf_counter()
            try:
                forecast = foresee_group(own, blank[request_of(own.structure)], slice, devices)
            except Exception as error:  # of the compiler: one group must not end a plan
                said = " ".join(str(error).split())[:300]
                forecast = Forecast(own.structure, own.num_lanes, 0, (), False, None, error=said)
            found.append(forecast)
            took = time.perf_counter() - begin
            say(f"group {number} of {len(groups)} tried for {slice.name} in {took:.0f} s")
    finally:
        jax.config.update(kept, before)
    return found


def foresee_group(own: Group, dataset: Dataset, slice: Slice, devices: Sequence[Any]) -> Forecast:
    """Compiles a group's programs for the largest wave that fits, halving it until one does."""
    structure, platform = own.structure, devices[0].platform
    memory = slice.chip_bytes * slice.chips // len(devices)
    data = _describe_data(structure, dataset, aot.make_mesh(devices[:1]))
    chunk = placement.count_chunk(structure, data.spec, platform)
    in_step = placement.find_strategy(structure, platform) == "vmap"
    used = devices if in_step else devices[: own.num_lanes]
    mesh, least = aot.make_mesh(used), len(used) * chunk
    data = _describe_data(structure, dataset, mesh)
    size = placement.fit_wave(structure, own.num_lanes, data.spec, mesh, int(BUDGET * memory))
    size = -(-size // least) * least  # whole chunks on each device, as they are filled up to
    waves = [_compile_wave(structure, size, data, mesh)]
    while not _fits(waves[-1], BUDGET * memory) and size > least:
        size = max(size // 2 // least, 1) * least
        waves.append(_compile_wave(structure, size, data, mesh))
    forecast = Forecast(
        structure, own.num_lanes, least, tuple(waves), _fits(waves[-1], memory), None,
        devices_a_chip=len(devices) // slice.chips, lane_steps=own.num_steps / own.num_lanes,
    )  # fmt: skip
    if forecast.fits:
        with contextlib.suppress(Exception):  # without a bound the rest is still known
            step_seconds = bound_step(structure, data, devices[0])
            forecast = forecast._replace(step_seconds=step_seconds)
        return forecast
    if chunk > 1:
        lone = own._replace(structure=dataclasses.replace(structure, lanes_strategy="map"))
        other = foresee_group(lone, dataset, slice, devices)
        forecast = forecast._replace(in_turn=other.waves[-1] if other.fits else None)
    return forecast


def _fits(wave: Wave, memory: float) -> bool:
    return 0 < wave.device_bytes <= memory


def _describe_data(structure: Config, dataset: Dataset, mesh: jax.sharding.Mesh) -> group.GroupData:
    """Shapes of a group's data on the devices, as `placed.place_data` has them there.

    Of a data set that is not prepared, those of as few images as can be.
    """
    shape, num_classes = dataset.image_shape, dataset.num_classes
    num_train = structure.train_examples or structure.batch_size
    drawn, pool = False, num_train
    if dataset.num_train:
        drawn = transform.draws_by_seed(structure, dataset)
        pool = dataset.num_train if drawn else structure.train_examples or dataset.num_train
        num_train = structure.train_examples if drawn and structure.train_examples else pool
    spec = program.DataSpec(
        shape, num_classes, num_train, mean=np.float32(100), std=np.float32(50),
        positions=dataset.positions, parts=dataset.parts, streamed=dataset.feed == "stream",
        drawn=drawn,
    )  # fmt: skip
    at_once = placement.count_at_once(structure, spec, placement.platform_of(mesh))
    splits = [len(own.labels) or at_once for own in (dataset.validation, dataset.test)]
    counts = [math.ceil(total / at_once) for total in splits]
    sizes = [(own, math.ceil(total / own)) for own, total in zip(counts, splits, strict=True)]
    return aot.describe_data(spec, sizes, mesh, dataset.test.images.dtype, pool)


def _compile_wave(
    structure: Config, size: int, data: group.GroupData, mesh: jax.sharding.Mesh
) -> Wave:
    """Compiles all programs of a wave. Of one that the compiler refuses, for it is too large for a
    device, what it says that it takes.
    """  # fmt: skip
    numbers = aot.describe_numbers(structure, size, mesh)
    most = group.count_most(structure, size, data, mesh)
    reach = max(group.segment_lengths(structure, 0, 0, most))
    begin = time.perf_counter()
    try:
        executables = group.compile_group(structure, numbers, data, mesh, reach)
    except Exception as error:
        if "RESOURCE_EXHAUSTED" not in str(error) and "out of memory" not in str(error):
            raise
        return Wave(size, read_used(str(error)), seconds=time.perf_counter() - begin)
    seconds = time.perf_counter() - begin
    compiled = [own for own in executables if isinstance(own, jax.stages.Compiled)]
    found = [aot.describe(own) for own in compiled]
    collectives: dict[str, int] = {}
    for one in found:
        for kind, number in one.collectives.items():
            collectives[kind] = collectives.get(kind, 0) + number
    return Wave(
        size, max(one.device_bytes for one in found), sum(one.code_bytes for one in found),
        collectives, seconds,
    )  # fmt: skip


def read_used(error: str) -> int:
    """Bytes of a device that a program takes at least which its compiler refused; 0 for unsaid."""
    found = USED.search(error)
    return int(float(found[1]) * UNITS[found[2]]) if found else 0


def bound_step(structure: Config, data: group.GroupData, device: Any) -> float | None:
    """Seconds that a step of one chunk of lanes takes of a device at least, by its compiler.

    It is asked of the body of the training loop alone, for of loops it knows nothing; None where a
    step has a loop inside, or it does not say.
    """
    mesh = aot.make_mesh([device])
    whole = NamedSharding(mesh, PartitionSpec())
    chunk = placement.count_chunk(structure, data.spec, device.platform)
    settled = placement.settle_form(structure, device.platform, chunk)
    functions = program.make_program(settled, data.spec, device.platform)
    numbers = aot.describe_numbers(structure, chunk, mesh)
    states = jax.eval_shape(jax.vmap(functions.init), numbers)
    train, own = data.train, None
    if train is None:
        train, own = feeds.describe_chunk(structure, 1, numbers, data, mesh), 0
    advance = jax.vmap(lambda *given: functions.advance(*given, 1), (0, 0, own, None))
    body = find_loop(advance, numbers, states, train, np.int32(1))
    shapes = [jax.ShapeDtypeStruct(one.shape, one.dtype, sharding=whole) for one in body.in_avals]
    compiled = jax.jit(core.jaxpr_as_fun(body)).lower(*shapes).compile()
    analysis = compiled.cost_analysis() or {}
    return read_bound(compiled.as_text() or "", analysis.get("optimal_seconds"))


def find_loop(function: Callable, *arguments: Any) -> core.ClosedJaxpr:
    """The body of a function's last loop, as JAX traces it: in training that over its steps."""
    traced = jax.make_jaxpr(function)(*arguments)
    loops = [own for own in traced.jaxpr.eqns if own.primitive.name == "while"]
    return loops[-1].params["body_jaxpr"]


def read_bound(text: str, optimal_seconds: float | None) -> float | None:
    """Seconds by the compiler's bound for a program of this text; None where that is no bound.

    It is too small by exactly a second for each custom call `ConcatBitcast`.
    """
    if optimal_seconds is None or re.search(r" while\(", text):
        return None
    seconds = optimal_seconds + text.count(FREE)
    return seconds if 0 < seconds < 1 else None
