"""Pooling and activations against their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from cnnjax.config import KNOBS
from cnnjax.ops import activation, pool

REDUCE = {"max": np.max, "avg": np.mean}


def draw(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("name", REDUCE)
@pytest.mark.parametrize(
    ("size", "shape"), [(2, (2, 8, 8, 3)), (2, (1, 7, 5, 2)), (3, (2, 9, 8, 1))]
)
def test_reduces_each_window(name, size, shape):
    maps = draw(shape)
    pooled = np.asarray(pool.POOLS[name](maps, size))
    assert pooled.shape == (shape[0], shape[1] // size, shape[2] // size, shape[3])
    for i in range(pooled.shape[1]):
        for j in range(pooled.shape[2]):
            window = maps[:, i * size : (i + 1) * size, j * size : (j + 1) * size]
            np.testing.assert_allclose(
                pooled[:, i, j], REDUCE[name](window, axis=(1, 2)), rtol=1e-6
            )


@pytest.mark.parametrize("name", REDUCE)
def test_gradients_by_finite_differences_in_float64(name):
    with jax.enable_x64(True):
        maps = jnp.asarray(draw((1, 5, 4, 2)), jnp.float64)
        check_grads(lambda x: pool.POOLS[name](x, 2), (maps,), order=1)


@pytest.mark.parametrize("name", REDUCE)
def test_refuses_to_leave_nothing(name):
    with pytest.raises(ValueError, match="3x3 pooling leaves nothing of a map of 2x2"):
        pool.POOLS[name](draw((1, 2, 2, 1)), 3)


@pytest.mark.parametrize("name", ["none", "stride"])
def test_keeps_the_map_where_pooling_is_elsewhere(name):
    maps = draw((1, 4, 4, 1))
    np.testing.assert_array_equal(pool.POOLS[name](maps, 2), maps)


def test_relu_is_max_of_0_and_x():
    x = np.linspace(-3, 3, 13, dtype=np.float32)
    np.testing.assert_array_equal(activation.relu(x), np.maximum(0, x))
    np.testing.assert_array_equal(jax.vmap(jax.grad(activation.relu))(x), (x > 0).astype(x.dtype))


def test_tanh():
    x = np.linspace(-3, 3, 13, dtype=np.float32)
    expected = (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))
    np.testing.assert_allclose(activation.tanh(x), expected, rtol=1e-5)


def test_tables_have_the_choices_of_the_knobs():
    assert set(pool.POOLS) == set(KNOBS["pool"].choices)
    assert set(activation.ACTIVATIONS) == set(KNOBS["activation"].choices)
