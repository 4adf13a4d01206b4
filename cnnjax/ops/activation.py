"""Non-linearities, element by element (maxout: pair by pair)."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
from jax import Array

from cnnjax.config import register

Seer = Callable[[Array], Array]
_seen_by: contextvars.ContextVar[Seer | None] = contextvars.ContextVar("seen_by", default=None)


@contextlib.contextmanager
def watch(see: Seer) -> Iterator[None]:
    """Within, `see` is called with what each non-linearity gives, as a network is traced.

    What it gives goes on in their place.
    """
    before = _seen_by.set(see)
    try:
        yield
    finally:
        _seen_by.reset(before)


def activate(name: str, units: Array) -> Array:
    """The non-linearity of that name of units [..., C]."""
    activated = register.find("activation", name).make(units)
    see = _seen_by.get()
    return activated if see is None else see(activated)


def pieces_of(name: str) -> int:
    """Neighbouring features that it makes one unit of: a layer computes as many for each."""
    return register.find("activation", name).traits["pieces"]


@register.activation("relu")
def relu(x: Array) -> Array:
    """max(0, x), with gradient 0 at 0."""
    return jax.nn.relu(x)


@register.activation("leaky_relu")
def leaky_relu(x: Array) -> Array:
    """x, and 0.01 x below 0."""
    return jax.nn.leaky_relu(x)


@register.activation("elu")
def elu(x: Array) -> Array:
    """x, and e^x - 1 below 0."""
    return jax.nn.elu(x)


@register.activation("gelu")
def gelu(x: Array) -> Array:
    """The normal distribution function of x, times x."""
    return jax.nn.gelu(x, approximate=False)


@register.activation("silu")
def silu(x: Array) -> Array:
    """The sigmoid of x, times x."""
    return jax.nn.silu(x)


@register.activation("tanh")
def tanh(x: Array) -> Array:
    """(e^x - e^-x) / (e^x + e^-x)."""
    return jnp.tanh(x)


@register.activation("scaled_tanh")
def scaled_tanh(x: Array) -> Array:
    """1.7159 tanh(2x / 3), which maps 1 to 1 and -1 to -1 (LeCun et al. 1998)."""
    return 1.7159 * jnp.tanh(2 / 3 * x)


@register.activation("sigmoid")
def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x)."""
    return jax.nn.sigmoid(x)


@register.activation("softplus")
def softplus(x: Array) -> Array:
    """log(1 + e^x)."""
    return jax.nn.softplus(x)


@register.activation("hard_swish")
def hard_swish(x: Array) -> Array:
    """min(max(0, x + 3), 6) / 6, times x."""
    return jax.nn.hard_swish(x)


@register.activation("maxout", pieces=2)
def maxout(x: Array) -> Array:
    """The larger of channels 2c and 2c + 1; [..., 2C] -> [..., C] (Goodfellow et al. 2013).

    Neighbours, so that a pair never reaches over two groups of a convolution. Raises ValueError on
    an odd number of channels, as a pooling may hand on that has an activation of its own.
    """
    if x.shape[-1] % 2:
        raise ValueError(
            f"maxout makes one channel of two, and gets {x.shape[-1]}: give an even number of"
            " channels, or pool without an activation"
        )
    return jnp.maximum(x[..., 0::2], x[..., 1::2])


@register.activation("identity")
def identity(x: Array) -> Array:
    """As it is: a network of these is linear between its poolings."""
    return x
