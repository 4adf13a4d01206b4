"""What a GPU or TPU does with our steps: one run beside PyTorch, and many lanes in every way."""

import dataclasses
import itertools
import json
import pathlib
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cnnjax.config.config import Config
from cnnjax.data.dataset import Dataset
from cnnjax.networks import cost
from cnnjax.sweep import placement
from cnnjax.sweep.placed import place_data
from cnnjax.training import program
from experiments.benchmark import pytorch_cuda
from experiments.benchmark.baselines import Train

# By name: how a run multiplies. What PyTorch calls the same stands in pytorch_cuda.py.
ARITHMETIC: dict[str, dict[str, str]] = {
    "float32": {"dtype": "float32", "precision": "highest"},
    "tf32": {"dtype": "float32", "precision": "default"},
    "bfloat16": {"dtype": "bfloat16", "precision": "default"},
}
CHUNKS = (1, 8, 32, 128, 256)  # lanes in step; 1 is one after the other
FORMS = ("native", "patches")
ROUNDS, SECONDS = 5, 0.2  # measurements, and what each takes at least


HEAD = (
    f"{'network':10} {'batch':>5} {'numbers':8} {'lanes':>5} {'images/s':>14} {'least':>14}"
    f" {'most':>14} {'peak':>6} {'compiling':>9}"
)


class Case(NamedTuple):
    """A program to be measured."""

    network: str
    config: Config
    arithmetic: str
    chunk: int


class Row(NamedTuple):
    """What one program did."""

    network: str
    batch_size: int
    arithmetic: str
    what: str
    lanes: int
    compile_seconds: float
    images_per_second: float  # all lanes together; the median
    low: float
    high: float
    share_of_peak: float  # of a large matrix product in the same arithmetic


def make_steps(case: Case, dataset: Dataset) -> tuple[Train, float]:
    """A function that takes so many steps of one chunk of lanes, and the seconds of compiling it.

    With chunks of one, four lanes one after the other.
    """
    config = dataclasses.replace(case.config, **ARITHMETIC[case.arithmetic], eval_every=0)
    mesh = placement.make_mesh(1)
    data = place_data(config, dataset, mesh)
    functions = program.make_program(config, data.spec, placement.platform_of(mesh))
    lanes = [dataclasses.replace(config, seed=seed) for seed in range(lanes_of(case.chunk))]
    numbers = placement.stack_numbers(lanes, mesh, data.spec, len(lanes))

    def compile_lanes(function: Callable, *arguments: Any, **named: Any) -> Any:
        over_all = placement.over_lanes(function, mesh, case.chunk, **named)
        return over_all.lower(*arguments).compile()

    def advance(*arguments: Any) -> program.State:
        return functions.advance(*arguments, reach=config.steps)

    begin = time.perf_counter()
    states = compile_lanes(functions.init, numbers, num_own=1)(numbers)
    own = (numbers, states, data.train)
    advance_all = compile_lanes(advance, *own, np.int32(0), num_own=2, donate=1)
    seconds = time.perf_counter() - begin

    def train(num_steps: int) -> None:
        nonlocal states
        for _ in range(num_steps // config.steps):
            states = advance_all(numbers, states, data.train, np.int32(config.steps))
        jax.block_until_ready(states)

    return train, seconds


def lanes_of(chunk: int) -> int:
    """Lanes of a measurement: a chunk, or four one after the other."""
    return max(chunk, 4)


def time_steps(train: Train, steps: int) -> list[float]:
    """Seconds a step, several times over; what compiles or warms up is not counted."""
    train(steps)
    begin = time.perf_counter()
    train(steps)
    times = max(int(SECONDS / (time.perf_counter() - begin)), 1)
    found = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        train(times * steps)
        found.append((time.perf_counter() - begin) / (times * steps))
    return found


def measure_peak(arithmetic: str) -> float:
    """FLOP/s of a product of two 8192 x 8192 matrices of random numbers (512 on a CPU)."""
    size = 512 if jax.default_backend() == "cpu" else 8192
    own = ARITHMETIC[arithmetic]
    left, right = (
        jax.random.normal(key, (size, size), jnp.dtype(own["dtype"]))
        for key in jax.random.split(jax.random.key(0))
    )
    multiply = jax.jit(lambda a, b: jnp.matmul(a, b, precision=own["precision"]))

    def train(times: int) -> None:
        for _ in range(times):
            product = multiply(left, right)
        product.block_until_ready()

    return 2 * size**3 / statistics.median(time_steps(train, 1))


def list_cases(networks: Mapping[str, Config]) -> Iterator[Case]:
    """The programs of ours, those that tell most first: one run, then lanes in every way."""
    for (name, config), arithmetic in itertools.product(networks.items(), ARITHMETIC):
        yield Case(name, config, arithmetic, 1)
    for chunk, (name, config), form in itertools.product(CHUNKS, networks.items(), FORMS):
        yield Case(name, dataclasses.replace(config, conv_form=form), "float32", chunk)


def measure_all(
    networks: Mapping[str, Config], datasets: Mapping[str, Dataset], minutes: float,
    path: str | None = None,
) -> list[Row]:  # fmt: skip
    """Measures and prints what there is time for; writes it to `path` after each row.

    One run is taken beside PyTorch where that is installed and sees a GPU.
    """
    end, rows = time.monotonic() + 60 * minutes, []
    peaks = {arithmetic: measure_peak(arithmetic) for arithmetic in ARITHMETIC}
    for arithmetic, peak in peaks.items():
        print(f"a large matrix product, {arithmetic}: {peak / 1e12:,.1f} TFLOP/s")
    print(HEAD)
    for case in list_cases(networks):
        if rows and time.monotonic() > end:
            print(f"{minutes:g} minutes are over: not all was measured")
            break
        dataset = datasets[case.network]
        own = [measure(case, dataset, peaks[case.arithmetic])]
        if case.chunk == 1 and case.config.conv_form == "auto" and pytorch_cuda.is_here():
            own.append(measure_pytorch(case, dataset, peaks[case.arithmetic]))
        for row in own:
            say(row)
        rows += own
        if path:
            text = json.dumps([row._asdict() for row in rows], indent=1)
            pathlib.Path(path).write_text(text + "\n", encoding="utf-8")
    return rows


def measure(case: Case, dataset: Dataset, peak: float) -> Row:
    """What one of our programs does."""
    train, seconds = make_steps(case, dataset)
    what = f"ours, {case.config.conv_form}, chunks of {case.chunk}"
    steps, lanes = case.config.steps, lanes_of(case.chunk)
    return make_row(case, what, lanes, seconds, time_steps(train, steps), dataset, peak)


def measure_pytorch(case: Case, dataset: Dataset, peak: float) -> Row:
    """What PyTorch does with the run of a case, eagerly and channels last."""
    begin, steps = time.perf_counter(), case.config.steps
    train = pytorch_cuda.make_pytorch_cuda(case.config, dataset, case.arithmetic)
    train(steps)
    seconds = time.perf_counter() - begin
    return make_row(case, "PyTorch, eager", 1, seconds, time_steps(train, steps), dataset, peak)


def make_row(
    case: Case, what: str, lanes: int, compiling: float, seconds: Sequence[float],
    dataset: Dataset, peak: float,
) -> Row:  # fmt: skip
    """The row of a program that takes so many seconds a step of so many lanes."""
    macs = cost.measure(case.config, dataset.image_shape, dataset.num_classes).macs
    size = case.config.batch_size
    rates = sorted(lanes * size / own for own in seconds)
    middle = statistics.median(rates)
    return Row(
        case.network, size, case.arithmetic, what, lanes, compiling, middle, rates[0], rates[-1],
        6 * macs * middle / peak,
    )  # fmt: skip


def say(row: Row) -> None:
    """Prints a row."""
    print(
        f"{row.network:10} {row.batch_size:5} {row.arithmetic:8} {row.lanes:5}"
        f" {row.images_per_second:14,.0f} {row.low:14,.0f} {row.high:14,.0f}"
        f" {row.share_of_peak:6.1%} {row.compile_seconds:7.1f} s  {row.what}",
        flush=True,
    )
