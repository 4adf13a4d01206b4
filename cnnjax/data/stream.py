"""Training images decoded from disk while others train, as a pure function of seed and step.

The order is Grain's global shuffle, a fresh one each epoch; batches run on across its end. A share
of every batch can be had alone, and any step can be the first: nothing is replayed.
"""

import concurrent.futures
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from cnnjax.config.config import Config
from cnnjax.config.knobs import ConfigError
from cnnjax.data import decode
from cnnjax.data.source import Example

CHUNK_BYTES = 2**27  # of images that a device takes at once; two such chunks are in memory
ENDLESS = 2**32  # images: more than any run sees
AHEAD = 2  # batches that wait at most, besides those in the making; for each lane


class Chunk(NamedTuple):
    """The training images of some steps of all lanes, in the order in which they are seen."""

    images: Any  # [lanes, steps x batch size, height, width, channels]
    labels: Any  # [lanes, steps x batch size] int32


def check(config: Config, dtype: np.dtype, height: int, width: int) -> None:
    """Raises ConfigError where a run asks for what cannot be done to a stream of such images."""
    if config.crop and height != width:
        raise ConfigError(f"--crop makes squares, and images are {height}x{width}: give none")
    if dtype != np.uint8 and (config.crop or config.flip):
        raise ConfigError("--crop and --flip need 8-bit pixels where images are streamed")
    asked = {
        "permute_pixels": config.permute_pixels, "roll_pixels": config.roll_pixels > 0,
        "shuffle_labels": config.shuffle_labels, "draw": config.draw == "seed",
        "flip_alternating": config.flip_alternating,
    }  # fmt: skip
    for name, needs_memory in asked.items():
        if needs_memory:
            raise ConfigError(
                f"--{name} needs the training images in memory, and they are streamed: leave it"
                " out, or give --feed=memory"
            )


def make_loader(
    config: Config, channels: int, size: tuple[int, int]
) -> Callable[[Example, np.random.Generator], tuple[np.ndarray, np.int32]]:
    """What turns a stored example into training pixels [*size, channels] uint8 and its class.

    Cropping and mirroring happen here, where only the pixels that are kept are resized.
    """

    def load(example: Example, rng: np.random.Generator) -> tuple[np.ndarray, np.int32]:
        image, label = example
        whole = not isinstance(image, bytes) and image.shape[:2] == size
        if whole and not (config.crop or config.flip):
            return np.asarray(image), np.int32(label)
        opened = decode.open_example(image, channels)
        if config.crop:
            opened = decode.random_crop(opened, size[0], config.crop, rng)
        elif opened.size != size[::-1]:
            opened = decode.fit(opened, size[0])
        if config.flip and rng.random() < 0.5:
            opened = opened.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return decode.to_array(opened), np.int32(label)

    return load


def make_batches(
    examples: Sequence[Example],
    load: Callable[[Example, np.random.Generator], Any],
    seed: int,
    batch_size: int,
    first_step: int = 0,
    share: int = 0,
    shares: int = 1,
) -> Any:
    """One share of every batch from `first_step` on, without end: each of `shares` examples one.

    The examples of a step are the same whatever the number of shares, which must divide the batch.
    """
    import grain  # takes two seconds, so only where data are streamed

    if batch_size % shares:
        raise ConfigError(f"--batch_size={batch_size} cannot be shared by {shares} devices")
    order = (
        grain.MapDataset.source(examples)
        .seed(seed % 2**31)
        .shuffle()
        .repeat(
            ENDLESS // len(examples) + 1  # grain counts batches of an endless one as a float
        )
    )
    own = batch_size // shares
    batches = order.random_map(load)[share::shares].batch(own)[first_step:]
    threads = os.cpu_count() or 1
    reads = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads + AHEAD)
    return iter(batches.to_iter_dataset(reads))


def count_steps(config: Config, num_lanes: int, shape: tuple[int, int, int]) -> int:
    """How many steps a chunk holds."""
    return max(CHUNK_BYTES // (num_lanes * config.batch_size * int(np.prod(shape))), 1)


def make_chunks(streams: Sequence[Any], lengths: Sequence[int], reach: int) -> Iterator[Chunk]:
    """Chunks of so many steps, one after the other; each is read while the one before trains.

    Each is as large as one of `reach` steps, whatever lies behind its own. The streams are closed
    behind the last.
    """

    def read(length: int) -> Chunk:
        lanes = [[next(stream) for _ in range(length)] for stream in streams]
        fill = [lane[-1:] * (reach - length) for lane in lanes]
        images, labels = (
            np.stack(
                [np.concatenate([batch[part] for batch in [*lane, *rest]])
                 for lane, rest in zip(lanes, fill, strict=True)]
            )
            for part in (0, 1)
        )  # fmt: skip
        return Chunk(images, labels)

    pool = concurrent.futures.ThreadPoolExecutor(1)
    try:
        waiting = pool.submit(read, lengths[0]) if lengths else None
        for following in (*lengths[1:], None):
            assert waiting is not None
            chunk = waiting.result()
            waiting = pool.submit(read, following) if following else None
            yield chunk
    finally:
        pool.shutdown(cancel_futures=True)
        for stream in streams:
            stream.close()


def open_streams(
    config: Config, examples: Sequence[Example], seeds: Sequence[int], first_step: int,
    shape: tuple[int, int, int], own: Sequence[int] = (), shares: int = 1,
) -> list[Any]:  # fmt: skip
    """The batches of each seed, to be closed at the end; or its `own` of so many shares of them."""
    height, width, channels = shape
    load = make_loader(config, channels, (height, width))
    return [
        make_batches(examples, load, seed, config.batch_size, first_step, share, shares)
        for seed, share in zip(seeds, own or [0] * len(seeds), strict=True)
    ]
