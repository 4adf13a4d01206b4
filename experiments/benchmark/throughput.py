"""Training steps of ours and of the opponents, taken in turn and timed."""

import dataclasses
import functools
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from cnnjax.config.config import Config
from cnnjax.config.mesh import AUTO
from cnnjax.data.dataset import Dataset, Split
from cnnjax.sweep import backend, group
from cnnjax.sweep.session import open_session
from experiments.benchmark import flax, profiler, pytorch
from experiments.benchmark.baselines import Train


def make_random_dataset(shape: tuple[int, int, int], num_train: int = 2048) -> Dataset:
    """Random images and labels of ten classes: their values do not change how long a step takes."""
    rng = np.random.default_rng(0)

    def split(count: int) -> Split:
        images = rng.integers(0, 256, size=(count, *shape), dtype=np.uint8)
        return Split(images, rng.integers(0, 10, size=count).astype(np.int32))

    return Dataset("random", 10, split(num_train), split(256), split(256), fingerprint="random")


def make_opponents(
    config: Config, dataset: Dataset, names: Sequence[str]
) -> tuple[dict[str, tuple[Train, int]], Callable[[], None]]:
    """By name: what takes so many steps, and of how many runs at once; and what ends them all."""
    cores = backend.count_cores()
    found: dict[str, tuple[Train, int]] = {}
    ends = []
    for name in names:
        if name == "flax":
            found["flax loop"] = flax.make_flax(config, dataset), 1
        elif name == "pytorch_processes":
            train = pytorch.make_pytorch_processes(config, dataset, cores)
            found[f"pytorch, {cores} processes"] = train, cores
            ends.append(functools.partial(train, 0))
        else:
            compiled = name == "pytorch_compiled"
            for threads in sorted({1, cores}):
                words = f"{name.replace('_', ' ')}, {threads} thread{'s'[: threads - 1]}"
                found[words] = pytorch.make_pytorch(config, dataset, threads, compiled), 1

    def close() -> None:
        for end in ends:
            end()

    return found, close


def make_ours(config: Config, lanes: int, dataset: Dataset, mesh: str = AUTO) -> Train:
    """A function that takes so many steps of all lanes with the compiled program of a sweep."""
    config = dataclasses.replace(config, eval_every=0)  # all steps as one segment
    configs = [dataclasses.replace(config, seed=seed) for seed in range(lanes)]
    session = open_session(config, configs, dataset, mesh_asked=mesh)
    waves = [configs[first : first + session.wave] for first in range(0, lanes, session.wave)]
    numbers, states = [*map(session.stack, waves)], [*map(session.init, waves)]
    lengths = group.segment_lengths(config, most=session.most)

    def train(num_steps: int) -> None:
        for _ in range(num_steps // config.steps):
            for wave, own in enumerate(numbers):
                for length in lengths:
                    states[wave] = session.executables.advance(
                        own, states[wave], session.data.train, np.int32(length)
                    )
                    jax.block_until_ready(states[wave])

    return train


def compare(
    network: str,
    config: Config,
    lanes: int,
    ours: Train,
    theirs: dict[str, tuple[Train, int]],
    rounds: int,
) -> list[dict[str, Any]]:
    """Ratios of examples per second, ours over each of theirs, taken in turn."""

    def measure(train: Train, runs: int) -> float:
        return runs * config.steps * config.batch_size / profiler.time_call(train, config.steps)

    ratios: dict[str, list[float]] = {name: [] for name in theirs}
    rates = []
    for round_number in range(rounds + 1):
        own = measure(ours, lanes)
        if round_number > 0:
            rates.append(own)
        for name, (train, runs) in theirs.items():
            ratio = own / measure(train, runs)
            if round_number > 0:
                ratios[name].append(ratio)
    return [
        {
            "network": network,
            "batch_size": config.batch_size,
            "lanes": lanes,
            "opponent": name,
            "ratio": statistics.median(found),
            "ratio_low": min(found),
            "ratio_high": max(found),
            "examples_per_second": statistics.median(rates),
        }
        for name, found in ratios.items()
    ]
