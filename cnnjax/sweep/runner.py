"""Many runs as few programs: lanes that share structure compile once and train together.

A lane is one Config with its seed; a group is the lanes of one structure.
"""

import concurrent.futures
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax

from cnnjax.config.config import Config, structure_of
from cnnjax.data.dataset import Dataset
from cnnjax.sweep import group as group_lib
from cnnjax.sweep import placement


class Interrupted(Exception):
    """The caller asked to stop; everything yielded so far is complete."""


class Group(NamedTuple):
    """Lanes that share a program."""

    structure: Config
    lanes: tuple[Config, ...]


class Result(NamedTuple):
    """One finished lane."""

    config: Config
    scores: dict[str, Any]
    metrics: list[dict[str, Any]]  # one a evaluation
    examples_per_second: float  # of the whole group, without compilation
    compile_seconds: float  # of the whole group


class Failure(NamedTuple):
    """A group that could not be compiled or trained."""

    group: Group
    error: Exception


def group_lanes(configs: Iterable[Config]) -> list[Group]:
    """The configs grouped by structure, in order of first appearance."""
    lanes: dict[Config, list[Config]] = {}
    for config in configs:
        lanes.setdefault(structure_of(config), []).append(config)
    return [Group(structure, tuple(members)) for structure, members in lanes.items()]


class Ready(NamedTuple):
    """A group that is compiled and waits for the devices."""

    group: Group
    wave: int  # lanes that train at once
    mesh: jax.sharding.Mesh
    data: group_lib.GroupData
    executables: group_lib.Executables
    compile_seconds: float


def run_lanes(
    configs: Sequence[Config],
    dataset: Dataset,
    on_examples: Callable[[int], None] = lambda count: None,
    should_stop: Callable[[], bool] = lambda: False,
    on_waiting: Callable[[float], None] = lambda share: None,
) -> Iterator[Result | Failure]:
    """Trains every config and yields it when it is done; a group that fails yields a Failure.

    Groups compile concurrently while earlier ones train; a group whose states do not fit the memory
    goes in waves through one compiled program. `on_examples` hears how many training examples each
    segment saw, `on_waiting` for what share of its time no data were there. Raises Interrupted
    soon after `should_stop` turns true.
    """

    def make_ready(group: Group) -> Ready:
        begin = time.perf_counter()
        mesh = placement.make_group_mesh(group.structure, len(group.lanes), dataset)
        data = group_lib.place_data(group.structure, dataset, mesh)
        lengths = group_lib.segment_lengths(group.structure)
        chunk = placement.count_chunk(group.structure, data.spec, placement.platform_of(mesh))
        least, budget = mesh.shape["run"] * chunk, placement.memory_budget()
        wave = placement.fit_wave(group.structure, len(group.lanes), data.spec, mesh)
        while True:
            numbers = placement.stack_numbers(group.lanes[:wave], mesh, data.spec)
            executables = group_lib.compile_group(group.structure, numbers, data, mesh, lengths)
            if wave <= least or group_lib.memory_of(executables) <= budget:
                break
            wave = max(wave // 2 // least, 1) * least
        return Ready(group, wave, mesh, data, executables, time.perf_counter() - begin)

    waiting = group_lanes(configs)[::-1]
    workers = len(jax.local_devices()) if jax.default_backend() == "cpu" else os.cpu_count() or 1
    pool = concurrent.futures.ThreadPoolExecutor(workers)
    pending: dict[concurrent.futures.Future, Group] = {}
    try:
        while waiting or pending:
            while waiting and len(pending) <= workers:  # compiled programs wait in memory: few
                group = waiting.pop()
                pending[pool.submit(make_ready, group)] = group
            done, _ = concurrent.futures.wait(pending, 0.1, concurrent.futures.FIRST_COMPLETED)
            if should_stop():
                raise Interrupted
            for future in done:
                group = pending.pop(future)
                try:
                    ready = future.result()
                    for start in range(0, len(group.lanes), ready.wave):
                        lanes = group.lanes[start : start + ready.wave]
                        yield from _run_wave(ready, lanes, on_examples, should_stop, on_waiting)
                except Interrupted:
                    raise
                except Exception as error:  # one bad group must not end a sweep overnight
                    yield Failure(group, error)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _run_wave(
    ready: Ready,
    lanes: Sequence[Config],
    on_examples: Callable[[int], None],
    should_stop: Callable[[], bool],
    on_waiting: Callable[[float], None],
) -> Iterator[Result]:
    structure = ready.group.structure
    numbers = placement.stack_numbers(lanes, ready.mesh, ready.data.spec, ready.wave)
    curves: list[list[dict[str, Any]]] = [[] for _ in lanes]
    begun = group_lib.measure_start(ready.executables, numbers, ready.data)
    seconds, step = 0.0, 0
    states: Any = None
    for segment in group_lib.train_group(ready.executables, structure, numbers, ready.data):
        for lane, curve in enumerate(curves):
            curve.append(group_lib.describe_segment(segment, lane))
        on_examples((segment.step - step) * structure.batch_size * len(lanes))
        on_waiting(segment.waiting / segment.seconds)
        seconds, step, states = seconds + segment.seconds, segment.step, segment.states
        if should_stop():
            raise Interrupted
    found = group_lib.examine(ready.executables, states, ready.data)
    rate = step * structure.batch_size * len(lanes) / seconds
    for lane, config in enumerate(lanes):
        scores = group_lib.finish_lane(curves[lane], begun, found, ready.data, lane)
        yield Result(config, scores, curves[lane], rate, ready.compile_seconds)
