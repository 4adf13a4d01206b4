"""One group of lanes: its data on the devices, its compiled program, its training.

Lanes are spread over the devices by `shard_map`; on each device `lax.map` takes them one after
the other, or `vmap` in chunks of a size that follows from the structure alone. So a lane's numbers
are the same bits alone or among any others, and with `map` on one device or many.
"""

import functools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from cnnjax import config as config_lib
from cnnjax import cost, microbatch, models, optim, program
from cnnjax.config import Config
from cnnjax.data import batches, load

# A chunk of lanes is to fill an accelerator and no more: so many multiplications forward, bytes of
# activations and lanes. From what an H100 does in a tenth of a millisecond; not yet measured.
CHUNK_MACS, CHUNK_BYTES, CHUNK_LANES = 2**33, 2**30, 32
DTYPES = {int: np.uint32, float: np.float32}
# On a CPU, level 1 compiles in two thirds of the time and the result runs no slower.
CPU_COMPILER_OPTIONS = {"xla_backend_optimization_level": 1}


class GroupData(NamedTuple):
    """What the lanes of a group train and are judged on, on the devices."""

    spec: program.DataSpec
    train: program.TrainData
    validation: batches.Batches
    test: batches.Batches


class Executables(NamedTuple):
    """A group's compiled program, for all its lanes at once."""

    init: Callable
    advance: dict[int, Callable]  # by number of steps
    evaluate_validation: Callable
    evaluate_test: Callable


class Segment(NamedTuple):
    """The lanes of a group after some of their steps; arrays lead with the lane axis.

    States lie on the devices, scores in NumPy.
    """

    step: int
    states: program.State
    train: program.Scores
    validation: program.Scores | None  # None where only a checkpoint is due
    seconds: float


def count_pieces(structure: Config, image_shape: tuple[int, int, int], num_classes: int) -> int:
    """Pieces in which this platform trains a batch: a GPU or TPU takes it whole."""
    if jax.default_backend() != "cpu":
        return 1
    return microbatch.count_pieces(structure, image_shape, num_classes)


def find_strategy(structure: Config) -> str:
    """How the lanes of one device run: `map`, one after the other, or `vmap`, in step.

    On two CPU cores `map` is the faster one; many small networks fill an accelerator only together.
    """
    if structure.lanes_strategy == "auto":
        return "map" if jax.default_backend() == "cpu" else "vmap"
    return structure.lanes_strategy


def count_chunk(structure: Config, spec: program.DataSpec) -> int:
    """Lanes that a device trains in step, a power of two: 1 with `map`.

    Fewer lanes are filled up to a chunk, so that a lane's bits do not tell how many they were.
    """
    if find_strategy(structure) == "map":
        return 1
    measured = cost.measure(structure, spec.image_shape, spec.num_classes)
    chunk = CHUNK_LANES
    while chunk > 1 and (
        chunk * structure.batch_size * measured.macs > CHUNK_MACS
        or chunk * structure.batch_size * measured.activation_bytes > CHUNK_BYTES
    ):
        chunk //= 2
    return chunk


def make_mesh(num_lanes: int, num_pieces: int = 1) -> jax.sharding.Mesh:
    """A mesh of the local devices: lanes along `run`, no more than there are.

    Where devices are left over, the pieces of a batch are shared along `data`.
    """
    devices = jax.local_devices()
    shared = num_pieces > 1 and num_lanes * microbatch.SHARDS <= len(devices)
    data = microbatch.SHARDS if shared else 1
    run = min(num_lanes, len(devices) // data)
    return jax.make_mesh(
        (run, data), ("run", "data"), axis_types=(AxisType.Auto,) * 2, devices=devices[: run * data]
    )


def make_group_mesh(structure: Config, num_lanes: int, dataset: load.Dataset) -> jax.sharding.Mesh:
    """The mesh on which so many lanes of a structure train."""
    height, width, channels = dataset.train.images.shape[1:]
    # Lanes in step always take all devices: XLA compiles batched products anew for their number.
    in_step = find_strategy(structure) == "vmap"
    num_places = len(jax.local_devices()) if in_step else num_lanes
    num_pieces = count_pieces(structure, (height, width, channels), dataset.num_classes)
    return make_mesh(num_places, num_pieces)


def place_data(structure: Config, dataset: load.Dataset, mesh: jax.sharding.Mesh) -> GroupData:
    """The group's data on every device of the mesh, as uint8.

    Raises ValueError where the training split holds fewer examples than asked for.
    """
    dataset = load.take_train(dataset, structure.train_examples)
    everywhere = NamedSharding(mesh, PartitionSpec())
    train, validation, test = jax.device_put(
        (
            program.TrainData(*dataset.train),
            batches.pad_batches(*dataset.validation),
            batches.pad_batches(*dataset.test),
        ),
        everywhere,
    )
    return GroupData(make_spec(structure, dataset), train, validation, test)


def make_spec(structure: Config, dataset: load.Dataset) -> program.DataSpec:
    """What a program must know of a data set (already cut to its training examples)."""
    images = dataset.train.images
    height, width, channels = images.shape[1:]
    mean, std = float(images.mean(dtype=np.float64)), float(images.std(dtype=np.float64))
    std = std or 1.0
    filters = models.find_filters(structure, images, mean, std)
    shape = (height, width, channels)
    return program.DataSpec(shape, dataset.num_classes, len(images), mean, std, filters)


def memory_budget() -> int:
    """Bytes that a program may take of each device: half of a computer's memory, shared by all of
    its devices, or four fifths of an accelerator's.
    """  # fmt: skip
    device = jax.local_devices()[0]
    if device.platform == "cpu":
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return total // 2 // len(jax.local_devices())
    return int(0.8 * (device.memory_stats() or {}).get("bytes_limit", 8 * 2**30))


def fit_wave(structure: Config, num_lanes: int, spec: program.DataSpec, run_devices: int) -> int:
    """How many lanes train at once, so that their states fit the memory: all, or fewer.

    A state counts three times: before and after a segment, and while it is updated.
    """
    functions = program.make_program(structure, spec)
    numbers = {
        name: jax.ShapeDtypeStruct((), DTYPES[config_lib.KNOBS[name].type])
        for name in config_lib.numbers_of(structure)
    }
    leaves = jax.tree.leaves(jax.eval_shape(functions.init, numbers))
    state_bytes = sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
    chunk = count_chunk(structure, spec)
    each = max(memory_budget() // (3 * state_bytes * chunk), 1) * chunk
    return min(num_lanes, each * run_devices)


def memory_of(executables: Executables) -> int:
    """Bytes that the largest segment takes of each device, as its compiler says."""
    found = [advance.memory_analysis() for advance in executables.advance.values()]  # pyright: ignore[reportFunctionMemberAccess]
    return max(
        analysis.argument_size_in_bytes
        + analysis.output_size_in_bytes
        + analysis.temp_size_in_bytes
        for analysis in found
    )


def stack_numbers(
    lanes: Sequence[Config], mesh: jax.sharding.Mesh, spec: program.DataSpec, at_least: int = 0
) -> optim.Numbers:
    """The traced numbers of the lanes, each [lanes], spread over the mesh.

    The last lane is repeated until there are enough, and the devices share whole chunks evenly.
    """
    chunk = count_chunk(lanes[0], spec)
    padding = max(at_least - len(lanes), 0)
    padding += -(len(lanes) + padding) % (mesh.shape["run"] * chunk)
    rows = [config_lib.numbers_of(lane) for lane in (*lanes, *[lanes[-1]] * padding)]
    stacked = {
        name: np.array([row[name] for row in rows], DTYPES[config_lib.KNOBS[name].type])
        for name in rows[0]
    }
    return jax.device_put(stacked, NamedSharding(mesh, PartitionSpec("run")))


def over_lanes(function: Callable, mesh: jax.sharding.Mesh, chunk: int) -> Callable:
    """`function(*lane, *shared)` for all lanes: called with a tuple of each, lanes leading."""

    def on_device(lanes: tuple, shared: tuple) -> Any:
        in_step = chunk if chunk > 1 else None
        return lax.map(lambda lane: function(*lane, *shared), lanes, batch_size=in_step)

    spread, everywhere = PartitionSpec("run"), PartitionSpec()
    return jax.jit(
        jax.shard_map(
            on_device, mesh=mesh, in_specs=(spread, everywhere), out_specs=spread, check_vma=False
        )
    )


def segment_lengths(structure: Config, start: int = 0, checkpoint_every: int = 0) -> list[int]:
    """Steps from `start` to the end, cut wherever an evaluation or a checkpoint is due."""
    due = [every for every in (structure.eval_every, checkpoint_every) if every]
    stops = {stop for every in due for stop in range(every, structure.steps, every)}
    edges = [start, *sorted(stop for stop in stops if stop > start), structure.steps]
    return [end - begin for begin, end in zip(edges, edges[1:], strict=False) if end > begin]


def compile_group(
    structure: Config, numbers: optim.Numbers, data: GroupData, mesh: jax.sharding.Mesh,
    lengths: Iterable[int],
) -> Executables:  # fmt: skip
    """Compiles everything the group will run, and runs nothing."""
    num_pieces = count_pieces(structure, data.spec.image_shape, data.spec.num_classes)
    chunk = count_chunk(structure, data.spec)
    axis = "data" if mesh.shape["data"] > 1 else None
    functions = program.make_program(structure, data.spec, num_pieces, axis)
    options = CPU_COMPILER_OPTIONS if mesh.devices.flat[0].platform == "cpu" else {}

    def compile_lanes(function: Callable, *arguments: tuple) -> Callable:
        return over_lanes(function, mesh, chunk).lower(*arguments).compile(compiler_options=options)

    shapes = jax.eval_shape(over_lanes(functions.init, mesh, chunk), (numbers,), ())
    sharding = NamedSharding(mesh, PartitionSpec("run"))
    states = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), shapes
    )

    def compile_advance(num_steps: int) -> Callable:
        advance = functools.partial(functions.advance, num_steps=num_steps)
        return compile_lanes(advance, (numbers, states), (data.train,))

    return Executables(
        init=compile_lanes(functions.init, (numbers,), ()),
        advance={length: compile_advance(length) for length in sorted(set(lengths))},
        evaluate_validation=compile_lanes(functions.evaluate, (states,), (data.validation,)),
        evaluate_test=compile_lanes(functions.evaluate, (states,), (data.test,)),
    )


def train_group(
    executables: Executables, structure: Config, numbers: optim.Numbers, data: GroupData,
    start: program.State | None = None, checkpoint_every: int = 0,
) -> Iterator[Segment]:  # fmt: skip
    """Trains all lanes from the state `start` (from their seeds where None), by segments."""
    states: Any = executables.init((numbers,), ()) if start is None else start
    step = int(np.asarray(states.step)[0])
    for length in segment_lengths(structure, step, checkpoint_every):
        begin = time.perf_counter()
        states, train = executables.advance[length]((numbers, states), (data.train,))
        jax.block_until_ready(states)
        seconds = time.perf_counter() - begin
        step += length
        due = step == structure.steps or (structure.eval_every and step % structure.eval_every == 0)
        validation = executables.evaluate_validation((states,), (data.validation,)) if due else None
        train, validation = jax.device_get((train, validation))
        yield Segment(step, states, train, validation, seconds)


def evaluate_test(
    executables: Executables, states: program.State, data: GroupData
) -> program.Scores:
    """The lanes' sums over the test split, in NumPy."""
    return jax.device_get(executables.evaluate_test((states,), (data.test,)))


def describe_scores(name: str, scores: program.Scores, lane: int) -> dict[str, float]:
    """Mean loss and accuracy of one lane, as `<name>_loss` and `<name>_accuracy`."""
    loss, correct, count = (float(total[lane]) for total in scores)
    return {f"{name}_loss": loss / count, f"{name}_accuracy": correct / count}


def describe_segment(segment: Segment, lane: int) -> dict[str, Any]:
    """One line of a lane's learning curve."""
    line = {"step": segment.step, **describe_scores("train", segment.train, lane)}
    if segment.validation is not None:
        line |= describe_scores("validation", segment.validation, lane)
    return line


def finish_lane(last: dict[str, Any], test: program.Scores, lane: int) -> dict[str, Any]:
    """Final scores of a lane. A run that diverged is an outcome, counted and shown."""
    scores = {key: value for key, value in last.items() if key.startswith("validation")}
    scores |= describe_scores("test", test, lane)
    scores["num_test_examples"] = int(test.count[lane])
    scores["diverged"] = not np.isfinite([last["train_loss"], scores["test_loss"]]).all()
    return scores
