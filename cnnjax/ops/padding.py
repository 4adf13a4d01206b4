"""What lies beyond the border of a map: how many cells, and what they hold."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array

Pads = Sequence[tuple[int, int]]  # (before, after) for height and for width


def span_of(kernel_size: int, dilation: int) -> int:
    """Cells from the first to the last that a dilated kernel sees: d(n - 1) + 1."""
    return dilation * (kernel_size - 1) + 1


def output_size(size: int, kernel_size: int, stride: int, pads: int = 0, dilation: int = 1) -> int:
    """Cells of the output along one axis: floor((m + p - d(n - 1) - 1) / s) + 1; 0 if none fits.

    Source: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", eq. 15.
    """
    return max((size + pads - span_of(kernel_size, dilation)) // stride + 1, 0)


def same_pads(size: int, span: int, stride: int) -> tuple[int, int]:
    """Cells that SAME adds before and after, so that ceil(size / stride) outputs result.

    An odd amount puts the extra cell after, as TensorFlow and JAX do.
    """
    total = max((-(-size // stride) - 1) * stride + span - size, 0)
    return total // 2, total - total // 2


def valid_pads(size: int, span: int, stride: int) -> tuple[int, int]:
    """No cells: VALID keeps to windows that lie wholly on the map."""
    return 0, 0


def full_pads(size: int, span: int, stride: int) -> tuple[int, int]:
    """As many cells as let every window that touches the map count."""
    return span - 1, span - 1


def half_pads(size: int, span: int, stride: int) -> tuple[int, int]:
    """Half a window on both sides whatever the stride, as PyTorch's networks have it."""
    return (span - 1) // 2, (span - 1) // 2


def ceil_pads(size: int, span: int, stride: int) -> tuple[int, int]:
    """What the last window lacks, after the map: no cell lies beyond the last window, but where
    the stride is above the span and that window would begin beyond the map.

    Caffe's rule, and that of `ceil_mode` in PyTorch.
    """  # fmt: skip
    last = -(-max(size - span, 0) // stride) * stride  # where the last window begins
    if last >= size:
        last -= stride
    return 0, max(last + span - size, 0)


# And explicit: as given.
PADDINGS = {
    "SAME": same_pads,
    "VALID": valid_pads,
    "FULL": full_pads,
    "HALF": half_pads,
    "CEIL": ceil_pads,
}

# How the cells beyond the border are filled: modes of jnp.pad. `partial` fills with zeros and
# rescales each output by the share of its window that lies on the map.
FILLS = {
    "zero": "constant",
    "edge": "edge",
    "reflect": "reflect",
    "circular": "wrap",
    "partial": "constant",
}


def fill_border(images: Array, pads: Pads, fill: str) -> Array:
    """`images` [N, H, W, C] with the border filled.

    Raises ValueError where a reflection needs more cells than the map has.
    """
    if not np.any(pads):
        return images
    if fill == "reflect" and any(
        max(pad) >= size for pad, size in zip(pads, images.shape[1:3], strict=True)
    ):
        widest = max(map(max, pads))
        raise ValueError(
            f"reflect cannot fill a border of {widest} cell{'s' * (widest > 1)} from a map of"
            f" {images.shape[1]}x{images.shape[2]}"
        )
    return jnp.pad(images, ((0, 0), *pads, (0, 0)), mode=FILLS[fill])


def coverage(
    shape: Sequence[int], window: Sequence[int], stride: int, pads: Pads, dilation: int = 1
) -> np.ndarray:
    """The number of cells on the map in each window: [rows, columns] float32, 0 where none is."""
    counts = []
    for size, cells, (before, after) in zip(shape, window, pads, strict=True):
        starts = np.arange(output_size(size, cells, stride, before + after, dilation)) * stride
        positions = starts[:, None] + dilation * np.arange(cells) - before
        counts.append(((positions >= 0) & (positions < size)).sum(axis=1))
    return np.outer(*counts).astype(np.float32)
