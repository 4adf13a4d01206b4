"""Words for the layers that a network has below its head. Imports no JAX.

Everything that they leave open (border, pooling, activation, normalisation, ...) is a knob of
Config.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from cnnjax.config.config import Config


class Conv(NamedTuple):
    """A convolution with its normalisation and activation."""

    features: int
    kernel_size: tuple[int, ...]
    stride: int = 1
    padding: str = "HALF"  # the published border
    pad: int = 0  # cells on each side of it, where it is explicit
    grouped: bool = False  # whether --groups divides its channels
    partial: bool = False  # whether --connectivity cuts its connections
    responds: bool = True  # whether --norm=response reaches it
    normed: bool = True  # whether it has a normalisation
    biased: bool = False  # whether it adds a bias even with --bias=false
    pooled: bool = False  # whether a pooling lies between it and its normalisation


POOL, DROPOUT = "pool", "dropout"
LOGITS = "logits"  # at the end: the maps are a class each, and their mean or maximum the logits
Layout = tuple[Conv | str, ...]  # layers one after the other


class ResNet(NamedTuple):
    """The stages of a residual network."""

    features: tuple[int, ...]  # of each stage
    blocks: tuple[int, ...]  # in each stage
    bottleneck: bool = False  # 1x1, 3x3, 1x1 convolutions of 4 times the features, or two 3x3


class Dense(NamedTuple):
    """Dense layers alone, on the image as it is."""


class Twin(NamedTuple):
    """A plain network of such a width that it comes nearest to the CNN of the same knobs."""

    widen: Callable[["Config", int], Mapping[str, Any]]  # what differs from that CNN, at a width


def pool_shift(config: "Config") -> int:
    """The shift of the run's pooling, or of the convolution that stands in its place."""
    return config.pool_stride or config.pool_size


def scale_width(config: "Config", features: int) -> int:
    """The channels of a published layer times `width_multiplier`, in multiples of `groups`."""
    if config.width_multiplier == 1:
        return features
    return max(round(features * config.width_multiplier / config.groups), 1) * config.groups
