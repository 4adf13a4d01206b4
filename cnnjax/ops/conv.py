"""Convolution (cross-correlation, as every CNN library has it) of NHWC images.

On a CPU, XLA runs `lax.conv_general_dilated` as a plain loop nest when it stands inside `scan`
or `map`, three to forty times slower than outside. The same convolution written as patches
times a matrix, or Winograd's, keeps its speed there; GPUs and TPUs get their native convolution.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from cnnjax.ops import precision, winograd
from cnnjax.ops.padding import PADDINGS, Pads, coverage, fill_border, output_size, span_of


def window_cells(
    maps: Array, window: tuple[int, int], stride: int, dilation: int = 1
) -> list[Array]:
    """The map shifted to each cell of a sliding window: height * width arrays [N, H', W', C].

    Slices rather than `lax.reduce_window` or a gather: on a CPU both they and their gradients
    are several times faster, in scans too.
    """
    rows, columns = (
        output_size(size, cells, stride, dilation=dilation)
        for size, cells in zip(maps.shape[1:3], window, strict=True)
    )
    return [
        maps[
            :, i : i + (rows - 1) * stride + 1 : stride, j : j + (columns - 1) * stride + 1 : stride
        ]
        for i in range(0, window[0] * dilation, dilation)
        for j in range(0, window[1] * dilation, dilation)
    ]


def patches_times_matrix(
    images: Array, kernel: Array, stride: int, pads: Pads, dilation: int = 1, groups: int = 1
) -> Array:
    """Convolution as matrix products over explicit patches. Shapes as `conv2d`.

    The patches are made anew in the backward pass: kept, they would be as large as the images
    times the cells of the kernel.
    """

    def multiply(images: Array, kernel: Array) -> Array:
        height, width, channels, features = kernel.shape
        images = fill_border(images, pads, "zero")
        cells = window_cells(images, (height, width), stride, dilation)
        if groups == 1:
            # As matrices: with four axes XLA's gradient of the kernel takes three times as long.
            weights = kernel.reshape(height * width * channels, features)
            if channels == 1:  # whole rows are copied: half the time
                patches = jnp.stack(cells).reshape(height * width, -1)
                output = jnp.einsum("kp,kf->pf", patches, weights)
            else:
                output = jnp.concatenate(cells, axis=-1).reshape(-1, len(weights)) @ weights
            return output.reshape(*cells[0].shape[:3], features)
        if channels == 1 and features == groups:  # depthwise: a weighted sum of shifted maps
            weights = kernel.reshape(height * width, 1, 1, 1, features)
            products = [cell * weight for cell, weight in zip(cells, weights, strict=True)]
            return functools.reduce(jnp.add, products)
        split = [cell.reshape(*cell.shape[:3], groups, channels) for cell in cells]
        patches = jnp.concatenate(split, axis=-1)  # [..., groups, height * width * channels]
        weights = kernel.reshape(height * width * channels, groups, features // groups)
        output = jnp.einsum("nhwgp,pgf->nhwgf", patches, weights)
        return output.reshape(*output.shape[:3], features)

    return jax.checkpoint(multiply, prevent_cse=False)(images, kernel)


def native(
    images: Array, kernel: Array, stride: int, pads: Pads, dilation: int = 1, groups: int = 1
) -> Array:
    """Convolution by the platform's own primitive. Shapes as `conv2d`."""
    return lax.conv_general_dilated(
        images, kernel, (stride, stride), list(pads), rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups,
    )  # fmt: skip


def choose_form(
    shape: tuple[int, ...], kernel: tuple[int, ...], stride: int, pads: Pads, dilation: int,
    groups: int, dtype: jnp.dtype,
) -> str:  # fmt: skip
    """The fastest form on a CPU, from static shapes alone.

    Measured forward and backward under scan, in GFLOP/s on one core of an AMD EPYC, JAX 0.10.2
    (images, size, channels to features: patches, winograd2, winograd4):

        16 of 28x28,  1 to  32:  35   13   15     8 of 32x32,  64 to  64:  50  124  213
        16 of 28x28, 16 to  32:  50   68  100   128 of 16x16, 128 to 128:  63  124  185
        16 of 28x28,  6 to  16:  38   31   41   128 of  8x8,  256 to 256:  74  146  213
        16 of 14x14, 32 to  64:  64  115  141   128 of  7x7,  256 to 256:  76  118  172
        16 of 10x10, 32 to  32:  59   85   97    16 of  7x7,  256 to 256:  94   79   81
        64 of  6x6,  64 to  64:  69  129  109   128 of  4x4,  512 to 512:  86  131  126
        64 of  4x4,  32 to  64:  80  101   80    32 of  4x4,  512 to 512:  92   70   48

    Winograd pays where there are channels to multiply, few cells of the tiles beyond the map, and
    many tiles for each transformed kernel, or one that stays in the cache.
    """
    possible = winograd.is_possible(kernel, stride, dilation, groups)
    if not possible or min(kernel[2:]) < 6 or dtype != jnp.float32:
        return "patches"
    stays_in_cache = math.prod(kernel[2:]) <= 64 * 64
    for tile, enough in ((4, 128), (2, 256)):
        (height, width), counts = winograd.plan_tiles(shape, pads, tile)
        tiles = math.prod(counts)
        many = shape[0] * tiles >= (enough // 2 if stays_in_cache else enough)
        if many and tiles * tile**2 <= 1.45 * height * width:
            return f"winograd{tile}"
    return "patches"


def by_winograd(tile: int, images: Array, kernel: Array, stride: int, pads: Pads, dilation: int,
                groups: int) -> Array:  # fmt: skip
    """Convolution by tiles, where it can be, and else by patches. Shapes as `conv2d`."""
    if winograd.is_possible(kernel.shape, stride, dilation, groups):
        return winograd.winograd(images, kernel, tuple(pads), tile)
    return patches_times_matrix(images, kernel, stride, pads, dilation, groups)


FORMS: dict[str, Callable[..., Array]] = {
    "patches": patches_times_matrix,
    "winograd2": functools.partial(by_winograd, 2),
    "winograd4": functools.partial(by_winograd, 4),
    "native": native,
}  # besides: auto, the platform's best


def find_pads(
    shape: tuple[int, ...], window: tuple[int, int], stride: int, padding: str,
    explicit: tuple[int, int] = (0, 0), dilation: int = 1,
) -> Pads:  # fmt: skip
    """The border that `padding` asks for on a map [N, H, W, C]; `explicit` cells for height, width.

    Raises ValueError where the window then fits nowhere, or somewhere lies off the map wholly.
    """
    spans = [span_of(cells, dilation) for cells in window]
    if padding == "explicit":
        pads = tuple((cells, cells) for cells in explicit)
    else:
        pads = tuple(
            PADDINGS[padding](size, span, stride)
            for size, span in zip(shape[1:3], spans, strict=True)
        )
    for size, cells, span, pad in zip(shape[1:3], window, spans, pads, strict=True):
        if output_size(size, cells, stride, sum(pad), dilation) == 0:
            seen = "x".join(map(str, spans))
            raise ValueError(
                f"a {seen} kernel does not fit on a map of {shape[1]}x{shape[2]} with {padding}"
                " padding"
            )
        if max(pad) >= span and padding == "explicit":
            raise ValueError(
                f"a border of {max(pad)} cell{'s' * (max(pad) > 1)} leaves a kernel of {span}"
                " nothing to see"
            )
    return pads


def partial_scale(
    images: Array, window: tuple[int, int], stride: int, pads: Pads, dilation: int
) -> Array:
    """Cells of a window over those of them on the map, [1, H', W', 1]; 0 where there are none."""
    seen = coverage(images.shape[1:3], window, stride, pads, dilation)
    scale = np.divide(window[0] * window[1], seen, where=seen > 0, out=np.zeros_like(seen))
    return jnp.asarray(scale[None, :, :, None], images.dtype)


def conv2d(
    images: Array, kernel: Array, stride: int = 1, padding: str = "SAME", *,
    explicit: tuple[int, int] = (0, 0), fill: str = "zero", dilation: int = 1, groups: int = 1,
    form: str = "auto", platform: str,
) -> Array:  # fmt: skip
    """Slides `kernel` [h, w, C / groups, F] over `images` [N, H, W, C]; gives [N, H', W', F].

    Kernel f sees the channels of group f // (F / groups) only. `padding` is SAME, VALID, FULL or
    explicit (cells on each side of height and width), filled as `padding.FILLS` says; with
    `partial` (Liu et al. 2018, "Partial convolution based padding") each output is rescaled by
    the share of its window on the map. `form` is one of FORMS, or auto for the best of `platform`,
    a JAX back end. Raises ValueError where the kernel does not fit.
    """
    window = (kernel.shape[0], kernel.shape[1])
    pads = find_pads(images.shape, window, stride, padding, explicit, dilation)
    scale = partial_scale(images, window, stride, pads, dilation) if fill == "partial" else None
    if fill not in ("zero", "partial"):
        images, pads = fill_border(images, pads, fill), ((0, 0), (0, 0))
    if form == "auto" and precision.is_cpu(platform):
        form = choose_form(images.shape, kernel.shape, stride, pads, dilation, groups, images.dtype)
    slide = native if form == "auto" else FORMS[form]
    output = slide(images, kernel, stride, pads, dilation, groups)
    return output if scale is None else output * scale


def local2d(
    images: Array, kernel: Array, window: tuple[int, int], stride: int = 1, padding: str = "SAME",
    *, explicit: tuple[int, int] = (0, 0), fill: str = "zero", dilation: int = 1,
) -> Array:  # fmt: skip
    """A locally connected layer: the windows of `conv2d`, with a kernel of its own at each.

    `kernel` is [H', W', h * w * C, F], a window's cells in row-major order; gives [N, H', W', F].
    Raises ValueError where the window does not fit.
    """
    pads = find_pads(images.shape, window, stride, padding, explicit, dilation)
    border = fill_border(images, pads, fill)
    patches = jnp.concatenate(window_cells(border, window, stride, dilation), axis=-1)
    output = jnp.einsum("nhwp,hwpf->nhwf", patches, kernel)
    return (
        output * partial_scale(images, window, stride, pads, dilation)
        if fill == "partial"
        else output
    )
