"""Networks as Flax Linen modules made of `cnnjax.ops`, used as a pair of pure functions."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from cnnjax.config import Config
from cnnjax.ops import activation, conv, pool

Params = Any  # a tree of float32 arrays, one branch a layer

HE_NORMAL = nn.initializers.he_normal()  # He et al. 2015, "Delving deep into rectifiers"


class Model(NamedTuple):
    """A network without state of its own."""

    init: Callable[[Array], Params]  # key -> params
    apply: Callable[[Params, Array], Array]  # params, images [N, H, W, C] -> logits [N, classes]


class Conv(nn.Module):
    """A convolution with bias; [N, H, W, C] -> [N, H', W', features]."""

    features: int
    kernel_size: int
    stride: int
    padding: Literal["SAME", "VALID"]

    @nn.compact
    def __call__(self, maps: Array) -> Array:
        shape = (self.kernel_size, self.kernel_size, maps.shape[-1], self.features)
        kernel = self.param("kernel", HE_NORMAL, shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        try:
            maps = conv.conv2d(maps, kernel, self.stride, self.padding)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        return maps + bias.reshape(1, 1, 1, -1)


class Pool(nn.Module):
    """A pooling, as a module so that `cnnjax.cost` sees it among the layers."""

    pool: Callable[[Array, int], Array]
    size: int

    @nn.compact
    def __call__(self, maps: Array) -> Array:
        try:
            return self.pool(maps, self.size)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None


class Dense(nn.Module):
    """Dense hidden layers and the linear layer of the logits, on flattened input."""

    hidden: tuple[int, ...]
    num_classes: int
    activation: Callable[[Array], Array]

    @nn.compact
    def __call__(self, maps: Array) -> Array:
        units = maps.reshape(maps.shape[0], -1)
        for index, features in enumerate(self.hidden, start=1):
            layer = nn.Dense(features, kernel_init=HE_NORMAL, name=f"dense_{index}")
            units = self.activation(layer(units))
        return nn.Dense(self.num_classes, name="logits")(units)


class CNN(nn.Module):
    """Convolutions with a pooling after every `pool_every` of them, then a dense head."""

    widths: tuple[int, ...]
    kernel_size: int
    stride: int
    padding: Literal["SAME", "VALID"]
    pool: str
    pool_size: int
    pool_every: int
    activation: Callable[[Array], Array]
    head: nn.Module

    @nn.compact
    def __call__(self, maps: Array) -> Array:
        for index, features in enumerate(self.widths, start=1):
            pooled = index % self.pool_every == 0
            stride = self.stride * (self.pool_size if pooled and self.pool == "stride" else 1)
            layer = Conv(features, self.kernel_size, stride, self.padding, name=f"conv_{index}")
            maps = self.activation(layer(maps))
            if pooled and self.pool in ("max", "avg"):
                maps = Pool(pool.POOLS[self.pool], self.pool_size, name=f"pool_{index}")(maps)
        return self.head(maps)


def make_module(config: Config, num_classes: int) -> nn.Module:
    """The Flax module of a run."""
    function = activation.ACTIVATIONS[config.activation]
    if config.model == "mlp":
        return Dense(config.hidden, num_classes, function)
    return CNN(
        widths=config.widths,
        kernel_size=config.kernel_size,
        stride=config.stride,
        padding=config.padding,
        pool=config.pool,
        pool_size=config.pool_size,
        pool_every=config.pool_every,
        activation=function,
        head=Dense(config.hidden, num_classes, function, name="head"),
    )


def make_model(config: Config, image_shape: tuple[int, int, int], num_classes: int) -> Model:
    """The network of a run for images [H, W, C], as pure functions.

    `init` raises ValueError, naming the layer, where a kernel or a pooling does not fit its map.
    """
    module = make_module(config, num_classes)
    blank = jnp.zeros((1, *image_shape), jnp.float32)

    def init(key: Array) -> Params:
        return module.init(key, blank)["params"]

    def apply(params: Params, images: Array) -> Array:
        return jnp.asarray(module.apply({"params": params}, images))

    return Model(init, apply)
