"""How fast training images come: decoded from disk, beside Pillow alone; and from memory."""

import concurrent.futures
import functools
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from absl import flags as absl_flags

from cnnjax.config import flags
from cnnjax.config.config import Config, make_config, numbers_of
from cnnjax.config.datasets import Where
from experiments import script

DESCRIPTION = """
python -m experiments.benchmark.input_pipeline --dataset=folder:PATH [--name=value ...]

Images per second of training with a data set in memory, beside random images of its shape; or with
--feed=stream, of a stream as a run reads it (shuffled, decoded, cropped, in batches), beside Pillow
decoding and cropping the same files with as many threads as there are cores and nothing else. In
turn, so that a noisy machine disturbs both; the ratio is the median of --rounds.
"""


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Measures and prints; gives the exit status."""
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_integer("rounds", 5, "Rounds.", lower_bound=1, flag_values=values)
    absl_flags.DEFINE_integer("batches", 20, "Batches a round.", lower_bound=1, flag_values=values)
    flags.define_where(values)
    flags.define_config(values, Config(), without=["epochs"])
    if positional := flags.parse(values, argv, DESCRIPTION):
        flags.refuse(f"unexpected {positional[0]!r}: every choice is a flag")
    config = make_config(flags.given_config(values))
    where = flags.read_where(values)
    if config.feed == "stream":
        measure_stream(config, where, values.rounds, values.batches)
    else:
        measure_memory(config, where, values.rounds)
    return script.DONE


def measure_memory(config: Config, where: Where, rounds: int) -> None:
    """Prints images per second of training on the data set, beside random images."""
    from cnnjax.sweep import backend

    backend.configure_jax()
    from cnnjax.data import load
    from experiments.benchmark import throughput

    dataset = load.load_dataset(config, where, say=script.print_note)
    ours = throughput.make_ours(config, 1, dataset)
    random = throughput.make_random_dataset(dataset.image_shape)
    theirs = {"random images on the device": (throughput.make_ours(config, 1, random), 1)}
    (row,) = throughput.compare(config.dataset, config, 1, ours, theirs, rounds)
    print(
        f"{row['examples_per_second']:,.0f} images/s: {row['ratio']:.2f} ({row['ratio_low']:.2f} to"
        f" {row['ratio_high']:.2f}) times those of {row['opponent']}"
    )


def measure_stream(config: Config, where: Where, rounds: int, num_batches: int) -> None:
    """Prints images per second of both, and their ratio."""
    from cnnjax.data import load, stream
    from cnnjax.data.dataset import Stream

    dataset = load.load_dataset(config, where, say=script.print_note)
    assert isinstance(dataset.train, Stream)
    examples = dataset.train.examples
    shape = dataset.image_shape
    make = stream.make_loader(config, shape[2], shape[:2])
    count = num_batches * config.batch_size

    def decode_alone() -> None:
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(lambda index: decode_one(index, examples, make), range(count)):
                pass

    ratios, alone, streamed = [], [], []
    for _ in range(rounds):
        alone.append(count / time_once(decode_alone))
        seeds = [int(numbers_of(config)["seed_order"])]
        (batches,) = stream.open_streams(config, examples, seeds, 0, shape)
        read(batches, 4)  # threads have started, and what they made meanwhile is read
        streamed.append(count / time_once(functools.partial(read, batches, num_batches)))
        batches.close()
        ratios.append(streamed[-1] / alone[-1])
    print(
        f"stream {statistics.median(streamed):,.0f} images/s, Pillow alone"
        f" {statistics.median(alone):,.0f}: {statistics.median(ratios):.2f}"
        f" ({min(ratios):.2f} to {max(ratios):.2f}), batches of {config.batch_size}"
    )


def read(batches: Iterator[Any], count: int) -> None:
    """Reads so many batches."""
    for _ in range(count):
        next(batches)


def decode_one(index: int, examples: Sequence, make: Callable) -> None:
    """Reads and decodes one file as a run would, with a draw of its own."""
    import numpy as np

    make(examples[index % len(examples)], np.random.default_rng(index))


def time_once(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


if __name__ == "__main__":
    script.run(main, "nothing was written")
