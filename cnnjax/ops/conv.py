"""Convolution (cross-correlation, as every CNN library has it) of NHWC images.

On a CPU, XLA runs `lax.conv_general_dilated` as a plain loop nest when it stands inside `scan`
or `map`, three to forty times slower than outside. The same convolution written as patches
times a matrix keeps its speed there; GPUs and TPUs get their native convolution.
"""

from collections.abc import Sequence
from typing import Literal

import jax.numpy as jnp
from jax import Array, lax

Pads = Sequence[tuple[int, int]]  # (before, after) for height and width


def output_size(size: int, kernel_size: int, stride: int, pads: int = 0) -> int:
    """Cells of the output along one axis: floor((m + p - n) / s) + 1, and 0 where none fits.

    Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", eq. 6.
    """
    return max((size + pads - kernel_size) // stride + 1, 0)


def same_pads(size: int, kernel_size: int, stride: int) -> tuple[int, int]:
    """Cells that SAME adds before and after, so that ceil(size / stride) outputs result.

    An odd amount puts the extra cell after, as TensorFlow and JAX do.
    """
    total = max((-(-size // stride) - 1) * stride + kernel_size - size, 0)
    return total // 2, total - total // 2


def valid_pads(size: int, kernel_size: int, stride: int) -> tuple[int, int]:
    """No cells: VALID keeps to windows that lie wholly on the map."""
    return 0, 0


PADDINGS = {"SAME": same_pads, "VALID": valid_pads}


def patches_times_matrix(images: Array, kernel: Array, stride: int, pads: Pads) -> Array:
    """Convolution as one matrix product over explicit patches. Shapes as `conv2d`."""
    height, width, channels, features = kernel.shape
    images = jnp.pad(images, ((0, 0), *pads, (0, 0)))
    rows = output_size(images.shape[1], height, stride)
    columns = output_size(images.shape[2], width, stride)
    patches = jnp.concatenate(
        [
            images[
                :,
                i : i + (rows - 1) * stride + 1 : stride,
                j : j + (columns - 1) * stride + 1 : stride,
            ]
            for i in range(height)
            for j in range(width)
        ],
        axis=-1,
    )  # [N, rows, columns, height * width * channels]
    return patches @ kernel.reshape(height * width * channels, features)


def native(images: Array, kernel: Array, stride: int, pads: Pads) -> Array:
    """Convolution by the platform's own primitive. Shapes as `conv2d`."""
    return lax.conv_general_dilated(
        images, kernel, (stride, stride), list(pads), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def conv2d(
    images: Array, kernel: Array, stride: int = 1, padding: Literal["SAME", "VALID"] = "SAME"
) -> Array:
    """Slides `kernel` [h, w, C, F] over `images` [N, H, W, C]; gives [N, H', W', F].

    Raises ValueError where the kernel does not fit on the map.
    """
    height, width = kernel.shape[:2]
    pads = [
        PADDINGS[padding](size, window, stride)
        for size, window in zip(images.shape[1:3], (height, width), strict=True)
    ]
    for size, window, pad in zip(images.shape[1:3], (height, width), pads, strict=True):
        if output_size(size, window, stride, sum(pad)) == 0:
            raise ValueError(
                f"a {height}x{width} kernel does not fit on a map of"
                f" {images.shape[1]}x{images.shape[2]} with {padding} padding"
            )
    return lax.platform_dependent(
        images,
        kernel,
        cpu=lambda x, k: patches_times_matrix(x, k, stride, pads),
        default=lambda x, k: native(x, k, stride, pads),
    )
