"""Networks as Flax Linen modules made of `cnnjax.layers`: layouts of layers, residual, dense.

Each is called with images [N, H, W, C] and whether it trains, and gives logits [N, classes]. It is
for a `platform`, a JAX back end whose arithmetic it uses; None stands for the default one.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from cnnjax import layers, layouts, norms
from cnnjax.config import Config


class Dense(nn.Module):
    """Dense hidden layers and the layer of the logits, on flattened input."""

    config: Config
    num_classes: int
    platform: str | None = None

    @nn.compact
    def __call__(self, maps: Array, train: bool) -> Array:
        config, units = self.config, maps.reshape(maps.shape[0], -1)
        for index, features in enumerate(config.hidden, start=1):
            units = nn.Dropout(config.dropout, deterministic=not train)(units)
            below = units
            dense = layers.make_dense(config, features, f"dense_{index}", platform=self.platform)
            units = dense(units)
            units = norms.normalise(config, units, train, f"norm_dense_{index}")
            units = layers.activate(config, units)
            if config.residual and below.shape == units.shape:
                units = below + units
        if config.logits == "rbf":
            return layers.Rbf(self.num_classes, name="logits")(units)
        units = nn.Dropout(config.dropout, deterministic=not train)(units)
        logits = layers.make_dense(config, self.num_classes, "logits", False, self.platform)
        return logits(units)


def apply_head(
    config: Config, num_classes: int, maps: Array, train: bool, platform: str | None
) -> Array:
    """What follows the last map: all of it, or its mean or maximum by channel, to the logits."""
    if config.head == "global_avg":
        maps = maps.mean(axis=(1, 2))
    elif config.head == "global_max":
        maps = maps.max(axis=(1, 2))
    if config.model == "all_cnn_c":  # its last maps are a class each
        return maps
    return Dense(config, num_classes, platform, name="head")(maps, train)


def apply_pool(config: Config, maps: Array, train: bool, name: str, platform: str | None) -> Array:
    """The run's pooling."""
    maps = layers.Pool(config, layouts.pool_shift(config), platform, name=name)(maps, train)
    return layers.activate(config, maps) if config.pool == "subsample" else maps


class CNN(nn.Module):
    """The layers of a layout, then a head. A pooling belongs to the convolution before it."""

    config: Config
    num_classes: int
    platform: str | None = None

    @nn.compact
    def __call__(self, maps: Array, train: bool) -> Array:
        config = self.config
        layout = layouts.LAYOUTS[config.model](config, self.num_classes)
        number = 0
        for layer, following in zip(layout, (*layout[1:], None), strict=True):
            if isinstance(layer, layouts.Conv):
                number += 1
                strided = config.pool == "stride" and (layer.pooled or following == layouts.POOL)
                shift = layouts.pool_shift(config) if strided else 1
                stride = layer.stride * shift
                whitened = number == 1 and config.first_layer == "whitened"
                conv = layers.make_conv(
                    config, layer, stride, f"conv_{number}", whitened=whitened,
                    platform=self.platform,
                )  # fmt: skip
                maps = conv(maps)
                if layer.pooled and config.pool not in ("stride", "none"):
                    maps = apply_pool(config, maps, train, f"pool_{number}", self.platform)
                if layer.normed:
                    maps = norms.normalise(config, maps, train, f"norm_{number}")
                maps = layers.activate(config, maps)
                if config.norm == "response" and layer.responds:
                    maps = norms.respond(maps)
            elif layer == layouts.DROPOUT:
                maps = nn.Dropout(config.dropout, deterministic=not train)(maps)
            elif config.pool not in ("stride", "none"):
                maps = apply_pool(config, maps, train, f"pool_{number}", self.platform)
        return apply_head(config, self.num_classes, maps, train, self.platform)


class Block(nn.Module):
    """A residual block: the activation of a branch of convolutions plus a shortcut."""

    config: Config
    features: int
    stride: int
    bottleneck: bool
    drop: float  # share of training images for which the branch is dropped
    platform: str | None = None

    @nn.compact
    def __call__(self, maps: Array, train: bool) -> Array:
        config, narrow = self.config, self.features
        wide = narrow * (4 if self.bottleneck else 1)
        # The stride is in the 3x3 convolution, as in all later implementations.
        shapes = [(narrow, 3, self.stride), (wide, 3, 1)]
        if self.bottleneck:
            shapes = [(narrow, 1, 1), (narrow, 3, self.stride), (wide, 1, 1)]
        branch = maps
        for number, (features, cells, stride) in enumerate(shapes, start=1):
            branch = convolve(
                config, branch, train, features, cells, stride, str(number), self.platform
            )
            if number < len(shapes):
                branch = layers.activate(config, branch)
        if train and self.drop:
            branch = self.drop_branch(branch)
        if maps.shape != branch.shape:
            maps = convolve(config, maps, train, wide, 1, self.stride, "shortcut", self.platform)
        return layers.activate(config, maps + branch)

    def drop_branch(self, branch: Array) -> Array:
        """Zero for a random share of the images, and more for the others to keep the mean."""
        kept = jax.random.bernoulli(self.make_rng("depth"), 1 - self.drop, branch.shape[:1])
        scale = kept.astype(branch.dtype) / jnp.asarray(1 - self.drop, branch.dtype)
        return branch * scale.reshape(-1, 1, 1, 1)


def convolve(
    config: Config, maps: Array, train: bool, features: int, cells: int, stride: int, name: str,
    platform: str | None,
) -> Array:  # fmt: skip
    """A convolution and its norm, without the activation; no bias below a norm, which has one."""
    spec = layouts.Conv(layouts.scale_width(config, features), (cells,))
    conv = layers.make_conv(
        config, spec, stride, f"conv_{name}", use_bias=config.norm == "none", platform=platform
    )
    return norms.normalise(config, conv(maps), train, f"norm_{name}")


class ResNet(nn.Module):
    """Stages of residual blocks (He et al. 2016), each but the first at half the size.

    With stochastic depth, block l of L is dropped in l / L of the share (Huang et al. 2016, eq. 4).
    """

    config: Config
    num_classes: int
    platform: str | None = None

    @nn.compact
    def __call__(self, maps: Array, train: bool) -> Array:
        config, plan = self.config, layouts.RESNETS[self.config.model]
        small = config.stem == "small"
        shift = layouts.pool_shift(config) if config.pool == "stride" else 1
        cells, stride = (3, 1) if small else (7, 2 * shift)
        maps = convolve(config, maps, train, plan.features[0], cells, stride, "stem", self.platform)
        maps = layers.activate(config, maps)
        if not small and config.pool not in ("stride", "none"):
            maps = apply_pool(config, maps, train, "pool", self.platform)
        blocks = [
            (features, 2 if stage > 0 and number == 0 else 1)
            for stage, features in enumerate(plan.features)
            for number in range(plan.blocks[stage])
        ]
        for index, (features, stride) in enumerate(blocks, start=1):
            drop = config.stochastic_depth * index / len(blocks)
            name = f"block_{index}"
            block = Block(config, features, stride, plan.bottleneck, drop, self.platform, name=name)
            maps = block(maps, train)
        return apply_head(config, self.num_classes, maps, train, self.platform)
