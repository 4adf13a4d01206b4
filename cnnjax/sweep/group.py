"""One group of lanes: its compiled program, its training."""

import functools
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from cnnjax.config.config import Config
from cnnjax.data import stream
from cnnjax.measures.examine import Examination
from cnnjax.sweep import placement
from cnnjax.sweep.placed import GroupData
from cnnjax.training import optimizers, program

# On a CPU, level 1 compiles in two thirds of the time and the result runs no slower.
CPU_COMPILER_OPTIONS = {"xla_backend_optimization_level": 1}


class Executables(NamedTuple):
    """A group's compiled program, for all its lanes at once."""

    init: Callable
    advance: dict[int, Callable]  # by number of steps
    evaluate_validation: Callable
    examine: Callable


class Segment(NamedTuple):
    """The lanes of a group after some of their steps; arrays lead with the lane axis.

    States lie on the devices, scores in NumPy.
    """

    step: int
    states: program.State
    train: program.TrainScores  # since the last evaluation
    validation: program.Scores | None  # None where only a checkpoint is due
    seconds: float
    waiting: float = 0.0  # seconds of these in which no training data were there
    length: int = 0  # steps since the last evaluation


def memory_of(executables: Executables) -> int:
    """Bytes that the largest segment takes of each device, as its compiler says."""
    found = [advance.memory_analysis() for advance in executables.advance.values()]  # pyright: ignore[reportFunctionMemberAccess]
    sizes = [
        analysis.argument_size_in_bytes
        + analysis.output_size_in_bytes
        + analysis.temp_size_in_bytes
        - analysis.alias_size_in_bytes  # states are updated in place
        for analysis in found
    ]
    return max(sizes, default=0)


def segment_lengths(structure: Config, start: int = 0, checkpoint_every: int = 0) -> list[int]:
    """Steps from `start` to the end, cut wherever an evaluation or a checkpoint is due."""
    due = [every for every in (structure.eval_every, checkpoint_every) if every]
    stops = {stop for every in due for stop in range(every, structure.steps, every)}
    edges = [start, *sorted(stop for stop in stops if stop > start), structure.steps]
    return [end - begin for begin, end in zip(edges, edges[1:], strict=False) if end > begin]


def count_most(structure: Config, numbers: optimizers.Numbers, data: GroupData) -> int:
    """Steps that the training data reach for at once: all, unless they are streamed."""
    if data.stream is None:
        return structure.steps
    return stream.count_steps(structure, len(numbers["seed"]), data.spec.image_shape)


def cut(length: int, most: int) -> list[int]:
    """A number of steps in pieces of at most so many."""
    return [most] * (length // most) + [length % most] * (length % most > 0)


def find_pieces(lengths: Iterable[int], most: int) -> list[int]:
    """The lengths in steps for which `advance` is compiled."""
    return sorted({piece for length in lengths for piece in cut(length, most)})


def describe_chunk(
    structure: Config, num_steps: int, numbers: optimizers.Numbers, data: GroupData,
    sharding: NamedSharding,
) -> program.TrainData:  # fmt: skip
    """Shapes of the images and labels that a stream gives the lanes for so many steps."""
    leading = (len(numbers["seed"]), num_steps * structure.batch_size)
    shape = (*leading, *data.spec.image_shape)
    return program.TrainData(
        jax.ShapeDtypeStruct(shape, data.validation.images.dtype, sharding=sharding),
        jax.ShapeDtypeStruct(leading, np.int32, sharding=sharding),
    )


def open_feed(
    structure: Config, numbers: optimizers.Numbers, data: GroupData, step: int,
    pieces: Sequence[Sequence[int]],
) -> Iterator[program.TrainData | None]:  # fmt: skip
    """The training data of each piece: always the same, unless they are streamed."""
    if data.stream is None:
        return itertools.cycle([data.train])
    seeds = [int(seed) for seed in np.asarray(numbers["seed"])]
    streams = stream.open_streams(structure, data.stream, seeds, step, data.spec.image_shape)
    lengths = [piece for segment in pieces for piece in segment]
    sharding = numbers["seed"].sharding
    return (
        program.TrainData(*jax.device_put(tuple(chunk), sharding))
        for chunk in stream.make_chunks(streams, lengths)
    )


def compile_group(
    structure: Config, numbers: optimizers.Numbers, data: GroupData, mesh: jax.sharding.Mesh,
    lengths: Iterable[int],
) -> Executables:  # fmt: skip
    """Compiles everything the group will run, and runs nothing."""
    platform = placement.platform_of(mesh)
    num_pieces = placement.count_pieces(
        structure, data.spec.image_shape, data.spec.num_classes, platform
    )
    chunk = placement.count_chunk(structure, data.spec, platform)
    axis = "data" if mesh.shape["data"] > 1 else None
    functions = program.make_program(structure, data.spec, platform, num_pieces, axis)
    options = CPU_COMPILER_OPTIONS if platform == "cpu" else {}

    def compile_lanes(
        function: Callable, *arguments: Any, num_own: int = 1, donate: int | None = None
    ) -> Callable:
        over_all = placement.over_lanes(function, mesh, chunk, num_own, donate)
        return over_all.lower(*arguments).compile(compiler_options=options)

    most = count_most(structure, numbers, data)
    shapes = jax.eval_shape(placement.over_lanes(functions.init, mesh, chunk, num_own=1), numbers)
    sharding = NamedSharding(mesh, PartitionSpec("run"))
    states = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), shapes
    )

    def compile_advance(num_steps: int) -> Callable:
        advance = functools.partial(functions.advance, num_steps=num_steps)
        if data.train is not None:
            return compile_lanes(advance, numbers, states, data.train, num_own=2, donate=1)
        chunk = describe_chunk(structure, num_steps, numbers, data, sharding)
        return compile_lanes(advance, numbers, states, chunk, num_own=3, donate=1)

    return Executables(
        init=compile_lanes(functions.init, numbers),
        advance={length: compile_advance(length) for length in find_pieces(lengths, most)},
        evaluate_validation=compile_lanes(functions.evaluate, states, data.validation),
        examine=compile_lanes(functions.examine, states, data.validation, data.test),
    )


def train_group(
    executables: Executables, structure: Config, numbers: optimizers.Numbers, data: GroupData,
    start: program.State | None = None, checkpoint_every: int = 0,
    since: program.TrainScores | None = None,
) -> Iterator[Segment]:  # fmt: skip
    """Trains all lanes from the state `start` (from their seeds where None), by segments.

    `since` are the sums of the steps between the last evaluation and `start`. Each segment takes
    the place of the one before in memory: read what you want of it in time.
    """
    states: Any = executables.init(numbers) if start is None else start
    step = int(np.asarray(states.step)[0])
    lengths = segment_lengths(structure, step, checkpoint_every)
    most = count_most(structure, numbers, data)
    feed = open_feed(structure, numbers, data, step, [cut(length, most) for length in lengths])
    train, done = since, 0 if since is None else steps_since(structure, step)
    for length in lengths:
        begin, waiting = time.perf_counter(), 0.0
        for piece in cut(length, most):
            asked = time.perf_counter()
            chunk = next(feed)
            waiting += time.perf_counter() - asked
            states, scores = executables.advance[piece](numbers, states, chunk)
            jax.block_until_ready(states)
            train = scores if train is None else add_scores(train, scores, done)
            done += piece
        seconds = time.perf_counter() - begin
        step += length
        due = is_due(structure, step)
        validation = executables.evaluate_validation(states, data.validation) if due else None
        train, validation = jax.device_get((train, validation))
        yield Segment(step, states, train, validation, seconds, waiting, done)
        if due:
            train, done = None, 0


def is_due(structure: Config, step: int) -> bool:
    """Whether lanes are evaluated after so many steps."""
    return step == structure.steps or steps_since(structure, step) == 0


def steps_since(structure: Config, step: int) -> int:
    """Steps since the last evaluation, or since the first step where there was none."""
    return step % structure.eval_every if structure.eval_every else step


def add_scores(
    one: program.TrainScores, other: program.TrainScores, steps: int
) -> program.TrainScores:
    """The scores of `steps` training steps and of those that follow."""
    total = jax.tree.map(jnp.add, one, other)
    return total._replace(finite=jnp.where(one.finite < steps, one.finite, total.finite))


def measure_start(
    executables: Executables, numbers: optimizers.Numbers, data: GroupData
) -> program.Scores:
    """The lanes' sums over the validation split before their first step, in NumPy."""
    return jax.device_get(
        executables.evaluate_validation(executables.init(numbers), data.validation)
    )


def examine(executables: Executables, states: program.State, data: GroupData) -> Examination:
    """What is measured on the finished lanes, in NumPy. The test split is read here, once."""
    return jax.device_get(executables.examine(states, data.validation, data.test))
