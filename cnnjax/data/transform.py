"""What a run makes of a data set before it sees it: fewer examples, pixels in another order, and
what is measured of these.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cnnjax.config.config import Config
from cnnjax.config.knobs import ConfigError
from cnnjax.data import stream
from cnnjax.data.dataset import Dataset, Feed, Split, check_train_examples, take_train

PERMUTATION_SEED = 1  # fixed: all runs and arms share one order
AT_ONCE = 2**20  # pixels that are counted at once


def pixel_order(num_pixels: int) -> np.ndarray:
    """The fixed random order [num_pixels] of --permute_pixels."""
    return np.random.default_rng(PERMUTATION_SEED).permutation(num_pixels)


def permute_pixels(images: np.ndarray) -> np.ndarray:
    """Images [n, H, W, C] with all pixels in that order, the channels of each kept together."""
    count, height, width, channels = images.shape
    flat = images.reshape(count, height * width, channels)
    return flat[:, pixel_order(height * width)].reshape(images.shape)


def roll_pixels(images: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Images [n, H, W, C], each wrapped around by up to so many cells along height and width."""
    count, height, width, _ = images.shape
    down, right = np.random.default_rng(seed).integers(-most, most, (2, count, 1), endpoint=True)
    rows, columns = (np.arange(height) - down) % height, (np.arange(width) - right) % width
    return images[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]


class Pixels(NamedTuple):
    """What is measured of the training pixels before any run."""

    mean: np.ndarray  # [channels] float32
    std: np.ndarray  # [channels] float32, 0 where all are the same
    low: float  # darkest
    high: float  # brightest


def measure_pixels(config: Config, images: np.ndarray) -> Pixels:
    """The pixels of images [n, H, W, C]; of `config` only --standardise counts."""
    mean, std = find_statistics(config, images)
    return Pixels(mean, std, float(images.min()), float(images.max()))


def find_statistics(config: Config, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation [channels] float32 of the pixels of images [n, H, W, C].

    Of each channel, or with --standardise=all of all channels, the same for each; the deviation of
    a channel that is the same everywhere is 0.
    """
    moments = [_find_moments(images[..., channel]) for channel in range(images.shape[-1])]
    mean, square = np.array(moments, np.float64).T  # of the pixels, of their squared distance
    if config.standardise == "all":
        overall = mean.mean()
        square = np.full_like(mean, (square + (mean - overall) ** 2).mean())
        mean = np.full_like(mean, overall)
    std = np.sqrt(square)
    blank = std <= np.finfo(np.float32).eps * np.abs(mean)  # no more than rounding
    return mean.astype(np.float32), np.where(blank, 0.0, std).astype(np.float32)


def _find_moments(pixels: np.ndarray) -> tuple[float, float]:
    """Mean, and mean squared distance from it, in two passes and float64."""
    if pixels.dtype == np.uint8:  # exact, and without a copy of all pixels in eight bytes each
        parts = np.array_split(pixels, pixels.size // AT_ONCE + 1)
        counts = sum(np.bincount(part.ravel(), minlength=256) for part in parts)
        values = np.arange(256.0)
        mean = (counts @ values) / pixels.size
        return float(mean), float(counts @ (values - mean) ** 2) / pixels.size
    return float(pixels.mean(dtype=np.float64)), float(pixels.var(dtype=np.float64))


def merge_channels(mean: npt.ArrayLike, std: npt.ArrayLike) -> tuple[float, float]:
    """Mean and deviation of all pixels from those of each channel [channels]."""
    mean, std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
    return float(mean.mean()), float(np.sqrt((std**2 + (mean - mean.mean()) ** 2).mean()))


def check(config: Config, dataset: Dataset) -> None:
    """Raises ConfigError where a run asks for what this data set does not have."""
    dtype = dataset.sample.images.dtype
    check_foreseen(config, dataset.num_train, dataset.feed, dataset.image_shape, dtype)


def check_foreseen(
    config: Config, num_train: int, feed: Feed, shape: tuple[int, int, int], dtype: np.dtype
) -> None:
    """As `check`, of a data set of so many training images of this shape and type."""
    check_train_examples(config.dataset, num_train, config.train_examples)
    seen = config.train_examples or num_train
    if config.batch_size > seen:
        raise ConfigError(
            f"--batch_size={config.batch_size} is more than the {seen} training images of"
            f" {config.dataset}, so that a step would see each several times: give at most {seen}"
        )
    drawn = feed == "memory" and 0 < config.train_examples < num_train
    if config.seed_draw >= 0 and config.draw == "auto" and not (drawn or config.shuffle_labels):
        raise ConfigError(
            f"--seed_draw={config.seed_draw} does nothing: --draw=auto draws none of the training"
            f" images of {config.dataset}; leave it out, or give --draw=seed"
        )
    if config.randaugment and dtype != np.uint8:
        raise ConfigError(
            f"--randaugment={config.randaugment} needs 8-bit pixels, and those of {config.dataset}"
            f" are {np.dtype(dtype).name}: leave it out"
        )
    if feed == "stream":
        stream.check(config, dtype, *shape[:2])
    check_augmentation(config, *shape[:2])


def check_augmentation(config: Config, height: int, width: int) -> None:
    """Raises ConfigError where augmentation may leave nothing of images of that size."""
    sides = [side for side in (height, width) if side > 1]  # a signal has one
    for name, most in (("shift", min(sides, default=1) - 1), ("cutout", max(sides, default=1) - 1)):
        if getattr(config, name) > most:
            raise ConfigError(
                f"--{name}={getattr(config, name)} may leave nothing of images of"
                f" {height}x{width}: give at most {most}"
            )


def draws_by_seed(config: Config, dataset: Dataset) -> bool:
    """Whether each seed trains on images of its own; --draw=auto does so wherever it can."""
    if config.draw != "auto":
        return config.draw == "seed"
    return dataset.feed == "memory" and 0 < config.train_examples < dataset.num_train


def cannot_draw(config: Config, dataset: Dataset) -> bool:
    """Whether --draw=auto would give each seed images of its own, but that they are streamed."""
    fewer = 0 < config.train_examples < dataset.num_train
    return config.draw == "auto" and fewer and dataset.feed == "stream"


def view_of(config: Config, dataset: Dataset) -> tuple[bool, int, int]:
    """What of a config decides the pixels that `transform` gives, and all that does."""
    taken = 0 if draws_by_seed(config, dataset) else config.train_examples
    return config.permute_pixels, config.roll_pixels, taken


def transform(config: Config, dataset: Dataset) -> Dataset:
    """The data set as a run sees it. With --draw=seed the program draws from the whole split.

    Raises ConfigError where the training split holds fewer examples than asked for.
    """
    check(config, dataset)
    if not draws_by_seed(config, dataset):
        dataset = take_train(dataset, config.train_examples)
    if not (config.permute_pixels or config.roll_pixels):
        return dataset

    def move(split: Split, number: int) -> Split:
        images = split.images
        if config.roll_pixels:
            images = roll_pixels(images, config.roll_pixels, number)
        return Split(permute_pixels(images) if config.permute_pixels else images, split.labels)

    splits = (dataset.sample, dataset.validation, dataset.test)
    train, validation, test = (move(split, number) for number, split in enumerate(splits))
    return dataset._replace(train=train, validation=validation, test=test)
