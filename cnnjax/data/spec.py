"""What a program and its measures must know of data before they see them."""

from typing import Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike


class DataSpec(NamedTuple):
    """What a program must know of its data before it sees them."""

    image_shape: tuple[int, int, int]  # height, width, channels
    num_classes: int
    num_train: int
    mean: ArrayLike  # of the training pixels, [channels] or one number
    std: ArrayLike  # 0 where all are the same
    filters: np.ndarray | None = None  # whitening kernels of the first layer, where it has them
    low: float = 0.0  # darkest training pixel
    high: float = 255.0  # brightest
    # Row and column of each class [classes, 2], where classes are places.
    positions: np.ndarray | None = None
    # Whether the images of each class have each part [classes, parts], where classes are wholes.
    parts: np.ndarray | None = None
    streamed: bool = False  # training images come in the order in which they are seen
    start: tuple[Any, Any] | None = None  # parameters and statistics that are not drawn, as trees
    drawn: bool = False  # each seed trains on `num_train` images of its own, out of all
