"""Convolution against its definition, written in NumPy, and both forms against each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.test_util import check_grads

from cnnjax.config import KNOBS
from cnnjax.ops import conv

CASES = [  # size, kernel_size, stride, padding
    ((8, 8), 3, 1, "SAME"), ((8, 8), 3, 1, "VALID"), ((7, 9), 3, 2, "SAME"),
    ((7, 9), 3, 2, "VALID"), ((8, 8), 2, 1, "SAME"), ((8, 8), 2, 2, "SAME"),
    ((5, 6), 5, 1, "VALID"), ((5, 5), 1, 3, "SAME"), ((6, 6), 4, 3, "SAME"),
    ((3, 3), 5, 1, "SAME"),
]  # fmt: skip


def draw(size, kernel_size, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(2, *size, 3)).astype(np.float32)
    kernel = rng.normal(size=(kernel_size, kernel_size, 3, 4)).astype(np.float32)
    return images, kernel


def convolve_by_definition(images, kernel, stride, padding):
    """Output cell (i, j) is the sum over the window that starts at (i, j) times the stride."""
    window = kernel.shape[0]
    pads = [(0, 0)] * 4
    if padding == "SAME":
        for axis in (1, 2):
            outputs = -(-images.shape[axis] // stride)
            total = max((outputs - 1) * stride + window - images.shape[axis], 0)
            pads[axis] = (total // 2, total - total // 2)
    images = np.pad(images.astype(np.float64), pads)
    rows, columns = ((size - window) // stride + 1 for size in images.shape[1:3])
    output = np.zeros((len(images), rows, columns, kernel.shape[-1]))
    for i in range(rows):
        for j in range(columns):
            cells = images[:, i * stride : i * stride + window, j * stride : j * stride + window]
            output[:, i, j] = np.einsum("nhwc,hwcf->nf", cells, kernel.astype(np.float64))
    return output


@pytest.mark.parametrize("case", CASES, ids=str)
def test_equals_its_definition(case):
    size, kernel_size, stride, padding = case
    images, kernel = draw(size, kernel_size)
    expected = convolve_by_definition(images, kernel, stride, padding)
    np.testing.assert_allclose(conv.conv2d(images, kernel, stride, padding), expected, atol=2e-5)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_both_forms_and_their_gradients_agree(case):
    size, kernel_size, stride, padding = case
    images, kernel = draw(size, kernel_size)
    pads = [conv.PADDINGS[padding](axis, kernel_size, stride) for axis in size]

    def loss(form, images, kernel):
        return jnp.sin(form(images, kernel, stride, pads)).sum()

    for form_value, native_value in zip(
        jax.value_and_grad(loss, argnums=(1, 2))(conv.patches_times_matrix, images, kernel),
        jax.value_and_grad(loss, argnums=(1, 2))(conv.native, images, kernel),
        strict=True,
    ):
        jax.tree.map(
            lambda ours, native: np.testing.assert_allclose(ours, native, atol=2e-4),
            form_value,
            native_value,
        )


def test_gradients_by_finite_differences_in_float64():
    with jax.enable_x64(True):
        images, kernel = (jnp.asarray(array, jnp.float64) for array in draw((5, 5), 3))
        check_grads(lambda x, k: conv.conv2d(x, k, 2, "SAME"), (images, kernel), order=1)


def test_same_in_scan_map_and_vmap():
    images, kernel = draw((8, 8), 3)
    stack = jnp.stack([images, 2 * images])
    direct = jnp.stack([conv.conv2d(each, kernel) for each in stack])
    scanned = lax.scan(lambda carry, x: (carry, conv.conv2d(x, kernel)), 0, stack)[1]
    mapped = lax.map(lambda x: conv.conv2d(x, kernel), stack)
    batched = jax.vmap(lambda x: conv.conv2d(x, kernel))(stack)
    for other in (scanned, mapped, batched):
        np.testing.assert_allclose(other, direct, atol=1e-5)


def test_the_cpu_program_holds_no_native_convolution_and_the_gpu_program_holds_one():
    images, kernel = draw((8, 8), 3)
    traced = jax.jit(conv.conv2d, static_argnums=(2, 3)).trace(images, kernel, 1, "SAME")
    assert "convolution" not in traced.lower(lowering_platforms=("cpu",)).as_text()
    assert "convolution" in traced.lower(lowering_platforms=("cuda",)).as_text()


def test_refuses_a_kernel_that_does_not_fit():
    images, kernel = draw((4, 4), 5)
    with pytest.raises(ValueError, match="5x5 kernel does not fit on a map of 4x4"):
        conv.conv2d(images, kernel, padding="VALID")


@pytest.mark.parametrize("kernel_size", range(1, 6))
@pytest.mark.parametrize("stride", range(1, 4))
def test_same_divides_an_odd_amount_with_the_extra_cell_after(kernel_size, stride):
    for size in range(1, 12):
        before, after = conv.same_pads(size, kernel_size, stride)
        assert after - before in (0, 1)
        assert conv.output_size(size, kernel_size, stride, before + after) == -(-size // stride)


def test_table_has_the_choices_of_the_knob():
    assert set(conv.PADDINGS) == set(KNOBS["padding"].choices)
