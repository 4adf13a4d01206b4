"""From images as they are stored to what a network takes: the only place where pixels are scaled.

Programs, whitening, measures and predictions all prepare images by `make_prepare`.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from cnnjax.config.config import Config
from cnnjax.config.data import input_shape

Prepare = Callable[[Any], Any]  # images [N, H, W, C] to float32 [N, h, w, C]; of NumPy or of JAX


def make_prepare(config: Config, mean: ArrayLike, std: ArrayLike) -> Prepare:
    """Standardises pixels by those of the training images, then resizes them to --image_size.

    `mean` and `std` are of each channel [C] or one number, as `transform.measure_pixels` gives
    them.
    """
    mean, scale = find_scale(config, mean, std)

    def prepare(images: Any) -> Any:
        return resize(config, (images.astype(np.float32) - mean) / scale)

    return prepare


def find_scale(config: Config, mean: ArrayLike, std: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """What a run takes from its pixels and divides them by, each [1, 1, 1, channels] float32."""
    mean, std = (np.asarray(own, np.float32).reshape(1, 1, 1, -1) for own in (mean, std))
    if config.standardise == "none":
        return np.zeros_like(mean), np.ones_like(std)
    return mean, np.where(std > 0, std, np.float32(1))


def resize(config: Config, images: Any) -> Any:
    """Images [N, H, W, C] as large as the run wants them, bilinear, blurred where they shrink."""
    count, *shape = images.shape
    wanted = input_shape(config, (shape[0], shape[1], shape[2]))
    if wanted == tuple(shape):
        return images
    precision = jax.lax.Precision[config.precision.upper()]
    return jax.image.resize(images, (count, *wanted), "bilinear", precision=precision)
