"""Winograd's convolution and every other form give the same maps and gradients, in float32."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax.config.config import KNOBS
from cnnjax.ops import conv
from tests import here

PADS = {"same": ((1, 1), (1, 1)), "valid": ((0, 0), (0, 0)), "uneven": ((2, 0), (1, 2))}


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def relative_error(found, expected):
    return np.linalg.norm(np.asarray(found, np.float64) - expected) / np.linalg.norm(expected)


@functools.partial(jax.jit, static_argnums=(0, 1))
def run(form, pads, images, kernel, weights):
    """A form's maps, and the gradients of images and kernel for those of the maps."""
    maps, pull = jax.vjp(lambda x, k: conv.FORMS[form](x, k, 1, PADS[pads], 1, 1), images, kernel)
    return maps, *pull(weights)


@functools.cache  # all forms are held to it
def run_exactly(pads, size, channels):
    """Arguments of `run` in float64, and what it gives for them by the definition."""
    arrays = draw(3, *size, channels), draw(3, 3, channels, 5, seed=1)
    (top, bottom), (left, right) = PADS[pads]
    weights = draw(3, size[0] + top + bottom - 2, size[1] + left + right - 2, 5, seed=2)
    with jax.enable_x64(True):
        given = *arrays, weights
        return given, jax.device_get(run("native", pads, *(jnp.asarray(own) for own in given)))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["patches", "winograd2", "winograd4"])
@pytest.mark.parametrize("pads", PADS)
@pytest.mark.parametrize("size", [(8, 8), (7, 10), (3, 5)])
@pytest.mark.parametrize("channels", [1, 24])
def test_accuracy_against_float64(form, pads, size, channels):
    given, (maps, *grads) = run_exactly(pads, size, channels)
    found, *found_grads = run(form, pads, *(jnp.asarray(own, jnp.float32) for own in given))
    assert maps.dtype == np.float64 and found.dtype == np.float32
    assert relative_error(found, maps) < 5e-6
    for one, wanted in zip(found_grads, grads, strict=True):
        assert relative_error(one, wanted) < 5e-5


# By tile: the greatest error of a whole map by its norm, and of one cell by the largest sum of
# absolute products in its tile. Seen were 7e-7 and 2.4e-6, 3e-6 and 1.2e-5.
STATED = {2: (1e-6, 5e-6), 4: (5e-6, 2e-5)}


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("tile", STATED)
def test_the_worst_of_many_tiles_is_within_what_is_stated(tile, sparse):
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, size=(4000, tile + 2, tile + 2, 1))
    images *= rng.random(images.shape) < 0.1 if sparse else 1.0
    kernel = rng.uniform(-1, 1, size=(3, 3, 1, 64))
    rounded = [jnp.asarray(array, jnp.float32) for array in (images, kernel)]
    found = conv.FORMS[f"winograd{tile}"](*rounded, 1, PADS["valid"], 1, 1)
    with jax.enable_x64(True):
        exact, sums = (
            np.asarray(conv.native(*(jnp.asarray(size(own), jnp.float64) for own in rounded), 1,
                                   PADS["valid"]))
            for size in (jnp.asarray, jnp.abs)
        )  # fmt: skip
    errors, largest = np.abs(np.asarray(found, np.float64) - exact), sums.max((1, 2), keepdims=True)
    whole, cell = STATED[tile]
    assert np.linalg.norm(errors) / np.linalg.norm(exact) < whole
    assert (errors / np.where(largest > 0, largest, 1)).max() < cell
    assert cell / 200 < (errors / np.where(largest > 0, largest, 1)).max()  # no idle statement


@pytest.mark.slow
def test_real_bfloat16_loses_digits_by_tiles():
    """Why --conv_form=auto has none there: 8 bits are too few for what the tiles cancel."""
    images, kernel = (
        jnp.asarray(array, jnp.bfloat16) for array in (draw(2, 8, 8, 24), draw(3, 3, 24, 5, seed=1))
    )
    with jax.enable_x64(True):
        wide = (array.astype(jnp.float64) for array in (images, kernel))
        exact = np.asarray(conv.native(*wide, 1, PADS["same"]))
    errors = {
        form: relative_error(conv.FORMS[form](images, kernel, 1, PADS["same"], 1, 1), exact)
        for form in ("native", "winograd2", "winograd4")
    }
    assert errors["native"] < 0.004 < errors["winograd2"] < 0.015 < errors["winograd4"] < 0.1


def test_forms_are_different_programs_of_one_function():
    images, kernel = (
        jnp.asarray(array, jnp.float32) for array in (draw(2, 8, 8, 3), draw(3, 3, 3, 4))
    )
    outputs = {form: np.asarray(here.conv2d(images, kernel, form=form)) for form in conv.FORMS}
    for one in outputs:
        for other in outputs:
            np.testing.assert_allclose(outputs[one], outputs[other], atol=1e-4)
            if one != other and "native" not in (one, other):
                assert (outputs[one] != outputs[other]).any()


def test_a_forced_form_falls_back_where_it_cannot_be():
    images, kernel = jnp.ones((2, 9, 9, 3)), jnp.ones((5, 5, 3, 4))
    np.testing.assert_array_equal(
        here.conv2d(images, kernel, form="winograd4"), here.conv2d(images, kernel, form="patches")
    )


@pytest.mark.parametrize(
    ("shape", "kernel", "others", "form"),
    [
        ((128, 16, 16, 128), (3, 3, 128, 128), {}, "winograd4"),
        ((16, 14, 14, 32), (3, 3, 32, 64), {}, "winograd4"),
        ((64, 6, 6, 64), (3, 3, 64, 64), {}, "winograd2"),  # tiles of 4 would waste nearly half
        ((16, 8, 8, 32), (3, 3, 32, 32), {}, "winograd4"),  # few tiles, small kernels
        ((128, 4, 4, 512), (3, 3, 512, 512), {}, "winograd4"),
        ((32, 4, 4, 512), (3, 3, 512, 512), {}, "patches"),  # few tiles, large kernels
        ((128, 28, 28, 1), (3, 3, 1, 32), {}, "patches"),
        ((128, 16, 16, 64), (5, 5, 64, 64), {}, "patches"),
        ((128, 16, 16, 64), (3, 3, 64, 64), {"stride": 2}, "patches"),
        ((128, 16, 16, 64), (3, 3, 32, 64), {"groups": 2}, "patches"),
        ((128, 16, 16, 64), (3, 3, 64, 64), {"dtype": jnp.bfloat16}, "patches"),
    ],
)
def test_the_choice_on_a_cpu(shape, kernel, others, form):
    plain = {"stride": 1, "pads": PADS["same"], "dilation": 1, "groups": 1, "dtype": jnp.float32}
    assert conv.choose_form(shape, kernel, **{**plain, **others}) == form


def test_table_has_the_choices_of_the_knob():
    assert {"auto", *conv.FORMS} == set(KNOBS["conv_form"].choices)
