"""What all opponents have in common: the same training by other means, to measure ours against.

Every opponent is a function that takes so many training steps of one run, by Adam at a constant
rate on images as they are. Data lie in memory as float32, in the layout that it likes best.
"""

from collections.abc import Callable, Iterator

import numpy as np

from cnnjax.config.config import KNOBS, Config, default_of, values_of
from cnnjax.config.knobs import ConfigError
from cnnjax.config.models import defaults_of
from cnnjax.data.dataset import Dataset
from cnnjax.data.prepare import make_prepare
from cnnjax.data.transform import find_statistics
from cnnjax.ops import whitening

Train = Callable[[int], None]
KNOWN = (
    "dataset model train_examples widths conv_form kernel_size padding pool pool_size pool_every"
    " hidden activation learning_rate batch_size steps eval_every seed"
).split()
# Of these, the values that they know besides a model's own.
VALUES = {
    "model": ("cnn", "resnet18_small", "airbench94"),
    "pool": ("max", "avg"),
    "activation": ("relu", "tanh"),
}


def check_known(config: Config) -> None:
    """Raises ConfigError for a choice that the opponents do not have."""
    for name in KNOBS:
        expected = default_of(name, values_of(config))
        if name not in KNOWN and getattr(config, name) != expected:
            raise ConfigError(f"--{name} has no opponent: they know {', '.join(KNOWN)}")
    for name, known in VALUES.items():
        value = getattr(config, name)
        if value not in (*known, defaults_of(config.model).get(name)):
            raise ConfigError(f"--{name}={value} has no opponent: they know {', '.join(known)}")


def standardise(dataset: Dataset) -> np.ndarray:
    """The training images as float32 [n, height, width, channels], each channel of mean 0 and
    deviation 1.
    """  # fmt: skip
    images, config = dataset.sample.images, Config()
    return np.asarray(make_prepare(config, *find_statistics(config, images))(images))


def draw_batches(config: Config, num_examples: int, num_steps: int) -> Iterator[np.ndarray]:
    """Indices of so many whole batches, epoch after epoch in a new order."""
    rng, done = np.random.default_rng(config.seed), 0
    while True:
        order = rng.permutation(num_examples)
        for start in range(0, num_examples - config.batch_size + 1, config.batch_size):
            if done == num_steps:
                return
            yield order[start : start + config.batch_size]
            done += 1


def whiten(images: np.ndarray) -> np.ndarray:
    """The kernels [2, 2, channels, 8 x channels] of airbench94's first layer."""
    return whitening.make_filters(images[: whitening.ENOUGH], (2, 2), 1, 8 * images.shape[-1])
