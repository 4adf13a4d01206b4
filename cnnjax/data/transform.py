"""What a run makes of a data set before it sees it: fewer examples, pixels in another order."""

import numpy as np

from cnnjax.config import Config
from cnnjax.data import load, stream
from cnnjax.data.load import Dataset, Split

PERMUTATION_SEED = 1  # fixed: all runs and arms share one order


def pixel_order(num_pixels: int) -> np.ndarray:
    """The fixed random order [num_pixels] of --permute_pixels."""
    return np.random.default_rng(PERMUTATION_SEED).permutation(num_pixels)


def permute_pixels(images: np.ndarray) -> np.ndarray:
    """Images [n, H, W, C] with all pixels in that order, the channels of each kept together."""
    count, height, width, channels = images.shape
    flat = images.reshape(count, height * width, channels)
    return flat[:, pixel_order(height * width)].reshape(images.shape)


def check(config: Config, dataset: Dataset) -> None:
    """Raises ConfigError where a run asks for what this data set does not have."""
    load.check_train_examples(dataset, config.train_examples)
    if dataset.stream is not None:
        stream.check(config, dataset.train.images.dtype)


def draws_by_seed(config: Config, dataset: Dataset) -> bool:
    """Whether each seed trains on images of its own; --draw=auto does so wherever it can."""
    if config.draw != "auto":
        return config.draw == "seed"
    in_memory = dataset.stream is None
    return in_memory and 0 < config.train_examples < len(dataset.train.labels)


def describe_draw(config: Config, dataset: Dataset) -> str:
    """Which training images the seeds see, in words that end a sentence."""
    images = dataset.train.labels if dataset.stream is None else dataset.stream
    pool, count = len(images), config.train_examples or len(images)
    if draws_by_seed(config, dataset):
        return f"each seed trains on {count:,} images of its own, drawn from {pool:,}"
    because = "; they are streamed" if dataset.stream is not None and count < pool else ""
    return f"all seeds train on the same {count:,} images of {pool:,}{because}"


def transform(config: Config, dataset: Dataset) -> Dataset:
    """The data set as a run sees it. With --draw=seed the program draws from the whole split.

    Raises ConfigError where the training split holds fewer examples than asked for.
    """
    check(config, dataset)
    if not draws_by_seed(config, dataset):
        dataset = load.take_train(dataset, config.train_examples)
    if not config.permute_pixels:
        return dataset
    train, validation, test = (
        Split(permute_pixels(split.images), split.labels)
        for split in (dataset.train, dataset.validation, dataset.test)
    )
    return dataset._replace(train=train, validation=validation, test=test)
