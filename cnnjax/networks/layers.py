"""The other layers that every network is made of: ops with their parameters, as Flax modules.

Parameters are float32. A layer rounds what it multiplies (its input and its kernel) and the
product to the precision of the run, as its `platform` has it (a JAX back end).
"""

import inspect
import math

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from cnnjax.config.config import Config
from cnnjax.config.errors import PluginError
from cnnjax.networks.facts import Facts
from cnnjax.ops import activation, digit_codes, initial, pool, precision


class Pool(nn.Module):
    """A pooling in windows; [N, H, W, C] -> [N, H', W', C]."""

    config: Config
    stride: int
    platform: str

    @nn.compact
    def __call__(self, maps: Array, train: bool) -> Array:
        config, make = self.config, pool.find(self.config.pool).make
        taken = inspect.signature(make).parameters
        extras = {
            "param": lambda: self.param,
            "key": lambda: self.make_rng("pool") if train else None,
            "count_padding": lambda: config.count_padding,
            "platform": lambda: self.platform,
        }
        named = {name: extras[name]() for name in extras if name in taken}
        try:
            return make(maps, config.pool_size, self.stride, config.pool_padding, **named)
        except PluginError:
            raise
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None

    def describe(self, shape: tuple[int, ...], output: tuple[int, ...]) -> Facts:
        """What it computes on maps of a shape [N, H, W, C] for those of another."""
        traits = pool.find(self.config.pool).traits
        cells = traits["sees"](self.config.pool_size)
        inputs = cells**2 + traits["biased"]
        return Facts(0, math.prod(output[1:]) * inputs, (cells, cells), self.stride)


class GlobalGem(nn.Module):
    """The generalised mean of each map, by one learned exponent; [N, H, W, C] -> [N, C]."""

    @nn.compact
    def __call__(self, maps: Array) -> Array:
        exponent = self.param("exponent", nn.initializers.constant(3.0), ())
        return pool.generalised_mean(maps, exponent)


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
        begin = initial.find(init) if self.activated else initial.find_other(init, "logits")
        shape = (inputs, self.features)
        kernel = self.param("kernel", begin, shape)
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
    scale = activation.pieces_of(config.activation) if activated else 1
    return Dense(config, features * scale, activated, config.bias, platform, name=name)


class Squeeze(nn.Module):
    """Each map times a share that the means of all decide; [N, H, W, C] -> [N, H, W, C].

    Squeeze, excitation and scale (Hu et al. 2018, eq. 2 to 4): the share is the sigmoid of a dense
    layer on one of C / ratio units, at least one, behind the run's non-linearity.
    """

    config: Config
    platform: str

    @nn.compact
    def __call__(self, maps: Array) -> Array:
        config, channels = self.config, maps.shape[-1]
        narrow = max(channels // config.squeeze_ratio, 1)
        means = precision.widen(maps).mean(axis=(1, 2))  # [N, C]
        units = activate(config, make_dense(config, narrow, "dense_1", self.platform)(means))
        # Its own non-linearity follows: no piece of the run's is made of its units.
        excite = Dense(config, channels, True, config.bias, self.platform, name="dense_2")
        share = nn.sigmoid(excite(units)).astype(maps.dtype)
        return maps * share[:, None, None]


def activate(config: Config, units: Array) -> Array:
    """The run's non-linearity."""
    return activation.activate(config.activation, units)


def activate_hidden(config: Config, units: Array) -> Array:
    """The non-linearity of hidden dense layers."""
    own = config.hidden_activation
    return activation.activate(config.activation if own == "same" else own, units)
