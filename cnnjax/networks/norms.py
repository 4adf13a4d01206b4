"""Normalisations of units, as Flax modules and functions over the channels, which lie last."""

import math

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from cnnjax.config.config import Config
from cnnjax.ops import norm


class BatchNorm(nn.Module):
    """Batch normalisation [..., C] with running statistics for evaluation; `ops.norm` is faster
    on a CPU than Flax's layer, whose variables it has.
    """  # fmt: skip

    momentum: float
    epsilon: float
    use_scale: bool

    @nn.compact
    def __call__(self, units: Array, train: bool) -> Array:
        shape = units.shape[-1:]
        mean = self.variable("batch_stats", "mean", jnp.zeros, shape)
        var = self.variable("batch_stats", "var", jnp.ones, shape)
        ones, zeros = nn.initializers.ones, nn.initializers.zeros
        scale = self.param("scale", ones, shape) if self.use_scale else jnp.ones(shape)
        bias = self.param("bias", zeros, shape)
        if not train:
            return norm.normalise(units, mean.value, var.value, scale, bias, self.epsilon)
        found: tuple[Array, Array, Array] = norm.batch_norm(units, scale, bias, self.epsilon)
        if not self.is_initializing():
            for running, own in zip((mean, var), found[1:], strict=True):
                running.value = self.momentum * running.value + (1 - self.momentum) * own
        return found[0]


def normalise(config: Config, units: Array, train: bool, name: str) -> Array:
    """The run's normalisation over the channels, where it is before activations.

    Batch (Ioffe and Szegedy 2015), layer (Ba et al. 2016), group (Wu and He 2018). Statistics and
    parameters are float32, the result is of the precision of the units.
    """
    scaled = config.norm_scale
    if config.norm == "batch":
        return BatchNorm(config.norm_momentum, config.norm_epsilon, scaled, name=name)(units, train)
    # Flax's fast variance is the mean of squares less the squared mean: nothing is left of it
    # where the mean is large.
    shared = {"use_scale": scaled, "use_fast_variance": False, "dtype": units.dtype, "name": name}
    if config.norm == "layer":
        return nn.LayerNorm(**shared)(units)
    if config.norm == "group":
        return nn.GroupNorm(num_groups=math.gcd(units.shape[-1], 8), **shared)(units)
    return units


def respond(maps: Array) -> Array:
    """Each cell over the activity of five neighbouring channels (Krizhevsky et al. 2012, 3.3)."""
    squares = jnp.pad(maps * maps, ((0, 0),) * 3 + ((2, 2),))
    channels = maps.shape[-1]
    total = sum(
        (squares[..., shift : shift + channels] for shift in range(5)), jnp.zeros_like(maps)
    )
    return maps / (2 + 1e-4 * total) ** 0.75
