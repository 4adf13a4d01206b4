"""The other layers that every network is made of: ops with their parameters, as Flax modules.

Parameters are float32. A layer rounds what it multiplies (its input and its kernel) and the
product to the precision of the run, as its `platform` has it (a JAX back end).
"""

import math

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from cnnjax.config.config import Config
from cnnjax.networks.facts import Facts
from cnnjax.ops import activation, digit_codes, initial, pool, precision


class Pool(nn.Module):
    """A pooling in windows; [N, H, W, C] -> [N, H', W', C]."""

    config: Config
    stride: int
    platform: str

    @nn.compact
    def __call__(self, maps: Array, train: bool) -> Array:
        name, extra = self.config.pool, ()
        if name == "mixed":
            extra = (nn.sigmoid(self.param("blend", nn.initializers.zeros, ())),)
        elif name == "avg":
            extra = (self.config.count_padding,)
        elif name == "stochastic":
            extra = (self.make_rng("pool") if train else None,)
        elif name == "blur":
            extra = (self.platform,)
        elif name == "subsample":  # begins as the mean
            mean, shape = nn.initializers.constant(self.config.pool_size**-2), maps.shape[-1:]
            bias = self.param("bias", nn.initializers.zeros, shape)
            extra = (self.param("coefficient", mean, shape), bias)
        try:
            return pool.POOLS[name](
                maps, self.config.pool_size, self.stride, self.config.pool_padding, *extra
            )
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None

    def describe(self, shape: tuple[int, ...], output: tuple[int, ...]) -> Facts:
        """What it computes on maps of a shape [N, H, W, C] for those of another."""
        config = self.config
        seen = config.pool_size + 2 * (config.pool == "blur")
        cells = 1 if config.pool == "decimate" else seen
        inputs = cells**2 + (config.pool == "subsample")
        return Facts(0, math.prod(output[1:]) * inputs, (cells, cells), self.stride)


class Rbf(nn.Module):
    """Minus the squared distance from a fixed drawing of each digit; [N, 84] -> [N, 10]."""

    num_classes: int

    @nn.compact
    def __call__(self, units: Array) -> Array:
        if (units.shape[-1], self.num_classes) != digit_codes.CODES.shape[::-1]:
            raise ValueError(
                "--logits=rbf compares 84 units with drawings of 10 digits: give --hidden=84, and"
                f" data of 10 classes (here {units.shape[-1]} units, {self.num_classes} classes)"
            )
        codes = jnp.asarray(digit_codes.CODES, units.dtype)
        return -((units[:, None, :] - codes[None]) ** 2).sum(axis=-1)

    def describe(self, shape: tuple[int, ...], output: tuple[int, ...]) -> Facts:
        """What it computes on units [N, C] for classes [N, classes]."""
        macs = shape[-1] * math.prod(output[1:])
        return Facts(macs, macs)


class Dense(nn.Module):
    """A dense layer below an activation, or (the logits) below none; [N, C] -> [N, features]."""

    config: Config
    features: int
    activated: bool
    use_bias: bool
    platform: str

    @nn.compact
    def __call__(self, units: Array) -> Array:
        def round_to(values: Array) -> Array:
            return precision.round_to(self.config.dtype, values, self.platform)

        init, inputs = self.config.init, units.shape[-1]
        hidden, linear = initial.INITS[init]
        shape = (inputs, self.features)
        kernel = self.param("kernel", hidden if self.activated else linear, shape)
        output = round_to(round_to(units) @ round_to(kernel))
        if not self.use_bias:
            return output
        bias = self.param("bias", initial.init_bias(init, inputs), shape[1:])
        return output + round_to(bias).reshape(1, -1)

    def describe(self, shape: tuple[int, ...], output: tuple[int, ...]) -> Facts:
        """What it computes on units [N, C] for others [N, features]."""
        cells = math.prod(output[1:])
        macs = shape[-1] * cells
        return Facts(macs, macs + cells * self.use_bias, activated=self.activated)


def make_dense(
    config: Config, features: int, name: str, platform: str, activated: bool = True
) -> nn.Module:
    """A dense layer, for an activation above it or (the logits) for none."""
    scale = activation.FAN_OUT.get(config.activation, 1) if activated else 1
    return Dense(config, features * scale, activated, config.bias, platform, name=name)


def activate(config: Config, units: Array) -> Array:
    """The run's non-linearity."""
    return activation.ACTIVATIONS[config.activation](units)
