"""One group of lanes: its data on the devices, its compiled program, its training."""

import functools
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from scipy import stats as scipy_stats

from cnnjax.config.config import Config
from cnnjax.data import batches, stream, transform
from cnnjax.data.dataset import Dataset
from cnnjax.measures import examine as examine_lib
from cnnjax.measures import outcome
from cnnjax.networks import models
from cnnjax.sweep import placement
from cnnjax.training import optimizers, program

# On a CPU, level 1 compiles in two thirds of the time and the result runs no slower.
CPU_COMPILER_OPTIONS = {"xla_backend_optimization_level": 1}


class GroupData(NamedTuple):
    """What the lanes of a group train and are judged on, on the devices."""

    spec: program.DataSpec
    train: program.TrainData | None  # None where it is streamed
    validation: batches.Batches
    test: batches.Batches
    stream: Any = None  # the training examples as stored, where they are streamed
    num_train: int = 0  # images that each run trains on
    num_pool: int = 0  # images that these are taken from
    clusters: Any = None  # what each test image was taken from [images], where that is known


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
    train: program.TrainScores
    validation: program.Scores | None  # None where only a checkpoint is due
    seconds: float
    waiting: float = 0.0  # seconds of these in which no training data were there
    length: int = 0  # steps since the segment before


def place_data(structure: Config, dataset: Dataset, mesh: jax.sharding.Mesh) -> GroupData:
    """The group's data on every device of the mesh, as uint8.

    Raises ValueError where the training split holds fewer examples than asked for.
    """
    whole = dataset.train.labels if dataset.stream is None else dataset.stream
    num_pool, num_train = len(whole), structure.train_examples or len(whole)
    dataset = transform.transform(structure, dataset)
    everywhere = NamedSharding(mesh, PartitionSpec())
    streamed = dataset.stream is not None
    train, validation, test = jax.device_put(
        (
            None if streamed else program.TrainData(*dataset.train),
            batches.pad_batches(*dataset.validation),
            batches.pad_batches(*dataset.test),
        ),
        everywhere,
    )
    return GroupData(
        make_spec(structure, dataset), train, validation, test, dataset.stream, num_train, num_pool,
        dataset.cluster,
    )  # fmt: skip


def make_spec(structure: Config, dataset: Dataset) -> program.DataSpec:
    """What a program must know of a data set (already transformed)."""
    images = dataset.train.images
    height, width, channels = images.shape[1:]
    mean, std = transform.find_statistics(structure, images)
    scale = transform.find_scale(structure, mean, std)
    filters = models.find_filters(structure, images, *scale)
    shape = (height, width, channels)
    drawn = transform.draws_by_seed(structure, dataset)
    return program.DataSpec(
        image_shape=shape, num_classes=dataset.num_classes, drawn=drawn,
        num_train=drawn and structure.train_examples or len(images),
        mean=mean, std=std, filters=filters, low=float(images.min()), high=float(images.max()),
        positions=dataset.positions, streamed=dataset.stream is not None,
    )  # fmt: skip


def memory_of(executables: Executables) -> int:
    """Bytes that the largest segment takes of each device, as its compiler says."""
    found = [advance.memory_analysis() for advance in executables.advance.values()]  # pyright: ignore[reportFunctionMemberAccess]
    return max(
        analysis.argument_size_in_bytes
        + analysis.output_size_in_bytes
        + analysis.temp_size_in_bytes
        - analysis.alias_size_in_bytes  # states are updated in place
        for analysis in found
    )


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
) -> Iterator[Segment]:  # fmt: skip
    """Trains all lanes from the state `start` (from their seeds where None), by segments.

    Each segment takes the place of the one before in memory: read what you want of it in time.
    """
    states: Any = executables.init(numbers) if start is None else start
    step = int(np.asarray(states.step)[0])
    lengths = segment_lengths(structure, step, checkpoint_every)
    most = count_most(structure, numbers, data)
    feed = open_feed(structure, numbers, data, step, [cut(length, most) for length in lengths])
    for length in lengths:
        begin, waiting, train, done = time.perf_counter(), 0.0, None, 0
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
        due = step == structure.steps or (structure.eval_every and step % structure.eval_every == 0)
        validation = executables.evaluate_validation(states, data.validation) if due else None
        train, validation = jax.device_get((train, validation))
        yield Segment(step, states, train, validation, seconds, waiting, length)


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


def examine(
    executables: Executables, states: program.State, data: GroupData
) -> examine_lib.Examination:
    """What is measured on the finished lanes, in NumPy. The test split is read here, once."""
    return jax.device_get(executables.examine(states, data.validation, data.test))


def describe_scores(
    name: str, scores: program.Scores | program.TrainScores, lane: int
) -> dict[str, float]:
    """Mean loss and accuracy of one lane, as `<name>_loss` and `<name>_accuracy`."""
    loss, correct, count = (float(total[lane]) for total in scores[:3])
    return {f"{name}_loss": loss / count, f"{name}_accuracy": correct / count}


def describe_segment(segment: Segment, lane: int) -> dict[str, Any]:
    """One line of a lane's learning curve.

    `constant_loss` is the training loss of the best constant prediction on the same targets: the
    entropy of their mean. `diverged_at` is the first step, from 1, whose loss was no number.
    """
    line: dict[str, Any] = {"step": segment.step, **describe_scores("train", segment.train, lane)}
    mean = np.asarray(segment.train.targets[lane], np.float64)
    line["constant_loss"] = float(scipy_stats.entropy(mean))
    finite = int(segment.train.finite[lane])
    if finite < segment.length:
        line["diverged_at"] = segment.step - segment.length + finite + 1
    if segment.validation is not None:
        line |= describe_scores("validation", segment.validation, lane)
    return line


def finish_lane(
    curve: Sequence[dict[str, Any]],
    begun: program.Scores,
    found: examine_lib.Examination,
    data: GroupData,
    lane: int,
) -> dict[str, Any]:
    """Final scores of a lane, a failed one's too: `outcome.hide` takes those away.

    `by_image` holds what was measured on each test image.
    """
    own = jax.tree.map(lambda value: np.asarray(value[lane]), found)
    real = np.asarray(data.test.mask).ravel() > 0
    labels = np.asarray(data.test.labels).ravel()[real]
    validated = own["validation"][np.asarray(data.validation.mask).ravel() > 0]
    scores = {key: value for key, value in curve[-1].items() if key.startswith("validation")}
    scores["initial_loss"] = float(begun.loss[lane] / begun.count[lane])
    images, others = outcome.finish(own["measures"], real, data.spec)
    means, images = outcome.summarise(images, labels)
    scores |= means | others
    scores |= {
        "num_train_examples": data.num_train,
        "num_pool_examples": data.num_pool,
        "drawn_by_seed": data.spec.drawn,
    }
    scores |= outcome.describe_failure(curve, scores["test_loss"])
    images["validation_accuracy"] = validated
    return scores | {"by_image": outcome.pack(images, labels, data.clusters)}
