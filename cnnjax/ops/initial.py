"""Initial kernels and biases."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array

Initializer = Callable[..., Array]


def pytorch_kernel(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    """Uniform within 1 / sqrt(fan in), as PyTorch's convolutions and linear layers begin."""
    bound = 1 / math.sqrt(math.prod(shape[:-1]))
    return jax.random.uniform(key, shape, dtype, -bound, bound)


def lenet5_kernel(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    """Uniform within 2.4 / fan in (LeCun et al. 1998, appendix A)."""
    bound = 2.4 / math.prod(shape[:-1])
    return jax.random.uniform(key, shape, dtype, -bound, bound)


def dirac_kernel(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    """PyTorch's, but that as many of the first outputs as there are inputs copy one input each.

    A dense layer, which has no window, is PyTorch's (Zagoruyko and Komodakis 2017).
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
    "lenet5": (lenet5_kernel, lenet5_kernel),
}
# Of a layer's depthwise half: the variance of its outputs is that of its inputs.
DEPTHWISE = {
    **INITS,
    "he_normal": (_LECUN_NORMAL, _LECUN_NORMAL),
    "he_uniform": (_LECUN_UNIFORM, _LECUN_UNIFORM),
    "pytorch": (_LECUN_UNIFORM, _LECUN_UNIFORM),
    "lenet5": (_LECUN_UNIFORM, _LECUN_UNIFORM),
}


def in_groups(initializer: Initializer, groups: int) -> Initializer:
    """For a kernel [h, w, C / groups, F]: each group is a convolution of its own, with its fans."""
    if groups == 1:
        return initializer

    def init(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        own = (*shape[:-1], shape[-1] // groups)
        keys = jax.random.split(key, groups)
        return jnp.moveaxis(jax.vmap(lambda k: initializer(k, own, dtype))(keys), 0, -2).reshape(
            shape
        )

    return init


def make_up(init: str, channels: int, seen: np.ndarray) -> np.ndarray:
    """What kernels [.., F] drawn for all channels are multiplied by where each sees fewer, [F].

    The initialiser counts every channel: its variance falls with one over the fan in, but with the
    square of it for LeNet-5's.
    """
    return (channels / seen) ** (1.0 if init == "lenet5" else 0.5)


def pointwise_gain(init: str, cells: int, channels: int, features: int) -> float:
    """What a 1x1 kernel [C, F] below a depthwise one of so many cells is multiplied by.

    So the two halves together start at the scale of one kernel of these cells, which tells where a
    scale depends on the fan in: orthogonal ones spread the variance over more outputs than inputs,
    and LeNet-5's bound falls with the fan in itself.
    """
    if init == "orthogonal":
        return math.sqrt(min(features, cells * channels) / min(features, channels))
    return cells**-0.5 if init == "lenet5" else 1.0


def init_bias(init: str, fan_in: int) -> Initializer:
    """Zeros, but uniform within 1 / sqrt(fan in) for PyTorch's way and 2.4 / fan in for LeNet-5's.

    A bias is a connection there (LeCun et al. 1998 count them as such).
    """
    if init not in ("pytorch", "lenet5"):
        return nn.initializers.zeros
    bound = 1 / math.sqrt(fan_in) if init == "pytorch" else 2.4 / fan_in
    return lambda key, shape, dtype=jnp.float32: jax.random.uniform(
        key, shape, dtype, -bound, bound
    )
