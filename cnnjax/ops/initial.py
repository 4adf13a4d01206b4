"""Initial kernels and biases."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

Initializer = Callable[..., Array]


def pytorch_kernel(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    """Uniform within 1 / sqrt(fan in), as PyTorch's convolutions and linear layers begin."""
    bound = 1 / math.sqrt(math.prod(shape[:-1]))
    return jax.random.uniform(key, shape, dtype, -bound, bound)


def dirac_kernel(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    """PyTorch's, but that as many of the first outputs as there are inputs copy one input each.

    With groups the first group's alone do; a dense layer, which has no window, is PyTorch's
    (Zagoruyko and Komodakis 2017).
    """
    kernel = pytorch_kernel(key, shape, dtype)
    if len(shape) == 2:
        return kernel
    copies = min(shape[-2:])
    middle = tuple(cells // 2 for cells in shape[:-2])
    channels = jnp.arange(copies)
    return kernel.at[..., :copies].set(0).at[(*middle, channels, channels)].set(1)


# Below an activation, and below the logits. He's gain makes up for what ReLU cuts off, so that
# the layer of the logits has LeCun's, without it (He et al. 2015).
_HE_NORMAL, _HE_UNIFORM = nn.initializers.he_normal(), nn.initializers.he_uniform()
_LECUN_NORMAL, _LECUN_UNIFORM = nn.initializers.lecun_normal(), nn.initializers.lecun_uniform()
_GLOROT_NORMAL, _GLOROT_UNIFORM = nn.initializers.glorot_normal(), nn.initializers.glorot_uniform()
ORTHOGONAL = nn.initializers.orthogonal()
INITS: dict[str, tuple[Initializer, Initializer]] = {
    "he_normal": (_HE_NORMAL, _LECUN_NORMAL),
    "he_uniform": (_HE_UNIFORM, _LECUN_UNIFORM),
    "glorot_normal": (_GLOROT_NORMAL, _GLOROT_NORMAL),
    "glorot_uniform": (_GLOROT_UNIFORM, _GLOROT_UNIFORM),
    "lecun_normal": (_LECUN_NORMAL, _LECUN_NORMAL),
    "lecun_uniform": (_LECUN_UNIFORM, _LECUN_UNIFORM),
    "orthogonal": (ORTHOGONAL, ORTHOGONAL),
    "pytorch": (pytorch_kernel, pytorch_kernel),
    "dirac": (dirac_kernel, pytorch_kernel),
}


def init_bias(init: str, fan_in: int) -> Initializer:
    """Zeros, but for PyTorch's way: uniform within 1 / sqrt(fan in)."""
    if init != "pytorch":
        return nn.initializers.zeros
    bound = 1 / math.sqrt(fan_in)
    return lambda key, shape, dtype=jnp.float32: jax.random.uniform(
        key, shape, dtype, -bound, bound
    )
