"""Activations against their formulas, values and gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import special

from cnnjax.config import register
from cnnjax.config.config import KNOBS, make_config
from cnnjax.config.errors import ConfigError
from cnnjax.networks import cost
from cnnjax.ops import activation


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


FORMULAS = {
    "relu": lambda x: np.maximum(0, x),  # claim `relu-formula`
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "gelu": lambda x: x * (1 + special.erf(x / np.sqrt(2))) / 2,
    "silu": lambda x: x * sigmoid(x),
    "tanh": lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)),
    "scaled_tanh": lambda x: 1.7159 * np.tanh(2 * x / 3),
    "sigmoid": sigmoid,
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "hard_swish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "maxout": lambda x: x.reshape(*x.shape[:-1], -1, 2).max(axis=-1),
    "identity": lambda x: x,
}
POINTS = np.linspace(-4.05, 4.05, 28).reshape(2, 14)  # none of the kinks at -3, 0 and 3


@pytest.mark.parametrize("name", register.names("activation"))
def test_formula(name):
    found = activation.activate(name, jnp.asarray(POINTS, jnp.float32))
    np.testing.assert_allclose(found, FORMULAS[name](POINTS), atol=2e-6)


@pytest.mark.parametrize("name", register.names("activation"))
def test_gradients_by_finite_differences_in_float64(name):
    with jax.enable_x64(True):
        points = (jnp.asarray(POINTS, jnp.float64),)
        check_grads(functools.partial(activation.activate, name), points, order=1, modes=["rev"])


def test_relu_has_gradient_0_at_0():
    assert jax.grad(activation.relu)(0.0) == 0.0


def test_scaled_tanh_maps_1_to_1():
    np.testing.assert_allclose(activation.scaled_tanh(jnp.asarray([1.0, -1.0])), [1, -1], atol=1e-4)


def test_table_has_the_choices_of_the_knob():
    assert set(KNOBS["activation"].choices) == set(FORMULAS)


@pytest.mark.parametrize("width", [1, 3])
def test_maxout_takes_channels_in_pairs(width):
    with pytest.raises(ValueError, match=f"maxout makes one channel of two, and gets {width}:"):
        activation.activate("maxout", jnp.zeros((2, width)))
    given = {"pool": "subsample", "pool_every": 1, "activation": "maxout", "widths": (width, 4)}
    config = make_config(given)
    with pytest.raises(ConfigError, match=f"maxout makes one channel of two, and gets {width}:"):
        cost.measure(config, (8, 8, 1), 10)
