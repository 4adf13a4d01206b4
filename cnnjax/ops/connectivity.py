"""Which input channels each kernel sees, as a table of ones and zeros."""

import jax
import numpy as np
from jax import Array

# LeNet-5's C3: the six maps of S2 that each of 16 kernels sees (LeCun et al. 1998, table I).
LENET5_C3 = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5), (0, 1, 2, 3), (1, 2, 3, 4),
    (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5), (0, 1, 3, 4), (1, 2, 4, 5),
    (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)  # fmt: skip
DENSITY = 60 / 96  # of that table


def lenet5_table(channels: int, features: int) -> np.ndarray:
    """LeNet-5's table [channels, features], repeated where the layer is larger.

    Kernel f sees channel c where kernel f % 16 of C3 sees map c % 6; all of fewer than 6 channels.
    """
    table = np.ones((channels, features), np.float32)
    if channels >= 6:
        for channel in range(channels):
            for feature in range(features):
                table[channel, feature] = channel % 6 in LENET5_C3[feature % 16]
    return table


def random_table(channels: int, features: int) -> np.ndarray:
    """A fixed random table [channels, features] of LeNet-5's density; all of fewer than 6.

    Each kernel sees as many channels as any other, give or take one.
    """
    table = np.ones((channels, features), np.float32)
    if channels >= 6:
        rng = np.random.default_rng(0)  # fixed: the table is part of the architecture
        ends = np.round(np.arange(features + 1) * DENSITY * channels).astype(int)
        table[:] = 0
        for feature, count in enumerate(np.diff(ends)):
            table[rng.permutation(channels)[:count], feature] = 1
    return table


def draw_table(key: Array, table: np.ndarray) -> Array:
    """A table [channels, features] in which each kernel sees as many channels, others by chance."""
    return jax.random.permutation(key, table, axis=0, independent=True)


CONNECTIVITIES = {
    "all": lambda channels, features: np.ones((channels, features), np.float32),
    "lenet5": lenet5_table,
    "random": random_table,
    "drawn": random_table,  # how many each kernel sees; `draw_table` says which
}
