"""What first-layer kernels are like, of kernels that were made to be so."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax.config.config import make_config
from cnnjax.measures import filters
from cnnjax.networks import models

SIZE = 9


def wave(degrees, size=SIZE, cycles=0.2):
    """A sine grating below a round envelope, its wave running along an angle."""
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    angle = np.deg2rad(degrees)
    along = np.cos(angle) * columns + np.sin(angle) * rows
    return np.exp(-(rows**2 + columns**2) / 12) * np.sin(2 * np.pi * cycles * along)


def blob():
    rows, columns = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    return np.exp(-(rows**2 + columns**2) / 4)


@pytest.fixture
def noise():
    return np.random.default_rng(0).normal(size=(200, SIZE, SIZE)).astype(np.float32)


def test_a_wave_is_oriented_whatever_way_it_runs_and_a_blob_is_not():
    found = filters.find_selectivity(np.stack([wave(0), wave(37), wave(90), blob()]))
    assert (found[:3] > 0.8).all() and found[3] < 1e-6
    np.testing.assert_allclose(found[0], found[2], atol=1e-6)
    crossed = filters.find_selectivity(np.stack([wave(0) + wave(90)]))
    assert crossed[0] < 0.05


def test_noise_is_hardly_oriented_and_no_gabor(noise):
    """What every first layer begins with: the null of both."""
    assert 0.1 < filters.find_selectivity(noise).mean() < 0.2
    assert 0.1 < filters.fit_gabor(noise).mean() < 0.17


def test_a_gabor_function_of_any_phase_and_size_is_explained_whole():
    pairs = filters.make_gabors(SIZE, SIZE)
    own = 3 * pairs[1234, 0] - 0.5 * pairs[1234, 1] + 7  # a mean is no pattern
    assert filters.fit_gabor(own.reshape(1, SIZE, SIZE))[0] == pytest.approx(1, abs=1e-5)
    assert filters.fit_gabor(wave(30)[None])[0] > 0.9


def test_the_best_gabor_is_that_of_least_squares(noise):
    kernel = noise[0]
    values = kernel.ravel() - kernel.mean()
    pairs = filters.make_gabors(SIZE, SIZE)
    rest = min(np.linalg.lstsq(pair.T, values, rcond=None)[1].item() for pair in pairs[::3])
    found = filters.fit_gabor(kernel[None])[0]
    assert found >= 1 - rest / (values**2).sum() - 1e-6
    alone = np.linalg.lstsq(pairs[700].T, wave(30).ravel(), rcond=None)[1].item()
    assert filters.fit_gabor(wave(30)[None])[0] >= 1 - alone / (wave(30) ** 2).sum()


def test_flat_kernels_have_neither():
    flat = np.full((1, SIZE, SIZE), 0.3)
    assert filters.find_selectivity(flat)[0] == filters.fit_gabor(flat)[0] == 0


def test_colour_is_what_no_grey_kernel_has():
    grey = np.repeat(wave(0)[:, :, None, None], 3, axis=2)
    opponent = np.stack([wave(0), -wave(0), 0 * wave(0)], axis=2)[..., None]
    kernels = np.concatenate([grey, opponent, grey + opponent], axis=-1)
    found = filters.measure_colour(kernels)
    np.testing.assert_allclose(found, [0, 1, 2 / 5], atol=1e-6)


def test_the_pattern_of_a_coloured_kernel_is_that_of_its_colour():
    kernel = wave(20)[:, :, None] * np.array([0.5, -1.0, 0.2])
    found = np.asarray(filters.find_patterns(jnp.asarray(kernel[..., None])))[0]
    scale = np.linalg.norm([0.5, -1.0, 0.2])
    np.testing.assert_allclose(np.abs(found), np.abs(wave(20)) * scale, atol=1e-5)


@pytest.mark.parametrize(
    ("values", "channels", "names"),
    [
        ({"kernel_size": (5,)}, 1, {"first_layer_selectivity", "first_layer_gabor"}),
        ({}, 3, {"first_layer_selectivity", "first_layer_gabor", "first_layer_colour"}),
        ({"first_layer": "whitened"}, 1, {"first_layer_selectivity", "first_layer_gabor"}),
        ({"kernel_size": (1, 5)}, 1, set()),
        ({"model": "mlp"}, 1, set()),
    ],
)
def test_the_measure_is_of_the_first_layer(values, channels, names):
    config = make_config({"widths": (4, 6), **values} if "model" not in values else values)
    model = models.make_model(config, (16, 16, channels), 10, "cpu")
    params, stats = model.init(jax.random.key(0))
    found = filters.measure_filters(model, params, stats, None, None)
    assert found.keys() == names
    if names:
        kernels = filters.find_kernels(model, params, stats)
        assert kernels.shape[2] == channels
        own = filters.find_selectivity(filters.find_patterns(kernels)).mean()
        assert found["first_layer_selectivity"] == pytest.approx(float(own))
