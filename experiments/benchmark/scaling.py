"""The same lanes on ever more devices, taken in turn and timed."""

import contextlib
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import jax

from cnnjax.config.config import Config
from cnnjax.data.dataset import Dataset
from experiments.benchmark import throughput
from experiments.benchmark.baselines import Train

LANES = 4  # of each device when all take part: none of them waits for long
TASKS = pathlib.Path("/proc/self/task")  # the threads of this process, on Linux
HEAD = (
    f"{'network':10} {'batch':>5} {'lanes':>5} {'devices':>7} {'times one':>9} {'low':>6}"
    f" {'high':>6}"
)


def measure_all(
    networks: Sequence[tuple[str, Config, Dataset]], rounds: int
) -> list[dict[str, Any]]:
    """Measures and prints how many times as fast lanes train on several devices as on one."""
    print(HEAD)
    rows = []
    for name, config, dataset in networks:
        for row in measure(name, config, dataset, rounds):
            print(
                f"{name:10} {config.batch_size:5} {row['lanes']:5} {row['devices']:7}"
                f" {row['ratio']:9.2f} {row['ratio_low']:6.2f} {row['ratio_high']:6.2f}",
                flush=True,
            )
            rows.append(row)
    return rows


def measure(name: str, config: Config, dataset: Dataset, rounds: int) -> Iterator[dict[str, Any]]:
    """A row for each number of devices above one: the powers of two that there are, and all."""
    there = jax.device_count()
    lanes = LANES * there
    one = {"one device": (make(config, lanes, dataset, 1), lanes)}
    for count in list_counts(there):
        many = make(config, lanes, dataset, count)
        for row in throughput.compare(name, config, lanes, many, one, rounds):
            yield {**row, "devices": count}


def make(config: Config, lanes: int, dataset: Dataset, count: int) -> Train:
    """What trains lanes on so many devices."""
    train = throughput.make_ours(config, lanes, dataset, f"run:{count}")

    def train_there(num_steps: int) -> None:
        with on_cores(count):
            train(num_steps)

    return train_there


@contextlib.contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Within, on a CPU, whose devices are its cores, this process has as many cores as devices.

    Otherwise one device takes 1.3 to 1.5 of two cores: XLA's threads are those of all devices.
    """
    if jax.default_backend() != "cpu" or not TASKS.is_dir():
        yield
        return
    whole = os.sched_getaffinity(0)
    pin({*sorted(whole)[:count]})
    try:
        yield
    finally:
        pin(whole)


def pin(cores: set[int]) -> None:
    """All threads of this process on these cores."""
    for task in TASKS.iterdir():
        with contextlib.suppress(ProcessLookupError):  # it has ended
            os.sched_setaffinity(int(task.name), cores)


def list_counts(there: int) -> list[int]:
    """2, 4, ... and all devices."""
    powers = [2**power for power in range(1, there.bit_length()) if 2**power < there]
    return [*powers, there] if there > 1 else []
