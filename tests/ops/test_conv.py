"""Convolution of every kind against its definition, and both of our forms against each other."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from cnnjax.config.config import KNOBS
from cnnjax.ops import connectivity, conv, padding
from tests import here, reference

CASES = {  # size, window, and the arguments of conv2d
    "plain": ((8, 8), (3, 3), {}),
    "valid": ((8, 8), (3, 3), {"padding": "VALID"}),
    "full": ((5, 6), (3, 3), {"padding": "FULL"}),
    "half": ((8, 7), (5, 4), {"padding": "HALF", "stride": 2}),
    "ceil": ((8, 7), (3, 3), {"padding": "CEIL", "stride": 4}),
    "ceil, strides above the kernel": ((5, 8), (1, 2), {"padding": "CEIL", "stride": 3}),
    "ceil of a small map": ((2, 2), (3, 3), {"padding": "CEIL", "stride": 2}),
    "explicit": ((5, 6), (3, 3), {"padding": "explicit", "explicit": (0, 1), "stride": 2}),
    "strided": ((7, 9), (3, 3), {"stride": 2}),
    "strided valid": ((7, 9), (3, 3), {"stride": 2, "padding": "VALID"}),
    "even kernel": ((8, 8), (2, 2), {"stride": 2}),
    "gaps": ((5, 5), (1, 1), {"stride": 3}),
    "rectangular": ((6, 8), (1, 5), {"padding": "VALID"}),
    "rectangular same": ((6, 8), (5, 2), {"stride": 2}),
    "dilated": ((8, 8), (3, 3), {"dilation": 2}),
    "dilated valid": ((9, 8), (3, 2), {"dilation": 3, "padding": "VALID", "stride": 2}),
    "larger than the map": ((3, 3), (5, 5), {}),
    "grouped": ((6, 6), (3, 3), {"groups": 2}),
    "depthwise": ((6, 6), (3, 3), {"groups": 4, "stride": 2}),
    "edge": ((6, 6), (3, 3), {"fill": "edge"}),
    "reflect": ((6, 6), (5, 5), {"fill": "reflect", "padding": "FULL"}),
    "circular": ((6, 6), (3, 3), {"fill": "circular"}),
    "partial": ((6, 6), (3, 3), {"fill": "partial", "stride": 2}),
    "partial dilated": ((6, 6), (3, 3), {"fill": "partial", "dilation": 2}),
}


def draw(size, window, groups=1, channels=4, features=4):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, *size, channels)).astype(np.float32)
    kernel = rng.normal(size=(*window, channels // groups, features)).astype(np.float32)
    return images, kernel


def both(case):
    size, window, arguments = CASES[case]
    images, kernel = draw(size, window, arguments.get("groups", 1))
    return images, kernel, {"stride": 1, "padding": "SAME", **arguments}


@pytest.mark.parametrize("case", CASES)
def test_equals_its_definition(case):
    images, kernel, arguments = both(case)
    expected = reference.conv2d(images, kernel, **arguments)
    np.testing.assert_allclose(here.conv2d(images, kernel, **arguments), expected, atol=3e-5)


@pytest.mark.parametrize("padding_name", sorted(padding.PADDINGS))
@pytest.mark.parametrize("platform", ["cpu", "tpu"])
def test_even_kernels_and_dilation_with_every_border_equal_their_definition(padding_name, platform):
    """In float64, by the form of a CPU and by the primitive of accelerators."""
    with jax.enable_x64(True):
        for window, dilation, stride in (((2, 4), 1, 1), ((2, 2), 2, 3), ((4, 3), 2, 1)):
            images, kernel = (array.astype(np.float64) for array in draw((8, 9), window, groups=2))
            arguments = {"stride": stride, "padding": padding_name, "dilation": dilation}
            expected = reference.conv2d(images, kernel, groups=2, **arguments)
            found = here.conv2d(images, kernel, groups=2, platform=platform, **arguments)
            np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_gradients_by_finite_differences_in_float64(case):
    with jax.enable_x64(True):
        images, kernel, arguments = both(case)
        images, kernel = (jnp.asarray(array[:1], jnp.float64) for array in (images, kernel))
        if kernel.shape[0] < CASES[case][1][0]:
            kernel = jnp.asarray(both(case)[1], jnp.float64)
        once = jax.jit(lambda x, k: here.conv2d(x, k, **arguments))
        check_grads(once, (images, kernel), order=1, modes=["rev"])


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_our_form_and_the_native_one_agree_with_their_gradients(case):
    images, kernel, arguments = both(case)
    window, stride = kernel.shape[:2], arguments["stride"]
    dilation, groups = arguments.get("dilation", 1), arguments.get("groups", 1)
    pads = conv.find_pads(
        images.shape, window, stride, arguments["padding"], arguments.get("explicit", (0, 0)),
        dilation,
    )  # fmt: skip

    def loss(form, images, kernel):
        return jnp.sin(form(images, kernel, stride, pads, dilation, groups)).sum()

    ours, native = (
        jax.jit(jax.value_and_grad(functools.partial(loss, form), argnums=(0, 1)))(images, kernel)
        for form in (conv.patches_times_matrix, conv.native)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=3e-4), ours, native)


@pytest.mark.parametrize("padding_name", ["SAME", "VALID"])
def test_unshared_equals_its_definition(padding_name):
    images, _ = draw((5, 6), (3, 2))
    rows, columns = (3, 3) if padding_name == "SAME" else (2, 3)
    kernel = np.random.default_rng(1).normal(size=(rows, columns, 24, 5)).astype(np.float32)
    found = conv.local2d(images, kernel, (3, 2), 2, padding_name)
    expected = reference.local2d(images, kernel, (3, 2), 2, padding_name)
    np.testing.assert_allclose(found, expected, atol=3e-5)


@pytest.mark.parametrize("fill", padding.FILLS)
def test_unshared_with_one_kernel_everywhere_is_a_convolution(fill):
    images, kernel = draw((5, 6), (3, 3))
    everywhere = jnp.broadcast_to(kernel.reshape(36, 4), (5, 6, 36, 4))
    np.testing.assert_allclose(
        conv.local2d(images, everywhere, (3, 3), fill=fill),
        here.conv2d(images, kernel, fill=fill),
        atol=2e-5,
    )


def test_the_cpu_program_holds_no_native_convolution_and_the_gpu_program_holds_one():
    images, kernel = draw((8, 8), (3, 3))
    for platform, native in (("cpu", False), ("cuda", True), ("tpu", True)):
        program = jax.make_jaxpr(functools.partial(conv.conv2d, platform=platform))(images, kernel)
        assert ("conv_general_dilated" in str(program)) == native


@given(
    size=st.integers(1, 12), kernel=st.integers(1, 5), stride=st.integers(1, 4),
    dilation=st.integers(1, 3), name=st.sampled_from(["SAME", "VALID", "FULL", "explicit"]),
    amount=st.integers(0, 3),
)  # fmt: skip
@settings(max_examples=200, deadline=None, derandomize=True)
def test_output_size_follows_the_formula(size, kernel, stride, dilation, name, amount):
    """Claim `output-size`: floor((m + p - d(n - 1) - 1) / s) + 1; m - n + 1 at its plainest."""
    span = dilation * (kernel - 1) + 1
    border = sum(reference.border(size, span, stride, name, amount))
    expected = (size + border - dilation * (kernel - 1) - 1) // stride + 1
    images = jax.ShapeDtypeStruct((1, size, size, 1), jnp.float32)
    weights = jax.ShapeDtypeStruct((kernel, kernel, 1, 1), jnp.float32)

    def run(images, weights):
        return here.conv2d(
            images, weights, stride, name, explicit=(amount, amount), dilation=dilation
        )

    if size + border < span or (name == "explicit" and amount >= span):
        with pytest.raises(ValueError):
            jax.eval_shape(run, images, weights)
        return
    assert jax.eval_shape(run, images, weights).shape == (1, expected, expected, 1)
    if name == "SAME":
        assert expected == -(-size // stride)
    if (name, stride, dilation) == ("VALID", 1, 1):
        assert expected == size - kernel + 1


@pytest.mark.parametrize("span", range(1, 6))
@pytest.mark.parametrize("stride", range(1, 4))
def test_same_divides_an_odd_amount_with_the_extra_cell_after(span, stride):
    for size in range(1, 12):
        before, after = padding.same_pads(size, span, stride)
        assert after - before in (0, 1)


@pytest.mark.parametrize(
    ("size", "span", "stride", "outputs", "after"),
    [(8, 3, 4, 2, 0), (7, 3, 2, 3, 0), (6, 3, 2, 3, 1), (5, 1, 3, 2, 0), (6, 1, 3, 2, 0),
     (7, 1, 3, 3, 0), (8, 2, 3, 3, 0), (7, 2, 3, 3, 1), (6, 2, 4, 2, 0), (2, 3, 2, 1, 1),
     (224, 11, 4, 55, 3), (227, 11, 4, 55, 0)],
)  # fmt: skip
def test_ceil_begins_no_window_beyond_the_map(size, span, stride, outputs, after):
    """Caffe's rule, as PyTorch documents it for `ceil_mode`: the numbers are from there."""
    assert padding.ceil_pads(size, span, stride) == (0, after)
    assert padding.output_size(size, span, stride, after) == outputs


@given(
    size=st.integers(1, 20), span=st.integers(1, 6), stride=st.integers(1, 8),
    name=st.sampled_from(sorted(padding.PADDINGS)),
)  # fmt: skip
@settings(max_examples=300, deadline=None, derandomize=True)
def test_every_window_touches_the_map(size, span, stride, name):
    pads = padding.PADDINGS[name](size, span, stride)
    seen = padding.coverage((size, 1), (span, 1), stride, (pads, (0, 0)))
    assert (seen > 0).all()


@pytest.mark.parametrize(
    ("size", "window", "arguments", "message"),
    [
        (4, 5, {"padding": "VALID"}, "5x5 kernel does not fit on a map of 4x4 with VALID"),
        (4, 3, {"padding": "VALID", "dilation": 2}, "5x5 kernel does not fit"),
        (4, 3, {"padding": "explicit", "explicit": (3, 0)}, "3 cells leaves a kernel of 3 nothing"),
        (2, 5, {"fill": "reflect"}, "reflect cannot fill a border of 2 cells from a map of 2x2"),
    ],
)
def test_refuses_what_does_not_fit(size, window, arguments, message):
    images, kernel = draw((size, size), (window, window))
    with pytest.raises(ValueError, match=message):
        here.conv2d(images, kernel, **arguments)


def test_lenet5_table_has_its_published_connections():
    table = connectivity.lenet5_table(6, 16)
    assert table.sum() == 60
    assert table.sum(axis=0).tolist() == [3] * 6 + [4] * 9 + [6]
    assert table.sum(axis=1).tolist() == [10] * 6  # each map is seen by ten kernels


def test_random_table_has_the_same_density_and_is_fixed():
    table = connectivity.random_table(6, 16)
    assert table.sum() == 60 and set(table.sum(axis=0)) <= {3, 4}
    np.testing.assert_array_equal(table, connectivity.random_table(6, 16))
    assert (table != connectivity.lenet5_table(6, 16)).any()


def test_a_drawn_table_has_as_many_channels_a_kernel_and_another_at_each_seed():
    fixed = connectivity.random_table(12, 32)
    one, other = (np.asarray(connectivity.draw_table(jax.random.key(n), fixed)) for n in (0, 1))
    np.testing.assert_array_equal(one.sum(axis=0), fixed.sum(axis=0))
    assert (one != other).any() and set(np.unique(one)) == {0, 1}


def test_tables_have_the_choices_of_the_knobs():
    assert {*padding.PADDINGS, "explicit", "published"} == set(KNOBS["padding"].choices)
    assert set(padding.FILLS) == set(KNOBS["fill"].choices)
    assert set(connectivity.CONNECTIVITIES) == set(KNOBS["connectivity"].choices)
