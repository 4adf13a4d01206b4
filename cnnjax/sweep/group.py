"""One group of lanes: its compiled program, its training."""

import concurrent.futures
import functools
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from cnnjax.config.config import Config
from cnnjax.data import stream
from cnnjax.data.spec import DataSpec
from cnnjax.measures.examine import Examination
from cnnjax.networks import cost
from cnnjax.sweep import feeds, placement
from cnnjax.sweep.placed import GroupData
from cnnjax.training import microbatch, optimizers, program

# On a CPU, level 1 compiles in two thirds of the time and the result runs no slower.
CPU_COMPILER_OPTIONS = {"xla_backend_optimization_level": 1}
# Without its newer emitters it takes half the time for plain CNNs and MLPs, which run 0 to 20%
# slower: so where there is little to run. Releases of JAX that lack the option do without.
QUICK_OPTIONS = {"xla_cpu_use_fusion_emitters": False}
# Multiplications of a whole run up to which its training is compiled so, and all else: with twenty
# seeds it takes about as long to train as is saved. A core makes some 3e10 in a second.
QUICK_TRAINING, QUICK_OTHERS = 6e9, 6e10
# A CPU's convolutions pack their operands into memory that its compiler does not count: programs of
# 32 to 512 channels took 1.16 to 1.32 times of what it does.
CPU_SCRATCH = 1.5  # of what is temporary


class Executables(NamedTuple):
    """A group's compiled program, for all its lanes at once."""

    init: Callable
    reach: int  # steps that are taken at once at most
    advance: Callable
    evaluate_validation: Callable
    examine: Callable
    begin: Callable | None = None  # what is measured by training images, if anything is


class Segment(NamedTuple):
    """The lanes of a group after some of their steps; arrays lead with the lane axis.

    All lie on the devices, which may still be at work on the scores.
    """

    step: int  # after which the first of them is
    states: program.State
    validation: program.Scores | None  # None where no evaluation is due
    seconds: float
    waiting: float = 0.0  # seconds of these in which no training data were there


def memory_of(executables: Executables, platform: str) -> int:
    """Bytes that the largest of its programs takes of each device, as its compiler says."""
    scratch = CPU_SCRATCH if platform == "cpu" else 1
    programs = [own for own in executables if isinstance(own, jax.stages.Compiled)]
    return max(_memory_of(own, scratch) for own in programs)


def _memory_of(compiled: jax.stages.Compiled, scratch: float) -> int:
    analysis = compiled.memory_analysis()
    if analysis is None:  # a back end that does not say
        return 0
    return (
        analysis.argument_size_in_bytes
        + analysis.output_size_in_bytes
        + int(scratch * analysis.temp_size_in_bytes)
        - analysis.alias_size_in_bytes  # states are updated in place
    )


def segment_lengths(
    structure: Config, start: int = 0, checkpoint_every: int = 0, most: int | None = None
) -> list[int]:
    """Steps from `start` to the end, cut wherever an evaluation or a checkpoint is due, and then
    so that none is longer than `most`.
    """  # fmt: skip
    return wave_lengths([structure], [start], checkpoint_every, most)


def rest_of(lane: Config, step: int) -> tuple[int, int]:
    """What a lane has before it after so many steps: those to its next evaluation, and to its end.

    Lanes that agree in these are evaluated after the same steps, to the end.
    """
    left = lane.last_step - step
    every = lane.eval_every
    return (min(every - step % every, left) if every else left), left


def wave_lengths(
    lanes: Sequence[Config], starts: Sequence[int], checkpoint_every: int, most: int | None
) -> list[int]:
    """As `segment_lengths`, of lanes that have the same `rest` before them: cut for any of them.

    Where the cuts are follows from none of the steps that are done: from any of them on they are
    the same, and an earlier end adds one and moves none. So none is longer than in a whole run.
    """
    structure, ways = lanes[0], {*zip(starts, (lane.last_step for lane in lanes), strict=True)}
    due = [every for every in (structure.eval_every, checkpoint_every) if every]
    stops = {stop for every in due for stop in range(every, structure.steps, every)}
    edges = [0, *sorted(stops), structure.steps]
    for begin, end in itertools.pairwise(edges.copy()):
        edges += itertools.accumulate(cut(end - begin, most or structure.steps), initial=begin)
    cuts = {0, *(stop - start for start, stop in ways)}
    for start, stop in ways:
        cuts |= {edge - start for edge in edges if start < edge < stop}
    return [end - begin for begin, end in itertools.pairwise(sorted(cuts))]


def count_most(structure: Config, num_lanes: int, data: GroupData, mesh: jax.sharding.Mesh) -> int:
    """Steps that so many lanes train at a stretch: of a time, and that streamed data reach for."""
    most = placement.count_most(structure, num_lanes, data.spec, mesh)
    if data.stream is None:
        return most
    return min(most, stream.count_steps(structure, num_lanes, data.spec.image_shape))


def cut(length: int, most: int) -> list[int]:
    """A number of steps in pieces of at most so many, all alike if that takes no small ones."""
    least = -(-length // most)
    alike = next((n for n in range(least, 2 * least) if length % n == 0), None)
    if alike:
        return [length // alike] * alike
    return [most] * (length // most) + [length % most] * (length % most > 0)


def compile_group(
    structure: Config, numbers: optimizers.Numbers, data: GroupData, mesh: jax.sharding.Mesh,
    reach: int,
) -> Executables:  # fmt: skip
    """Compiles everything the group will run, in segments of at most `reach` steps."""
    platform = placement.platform_of(mesh)
    num_pieces = placement.count_pieces(
        structure, data.spec.image_shape, data.spec.num_classes, platform
    )
    num_pieces = microbatch.divide(num_pieces, structure.batch_size, mesh.shape["data"])
    chunk = placement.count_chunk(structure, data.spec, platform)
    axis = "data" if mesh.shape["data"] > 1 else None
    settled = placement.settle_form(structure, platform, chunk)
    functions = program.make_program(settled, data.spec, platform, num_pieces, axis)
    options = find_options(structure, data.spec, platform)

    shapes = jax.eval_shape(placement.over_lanes(functions.init, mesh, chunk, num_own=1), numbers)
    sharding = NamedSharding(mesh, PartitionSpec("run"))
    states = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), shapes
    )

    own, train = 2, data.train
    if train is None:
        own, train = 3, feeds.describe_chunk(structure, reach, numbers, data, mesh)
    advance = functools.partial(functions.advance, reach=reach)

    with concurrent.futures.ThreadPoolExecutor() as pool:

        def compile_lanes(
            function: Callable, *arguments: Any, name: str = "", num_own: int = 1,
            donate: int | None = None, read: bool = False,
        ) -> concurrent.futures.Future:  # fmt: skip
            over_all = placement.over_lanes(function, mesh, chunk, num_own, donate, read)
            return pool.submit(over_all.lower(*arguments).compile, options.get(name, options[""]))

        # While one is compiled the next is traced; what takes longest begins.
        advancing = compile_lanes(
            advance, numbers, states, train, np.int32(0), name="advance", num_own=own, donate=1
        )
        examine = compile_lanes(functions.examine, states, data.validation, data.test, read=True)
        evaluate = compile_lanes(functions.evaluate, states, data.validation, read=True)
        init = compile_lanes(functions.init, numbers)
        begin = functions.begin and compile_lanes(
            functions.begin, numbers, states, data.train, num_own=2, read=True
        )
        return Executables(
            reach=reach, init=init.result(), advance=advancing.result(),
            evaluate_validation=evaluate.result(), examine=examine.result(),
            begin=begin and begin.result(),
        )  # fmt: skip


def find_options(structure: Config, spec: DataSpec, platform: str) -> dict[str, dict[str, Any]]:
    """What the compiler is told of a program by name, and of any other under the empty name.

    A CPU's by how much there is to train for a run of the structure.
    """
    if platform != "cpu":
        return {"": {}}
    network = cost.measure(structure, spec.image_shape, spec.num_classes)
    macs = 3.0 * network.macs * structure.batch_size * structure.steps
    quick = QUICK_OPTIONS if takes(QUICK_OPTIONS) else {}
    training, others = (
        {**CPU_COMPILER_OPTIONS, **(quick if macs <= most else {})}
        for most in (QUICK_TRAINING, QUICK_OTHERS)
    )
    return {"advance": training, "": others}


def takes(options: Mapping[str, Any]) -> bool:
    """Whether this release of XLA knows these options."""
    return _takes(tuple(options.items()))


@functools.cache
def _takes(options: tuple[tuple[str, Any], ...]) -> bool:
    try:
        jax.jit(lambda x: x).lower(0.0).compile(compiler_options=dict(options))
    except jax.errors.JaxRuntimeError:
        return False
    return True


def train_group(
    executables: Executables, structure: Config, numbers: optimizers.Numbers, data: GroupData,
    lengths: Sequence[int], start: program.State | None = None, last: int | None = None,
) -> Iterator[Segment]:  # fmt: skip
    """Trains all lanes from the state `start` (from their seeds where None), by segments.

    None is longer than the program's reach, and each takes the place of the one before in memory:
    read what you want of it in time. They are evaluated where the first of them is to be, which
    ends after the `last` step, or with the schedule.
    """
    states: Any = executables.init(numbers) if start is None else start
    step = int(np.asarray(states.step.addressable_data(0))[0])
    spread: Any = numbers["seed"].sharding
    feed = feeds.open_feed(structure, numbers, data, step, lengths, executables.reach, spread.mesh)
    for length in lengths:
        begin = time.perf_counter()
        chunk = next(feed)
        waiting = time.perf_counter() - begin
        states = executables.advance(numbers, states, chunk, np.int32(length))
        jax.block_until_ready(states)
        seconds = time.perf_counter() - begin
        step += length
        validation = None
        if is_due(structure, step, last):
            validation = executables.evaluate_validation(states, data.validation)
        yield Segment(step, states, validation, seconds, waiting)


def is_due(structure: Config, step: int, last: int | None = None) -> bool:
    """Whether lanes are evaluated after so many steps, those that end after the `last`."""
    every = structure.eval_every
    return step == (last or structure.steps) or bool(every) and not step % every


def measure_start(
    executables: Executables, numbers: optimizers.Numbers, data: GroupData
) -> program.Scores:
    """The lanes' sums over the validation split before their first step."""
    return executables.evaluate_validation(executables.init(numbers), data.validation)


def examine(
    executables: Executables, numbers: optimizers.Numbers, states: program.State, data: GroupData
) -> Examination:
    """What is measured on the finished lanes, and on them before their first step.

    The test split is read here, once.
    """
    found = executables.examine(states, data.validation, data.test)
    if executables.begin is not None:
        begun = executables.begin(numbers, states, data.train)
        found = {**found, "measures": {**found["measures"], **begun}}
    return found
