"""Normalisations of units, as Flax modules and functions over the channels, which lie last."""

import contextlib
import math
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from cnnjax.config import register
from cnnjax.config.config import Config
from cnnjax.ops import norm


class BatchNorm(nn.Module):
    """Batch normalisation [..., C] with running statistics for evaluation; `ops.norm` is faster
    on a CPU than Flax's layer, whose variables it has. Devices of a mesh `axis` may share a batch.
    """  # fmt: skip

    momentum: float
    epsilon: float
    use_scale: bool

    @nn.compact
    def __call__(self, units: Array, train: bool, axis: str | None = None) -> Array:
        shape = units.shape[-1:]
        mean = self.variable("batch_stats", "mean", jnp.zeros, shape)
        var = self.variable("batch_stats", "var", jnp.ones, shape)
        ones, zeros = nn.initializers.ones, nn.initializers.zeros
        scale = self.param("scale", ones, shape) if self.use_scale else jnp.ones(shape)
        bias = self.param("bias", zeros, shape)
        if not train:
            return norm.normalise(units, mean.value, var.value, scale, bias, self.epsilon)
        found: tuple[Array, Array, Array] = norm.batch_norm(units, scale, bias, self.epsilon, axis)
        if not self.is_initializing():
            for running, own in zip((mean, var), found[1:], strict=True):
                running.value = self.momentum * running.value + (1 - self.momentum) * own
        return found[0]


def share_batch(axis: str | None) -> contextlib.AbstractContextManager[None]:
    """Within, batch statistics are those of all devices of a mesh axis, if one is named."""
    if axis is None:
        return contextlib.nullcontext()

    def call(next_function: Any, args: Any, kwargs: Any, context: Any) -> Any:
        if isinstance(context.module, BatchNorm) and context.method_name == "__call__":
            return next_function(*args, **kwargs, axis=axis)
        return next_function(*args, **kwargs)

    return nn.intercept_methods(call)


def normalise(config: Config, units: Array, train: bool, name: str, after: bool = False) -> Array:
    """The run's normalisation over the channels [..., C], where it is before activations.

    With `after`, where it is one that follows the activation of a convolution. Statistics and
    parameters are float32, the result is of the precision of the units.
    """
    own = register.find("norm", config.norm)
    if own.traits.get("after", False) != after:
        return units
    return own.make(config, units, train, name)


def adds_bias(config: Config) -> bool:
    """Whether the norm of a run adds a bias of its own to each channel."""
    return register.find("norm", config.norm).traits.get("biased", False)


@register.choice("norm", "none")
def no_norm(config: Config, units: Array, train: bool, name: str) -> Array:
    """Not at all."""
    return units


@register.choice(
    "norm",
    "batch",
    reads=("norm_scale", "norm_momentum", "norm_epsilon", "norm_bias_rate"),
    biased=True,
)
def batch_norm(config: Config, units: Array, train: bool, name: str) -> Array:
    """Each channel by the statistics of the batch (Ioffe and Szegedy 2015)."""
    momentum, epsilon = config.norm_momentum, config.norm_epsilon
    return BatchNorm(momentum, epsilon, config.norm_scale, name=name)(units, train)


@register.choice("norm", "layer", reads=("norm_scale", "norm_bias_rate"), biased=True)
def layer_norm(config: Config, units: Array, train: bool, name: str) -> Array:
    """All channels together (Ba et al. 2016)."""
    return nn.LayerNorm(**_share(config, units), name=name)(units)


@register.choice("norm", "group", reads=("norm_scale", "norm_bias_rate"), biased=True)
def group_norm(config: Config, units: Array, train: bool, name: str) -> Array:
    """In 8 groups of channels, or fewer that divide them (Wu and He 2018)."""
    groups = math.gcd(units.shape[-1], 8)
    return nn.GroupNorm(num_groups=groups, **_share(config, units), name=name)(units)


def _share(config: Config, units: Array) -> dict[str, Any]:
    """Flax's fast variance is the mean of squares less the squared mean: nothing is left of it
    where the mean is large.
    """  # fmt: skip
    return {"use_scale": config.norm_scale, "use_fast_variance": False, "dtype": units.dtype}


@register.choice("norm", "response", after=True)
def response_norm(config: Config, units: Array, train: bool, name: str) -> Array:
    """By the activity of neighbouring channels (Krizhevsky et al. 2012, section 3.3)."""
    return respond(units)


def respond(maps: Array) -> Array:
    """Each cell over the activity of five neighbouring channels (Krizhevsky et al. 2012, 3.3)."""
    squares = jnp.pad(maps * maps, ((0, 0),) * 3 + ((2, 2),))
    channels = maps.shape[-1]
    total = sum(
        (squares[..., shift : shift + channels] for shift in range(5)), jnp.zeros_like(maps)
    )
    return maps / (2 + 1e-4 * total) ** 0.75
