"""Initial kernels and biases."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array
from jax.typing import DTypeLike

from cnnjax.config import register

Initializer = Callable[..., Array]


def find(name: str) -> Initializer:
    """The initial kernels of that name, of layers below an activation."""
    return register.find("init", name).make


def find_other(name: str, layers: str) -> Initializer:
    """Those of layers that have others by that name, `logits` or `depthwise`."""
    return find(register.find("init", name).traits.get(layers, name))


# Where a name has others for them, `logits` are those of the layer of the logits: He's gain makes
# up for what ReLU cuts off, so that layer has LeCun's, without it (He et al. 2015). `depthwise` are
# those of that half of a layer: the variance of its outputs is that of its inputs. The deviation of
# kernels falls with the fan in to a `power`, or else to a half; `bound` is that of biases by their
# fan in, or else they are 0; `spread` is the gain of 1x1 kernels below depthwise ones where the
# power does not tell.


@register.choice("init", "he_normal", logits="lecun_normal", depthwise="lecun_normal")
def he_normal(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """Normal, of variance 2 / fan in (He et al. 2015)."""
    return nn.initializers.he_normal()(key, shape, dtype)


@register.choice("init", "he_uniform", logits="lecun_uniform", depthwise="lecun_uniform")
def he_uniform(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """Uniform, of variance 2 / fan in (He et al. 2015)."""
    return nn.initializers.he_uniform()(key, shape, dtype)


@register.choice("init", "glorot_normal")
def glorot_normal(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """Normal, of variance 2 / (fan in + fan out) (Glorot and Bengio 2010)."""
    return nn.initializers.glorot_normal()(key, shape, dtype)


@register.choice("init", "glorot_uniform")
def glorot_uniform(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """Uniform, of variance 2 / (fan in + fan out) (Glorot and Bengio 2010)."""
    return nn.initializers.glorot_uniform()(key, shape, dtype)


@register.choice("init", "lecun_normal")
def lecun_normal(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """Normal, of variance 1 / fan in (LeCun et al. 1998, "Efficient backprop")."""
    return nn.initializers.lecun_normal()(key, shape, dtype)


@register.choice("init", "lecun_uniform")
def lecun_uniform(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """Uniform, of variance 1 / fan in (LeCun et al. 1998, "Efficient backprop")."""
    return nn.initializers.lecun_uniform()(key, shape, dtype)


def spread_orthogonal(cells: int, channels: int, features: int) -> float:
    """Orthogonal kernels spread the variance over more outputs than inputs."""
    return math.sqrt(min(features, cells * channels) / min(features, channels))


@register.choice("init", "orthogonal", spread=spread_orthogonal)
def orthogonal(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """Orthogonal columns, or rows where these are fewer (Saxe et al. 2014).

    Kernels that are drawn together (of groups, of lanes) are factorised one after the other: for
    many at once a CPU's threads wait for each other, and where two devices do, for ever.
    """
    draw = nn.initializers.orthogonal()
    return jax.custom_batching.sequential_vmap(lambda own: draw(own, shape, dtype))(key)


@register.choice(
    "init", "pytorch", depthwise="lecun_uniform", bound=lambda fan_in: 1 / math.sqrt(fan_in)
)
def pytorch_kernel(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """Uniform within 1 / sqrt(fan in), biases too, as PyTorch's layers begin."""
    bound = 1 / math.sqrt(math.prod(shape[:-1]))
    return jax.random.uniform(key, shape, dtype, -bound, bound)


@register.choice("init", "dirac", logits="pytorch")
def dirac_kernel(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
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


@register.choice(
    "init", "lenet5", depthwise="lecun_uniform", power=1.0, bound=lambda fan_in: 2.4 / fan_in
)
def lenet5_kernel(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """Uniform within 2.4 / fan in, biases too (LeCun et al. 1998, appendix A)."""
    bound = 2.4 / math.prod(shape[:-1])
    return jax.random.uniform(key, shape, dtype, -bound, bound)


def in_groups(initializer: Initializer, groups: int) -> Initializer:
    """For a kernel [h, w, C / groups, F]: each group is a convolution of its own, with its fans."""
    if groups == 1:
        return initializer

    def init(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
        own = (*shape[:-1], shape[-1] // groups)
        keys = jax.random.split(key, groups)
        return jnp.moveaxis(jax.vmap(lambda k: initializer(k, own, dtype))(keys), 0, -2).reshape(
            shape
        )

    return init


def make_up(name: str, channels: int, seen: np.ndarray) -> np.ndarray:
    """What kernels [.., F] drawn for all channels are multiplied by where each sees fewer, [F].

    The initialiser counts every channel: its variance falls with one over the fan in, but with the
    square of it for LeNet-5's.
    """
    return (channels / seen) ** power_of(name)


def pointwise_gain(name: str, cells: int, channels: int, features: int) -> float:
    """What a 1x1 kernel [C, F] below a depthwise one of so many cells is multiplied by.

    So the two halves together start at the scale of one kernel of these cells, which tells where a
    scale depends on the fan in in another way than a variance of one over it.
    """
    spread = register.find("init", name).traits.get("spread")
    return spread(cells, channels, features) if spread else cells ** (0.5 - power_of(name))


def power_of(name: str) -> float:
    """The power of the fan in with which the deviation of these kernels falls."""
    return register.find("init", name).traits.get("power", 0.5)


def init_bias(name: str, fan_in: int) -> Initializer:
    """Zeros, or uniform within the bound of the name.

    A bias is a connection for LeNet-5 (LeCun et al. 1998 count them as such).
    """
    bound = register.find("init", name).traits.get("bound")
    if bound is None:
        return nn.initializers.zeros
    most = bound(fan_in)
    return lambda key, shape, dtype=jnp.float32: jax.random.uniform(key, shape, dtype, -most, most)
