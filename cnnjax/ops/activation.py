"""Non-linearities, element by element (maxout: pair by pair)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array


def relu(x: Array) -> Array:
    """max(0, x), with gradient 0 at 0."""
    return jax.nn.relu(x)


def tanh(x: Array) -> Array:
    """(e^x - e^-x) / (e^x + e^-x)."""
    return jnp.tanh(x)


def scaled_tanh(x: Array) -> Array:
    """1.7159 tanh(2x / 3), which maps 1 to 1 and -1 to -1 (LeCun et al. 1998)."""
    return 1.7159 * jnp.tanh(2 / 3 * x)


def maxout(x: Array) -> Array:
    """The larger of channels 2c and 2c + 1; [..., 2C] -> [..., C] (Goodfellow et al. 2013).

    Neighbours, so that a pair never reaches over two groups of a convolution.
    """
    return jnp.maximum(x[..., 0::2], x[..., 1::2])


def identity(x: Array) -> Array:
    """As it is: a network of these is linear between its poolings."""
    return x


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": relu,
    "leaky_relu": jax.nn.leaky_relu,  # slope 0.01 below 0
    "elu": jax.nn.elu,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "silu": jax.nn.silu,
    "tanh": tanh,
    "scaled_tanh": scaled_tanh,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
    "hard_swish": jax.nn.hard_swish,
    "maxout": maxout,
    "identity": identity,
}

FAN_OUT = {"maxout": 2}  # features that a layer computes for each that the activation gives
