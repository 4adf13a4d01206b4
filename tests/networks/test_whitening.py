"""The fixed first layer whitens the patches of the training images, and stays as it is."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest

from cnnjax.config import layouts
from cnnjax.config import models as rows
from cnnjax.config.config import Config, make_config
from cnnjax.config.errors import ConfigError
from cnnjax.data.prepare import make_prepare
from cnnjax.networks import cost, models
from cnnjax.ops import whitening
from cnnjax.sweep import placed
from tests import here
from tests.small import make_small
from tests.training.test_program import make_functions

OPTAX = True  # see conftest.py


def draw_images(shape=(64, 12, 11, 3)) -> np.ndarray:
    """Smooth images: neighbouring cells and channels are alike."""
    noise = np.random.default_rng(0).normal(size=shape)
    smooth = noise + np.roll(noise, 1, axis=1) + np.roll(noise, 1, axis=2)
    smooth = smooth + 0.5 * smooth.mean(axis=3, keepdims=True)
    return ((smooth - smooth.mean()) / smooth.std()).astype(np.float32)


@pytest.mark.parametrize(("window", "dilation"), [((2, 2), 1), ((3, 1), 1), ((2, 2), 3)])
def test_responses_are_uncorrelated_and_of_variance_one(window, dilation):
    images, cells = draw_images(), 3 * window[0] * window[1]
    filters = whitening.make_filters(images, window, dilation, 2 * cells)
    assert filters.shape == (*window, 3, 2 * cells)
    np.testing.assert_array_equal(filters[..., cells:], -filters[..., :cells])
    maps = np.asarray(here.conv2d(images, filters, 1, "VALID", dilation=dilation))
    responses = maps[..., :cells].reshape(-1, cells).astype(np.float64)
    # Every eigenvalue of these images is far above the epsilon.
    np.testing.assert_allclose(responses.T @ responses / len(responses), np.eye(cells), atol=0.02)


def test_directions_without_variance_are_not_blown_up():
    images = np.repeat(draw_images((64, 8, 8, 1)), 3, axis=3)  # grey: channels are equal
    filters = whitening.make_filters(images, (2, 2), 1, 24)
    lengths = np.linalg.norm(filters.reshape(12, 24), axis=0)
    np.testing.assert_allclose(lengths[4:12], whitening.EPSILON**-0.5, rtol=1e-2)


def test_fewer_filters_are_those_of_the_largest_eigenvalues():
    images = draw_images()
    all_, few = (whitening.make_filters(images, (2, 2), 1, count) for count in (24, 5))
    np.testing.assert_array_equal(few, all_[..., [0, 1, 2, 12, 13]])
    lengths = np.linalg.norm(all_.reshape(12, 24)[:, :12], axis=0)
    assert (np.diff(lengths) > 0).all()


@pytest.mark.parametrize("fields", [{}, {"image_size": 12}], ids=str)
def test_a_run_whitens_its_own_training_images_as_it_sees_them(tiny, digits, fields):
    config = dataclasses.replace(tiny, first_layer="whitened", widths=(18, 4), **fields)
    functions, data, numbers = make_functions(config, digits)
    assert data.spec.filters.shape == (3, 3, 1, 18)
    state = functions.init(numbers)
    np.testing.assert_array_equal(state.batch_stats["conv_1"]["kernel"], data.spec.filters)
    assert set(state.params["conv_1"]) == {"bias"}
    images = make_prepare(config, data.spec.mean, data.spec.std)(digits.train.images[:48])
    maps = np.asarray(here.conv2d(images, data.spec.filters, 1, "VALID"))[..., :6]
    responses = maps.reshape(-1, 6).astype(np.float64)
    np.testing.assert_allclose(responses.T @ responses / len(responses), np.eye(6), atol=0.02)
    other = dataclasses.replace(config, train_examples=32)
    assert not np.allclose(abs(make_functions(other, digits)[1].spec.filters), data.spec.filters)


@pytest.mark.slow
def test_training_leaves_the_filters_as_they_are(digits):
    given = {"train_examples": 48, "batch_size": 16, "steps": 3}
    config = make_small(
        "airbench94", ema_decay=0.5, optimizer="nesterov", weight_decay=0.5, **given
    )
    functions, data, numbers = make_functions(config, digits)
    start = functions.init(numbers)
    state = jax.jit(functions.advance, static_argnums=4)(numbers, start, data.train, 3, 3)
    np.testing.assert_array_equal(state.batch_stats["conv_1"]["kernel"], data.spec.filters)
    for tree in (state.params, state.ema.params):
        assert set(tree["conv_1"]) == {"bias"} and np.asarray(tree["conv_1"]["bias"]).any()
    assert not np.allclose(state.batch_stats["norm_2"]["mean"], start.batch_stats["norm_2"]["mean"])


def test_its_bias_is_learned_for_some_steps_and_then_stays(tiny, digits):
    """Jordan 2024: three epochs of 9.9; all else goes on."""
    config = dataclasses.replace(tiny, first_layer="whitened", whitening_bias_steps=2)
    functions, data, numbers = make_functions(config, digits)
    advance = jax.jit(functions.advance, static_argnums=4)
    states = [functions.init(numbers)]
    for _ in range(4):
        states.append(advance(numbers, states[-1], data.train, 1, 1))
    biases = [np.asarray(state.params["conv_1"]["bias"]) for state in states]
    assert (biases[1] != biases[0]).any() and (biases[2] != biases[1]).any()
    np.testing.assert_array_equal(biases[3], biases[2])
    np.testing.assert_array_equal(biases[4], biases[2])
    others = [np.asarray(state.params["conv_2"]["bias"]) for state in states]
    assert all((one != other).any() for one, other in itertools.pairwise(others))
    plain = make_functions(dataclasses.replace(config, whitening_bias_steps=0), digits)[0]
    start = plain.init(numbers)
    same = jax.jit(plain.advance, static_argnums=4)(numbers, start, data.train, 2, 2)
    np.testing.assert_allclose(biases[2], same.params["conv_1"]["bias"], rtol=1e-4, atol=1e-7)


def test_a_learned_first_layer_has_no_filters(tiny, digits):
    assert placed.make_spec(tiny, digits).filters is None
    learned = make_config({"model": "airbench94", "first_layer": "learned"})
    shapes = jax.eval_shape(here.make_model(learned, (32, 32, 3), 10).init, jax.random.key(0))
    assert shapes[0]["conv_1"]["kernel"].shape == (2, 2, 3, 24)


@pytest.mark.parametrize("model", ["lenet5_modern", "alexnet", "all_cnn_c", "vgg11"])
def test_every_layout_can_begin_with_it(model):
    config = make_small(model, first_layer="whitened")
    images = np.random.default_rng(0).integers(0, 256, size=(9, 8, 8, 3)).astype(np.uint8)
    filters = models.find_filters(config, images, make_prepare(config, 127.0, 74.0))
    network = here.make_model(config, (8, 8, 3), 10)
    stats = jax.eval_shape(network.init, jax.random.key(0))[1]
    assert filters is not None and stats["conv_1"]["kernel"].shape == filters.shape
    first = rows.lay_out(config, 10)[0]
    assert isinstance(first, layouts.Conv) and filters.shape[-1] == first.features


def test_a_float_of_the_whitening_layer_is_rounded_as_all_are():
    images = np.ones((1, 8, 8, 1), np.float32)
    config = Config(first_layer="whitened", dtype="bfloat16")
    network = here.make_model(config, (8, 8, 1), 10)
    params, stats = jax.jit(network.init)(jax.random.key(0))
    rounded = jax.tree.map(lambda leaf: leaf.astype(jax.numpy.bfloat16).astype(np.float32), stats)
    logits = [jax.jit(network.apply)(params, own, images, None)[0] for own in (stats, rounded)]
    np.testing.assert_array_equal(*logits)


@pytest.mark.parametrize("given", [{}, {"kernel_size": (2,), "dilation": 2}])
def test_images_smaller_than_a_patch_are_refused_by_the_plan(given):
    config = make_config({"first_layer": "whitened", "pool": "none", **given})
    with pytest.raises(ConfigError, match="conv_1: images of 2x9 have no patch of 3x3 to be whit"):
        cost.measure(config, (2, 9, 1), 10)
    assert cost.measure(config, (3, 9, 1), 10).parameters
