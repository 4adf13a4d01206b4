"""Non-linearities, element by element."""

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


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"relu": relu, "tanh": tanh}
