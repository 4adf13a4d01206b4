"""Images that a trained network is asked about."""

import numpy as np
from jax.typing import ArrayLike

from cnnjax.config.knobs import ConfigError


def check_images(images: ArrayLike, shape: tuple[int, int, int], darkest: float) -> np.ndarray:
    """The images as an array. Raises ConfigError unless it is [N, *shape] of finite numbers.

    None is negative where the `darkest` pixel of the training images was not.
    """
    try:
        found = np.asarray(images)
    except ValueError:  # a list of lists of several lengths
        raise ConfigError("images differ in shape: give all in one array") from None
    if found.ndim != 4 or found.shape[1:] != shape:
        raise ConfigError(
            f"images are {list(found.shape)}, and this network takes [N, height, width, channels]"
            f" = [N, {', '.join(map(str, shape))}]"
        )
    if found.dtype.kind not in "uif":
        raise ConfigError(f"images are of {found.dtype}: give bytes or floats, as they are stored")
    if not np.isfinite(found).all():
        raise ConfigError("images hold NaN or infinity: leave these out")
    if darkest >= 0 and found.min(initial=0) < 0:
        raise ConfigError(
            f"images hold {found.min():g}, and pixels of the training images are {darkest:g} or"
            " more: give images as they are stored; they are standardised here"
        )
    return found
