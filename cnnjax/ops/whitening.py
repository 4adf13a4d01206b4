"""Kernels that make the cells of an image's patches uncorrelated, and of variance one."""

from collections.abc import Iterable

import numpy as np

EPSILON = 5e-4  # added to each variance, so that no direction without any is blown up
ENOUGH = 5000  # images: no need to look at more (Jordan 2024)


def make_filters(
    images: Iterable[np.ndarray], window: tuple[int, int], dilation: int, count: int
) -> np.ndarray:
    """Kernels [height, width, channels, count] that whiten all patches of images [H, W, C].

    Eigenvectors of the patches' mean products (their covariance, since images have mean 0), each
    over the root of its eigenvalue, and then their negatives; the largest where not all are
    wanted (Jordan 2024).
    """
    total, patches, channels = 0.0, 0, 0
    for image in images:  # one at a time: its patches hold each cell many times
        channels = image.shape[-1]
        cells = _find_patches(image, window, dilation)
        total, patches = total + cells.T @ cells, patches + len(cells)
    variances, vectors = np.linalg.eigh(total / patches)
    half = (vectors / np.sqrt(variances + EPSILON))[:, ::-1][:, : (count + 1) // 2]
    filters = np.concatenate([half, -half], axis=1)[:, :count]
    return filters.reshape(*window, channels, count).astype(np.float32)


def _find_patches(image: np.ndarray, window: tuple[int, int], dilation: int) -> np.ndarray:
    """All patches of one image [H, W, C], each a row of cells in the order of a kernel's."""
    height, width = (
        size - dilation * (cells - 1) for size, cells in zip(image.shape[:2], window, strict=True)
    )
    corners = [(y * dilation, x * dilation) for y in range(window[0]) for x in range(window[1])]
    shifted = [image[y : y + height, x : x + width] for y, x in corners]
    return np.concatenate(shifted, axis=2).reshape(height * width, -1).astype(np.float64)
