"""Networks as Flax Linen modules made of `cnnjax.layers`, used as a pair of pure functions."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from cnnjax import layers
from cnnjax.config import Config

Params = Any  # a tree of float32 arrays, one branch a layer
Stats = Any  # running statistics of batch normalisation, by layer; empty where there is none


class Model(NamedTuple):
    """A network as pure functions. Images are [N, H, W, C], logits [N, classes].

    `apply(params, stats, images, key)` gives logits and new statistics. With a key it trains
    (dropout, batch statistics, random pooling); with None it evaluates, and changes nothing.
    """

    init: Callable[[Array], tuple[Params, Stats]]
    apply: Callable[[Params, Stats, Array, Array | None], tuple[Array, Stats]]


class Dense(nn.Module):
    """Dense hidden layers and the linear layer of the logits, on flattened input."""

    config: Config
    num_classes: int

    @nn.compact
    def __call__(self, maps: Array, train: bool) -> Array:
        config, units = self.config, maps.reshape(maps.shape[0], -1)
        for index, features in enumerate(config.hidden, start=1):
            units = nn.Dropout(config.dropout, deterministic=not train)(units)
            units = layers.make_dense(config, features, f"dense_{index}")(units)
            units = layers.normalise(config, units, train, f"norm_dense_{index}")
            units = layers.activate(config, units)
        units = nn.Dropout(config.dropout, deterministic=not train)(units)
        return layers.make_dense(config, self.num_classes, "logits", activated=False)(units)


class CNN(nn.Module):
    """Convolutions with a pooling after every `pool_every` of them, then a dense head."""

    config: Config
    num_classes: int

    @nn.compact
    def __call__(self, maps: Array, train: bool) -> Array:
        config = self.config
        for index, features in enumerate(config.widths, start=1):
            pooled = config.pool != "none" and index % config.pool_every == 0
            shrink = (config.pool_stride or config.pool_size) if pooled else 1
            stride = config.stride * (shrink if config.pool == "stride" else 1)
            maps = layers.make_conv(config, features, stride, index)(maps)
            maps = layers.normalise(config, maps, train, f"norm_{index}")
            maps = layers.activate(config, maps)
            if pooled and config.pool != "stride":
                maps = layers.Pool(config, shrink, name=f"pool_{index}")(maps, train)
        if config.head == "global_avg":
            maps = maps.mean(axis=(1, 2))
        elif config.head == "global_max":
            maps = maps.max(axis=(1, 2))
        return Dense(config, self.num_classes, name="head")(maps, train)


def probabilities(logits: Array, temperature: float = 1.0) -> Array:
    """Softmax of logits [N, classes] over a temperature; each row sums to one.

    A temperature above 1 makes them less certain (Guo et al. 2017, eq. 9).
    """
    return jax.nn.softmax(logits / temperature, axis=-1)


MODELS: dict[str, Callable[[Config, int], nn.Module]] = {"cnn": CNN, "mlp": Dense}


def make_model(config: Config, image_shape: tuple[int, int, int], num_classes: int) -> Model:
    """The network of a run for images [H, W, C], as pure functions.

    `init` raises ValueError, naming the layer, where a kernel or a pooling does not fit its map.
    """
    module = MODELS[config.model](config, num_classes)
    blank = jnp.zeros((1, *image_shape), jnp.float32)

    def init(key: Array) -> tuple[Params, Stats]:
        variables = module.init(key, blank, train=False)
        return variables["params"], variables.get("batch_stats", {})

    def apply(
        params: Params, stats: Stats, images: Array, key: Array | None = None
    ) -> tuple[Array, Stats]:
        dtype = jnp.dtype(config.dtype)
        params, images = jax.tree.map(lambda leaf: leaf.astype(dtype), (params, images))
        variables = {"params": params, "batch_stats": stats}
        if key is None:
            return jnp.asarray(module.apply(variables, images, train=False), jnp.float32), stats
        dropout, pool = jax.random.split(key)
        logits, updated = module.apply(
            variables, images, train=True, rngs={"dropout": dropout, "pool": pool},
            mutable=["batch_stats"],
        )  # fmt: skip
        return jnp.asarray(logits, jnp.float32), updated.get("batch_stats", {})

    return Model(init, apply)
