"""Networks as Flax Linen modules made of our layers: layouts of layers, residual, dense.

Each is called with images [N, H, W, C] and whether it trains, and gives logits [N, classes]. It is
for a `platform`, a JAX back end whose arithmetic it uses.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array

from cnnjax.config import layouts
from cnnjax.config import models as rows
from cnnjax.config.config import Config
from cnnjax.networks import convolution, layers, norms
from cnnjax.ops import padding, pool


class Dense(nn.Module):
    """Dense hidden layers and the layer of the logits, on flattened input.

    Dropout is of the hidden layers' units, as AlexNet and VGG have it; without any, of the input.
    """

    config: Config
    num_classes: int
    platform: str

    @nn.compact
    def __call__(self, maps: Array, train: bool) -> Array:
        config, units = self.config, maps.reshape(maps.shape[0], -1)
        for index, features in enumerate(config.hidden, start=1):
            below = units
            dense = layers.make_dense(config, features, f"dense_{index}", self.platform)
            units = dense(units)
            units = norms.normalise(config, units, train, f"norm_dense_{index}")
            units = layers.activate_hidden(config, units)
            if config.residual and below.shape == units.shape:
                units = add(below, units, self.name or "mlp")
            units = nn.Dropout(config.dropout, deterministic=not train)(units)
        if config.logits == "rbf":
            return layers.Rbf(self.num_classes, name="logits")(units)
        if not config.hidden:
            units = nn.Dropout(config.dropout, deterministic=not train)(units)
        logits = layers.make_dense(
            config, self.num_classes, "logits", self.platform, activated=False
        )
        return logits(units)


def apply_head(config: Config, maps: Array) -> Array:
    """What is kept of the last map: all of it, or a mean or the maximum by channel."""
    if config.head == "global_avg":
        return maps.mean(axis=(1, 2))
    if config.head == "global_gem":
        return layers.GlobalGem(name="gem")(maps)
    return maps.max(axis=(1, 2)) if config.head == "global_max" else maps


def apply_pool(config: Config, maps: Array, train: bool, name: str, platform: str) -> Array:
    """The run's pooling."""
    maps = layers.Pool(config, layouts.pool_shift(config), platform, name=name)(maps, train)
    return layers.activate(config, maps) if pool.find(config.pool).traits["activated"] else maps


def excite(config: Config, maps: Array, name: str, platform: str) -> Array:
    """The maps, each by its share where the run has squeeze and excitation."""
    return layers.Squeeze(config, platform, name=name)(maps) if config.squeeze_ratio else maps


class CNN(nn.Module):
    """The layers of a layout, then a head. A pooling belongs to the convolution before it."""

    config: Config
    num_classes: int
    platform: str

    @nn.compact
    def __call__(self, maps: Array, train: bool) -> Array:
        config = self.config
        layout = rows.lay_out(config, self.num_classes)
        traits, number = pool.find(config.pool).traits, 0
        for layer, following in zip(layout, (*layout[1:], None), strict=True):
            if isinstance(layer, layouts.Conv):
                number += 1
                strided = traits["strides"] and (layer.pooled or following == layouts.POOL)
                shift = layouts.pool_shift(config) if strided else 1
                stride = layer.stride * shift
                whitened = number == 1 and config.first_layer == "whitened"
                conv = convolution.make_conv(
                    config, layer, stride, f"conv_{number}", self.platform, whitened=whitened
                )  # fmt: skip
                maps = conv(maps)
                if layer.pooled and traits["windows"]:
                    maps = apply_pool(config, maps, train, f"pool_{number}", self.platform)
                if layer.normed:
                    maps = norms.normalise(config, maps, train, f"norm_{number}")
                maps = layers.activate(config, maps)
                if layer.responds:
                    maps = norms.normalise(config, maps, train, f"norm_{number}", after=True)
                if following != layouts.LOGITS:
                    maps = excite(config, maps, f"squeeze_{number}", self.platform)
            elif layer == layouts.DROPOUT:
                maps = nn.Dropout(config.dropout, deterministic=not train)(maps)
            elif layer == layouts.POOL and traits["windows"]:
                maps = apply_pool(config, maps, train, f"pool_{number}", self.platform)
        maps = apply_head(config, maps)
        if layout[-1] == layouts.LOGITS:
            return maps
        return Dense(config, self.num_classes, self.platform, name="head")(maps, train)


def add(shortcut: Array, branch: Array, name: str) -> Array:
    """Their sum. Raises ValueError where the shapes differ, be it that one could be spread."""
    if shortcut.shape != branch.shape:
        sizes = ("x".join(map(str, units.shape[1:])) for units in (shortcut, branch))
        raise ValueError(f"{name}: a shortcut of {' and a branch of '.join(sizes)} have no sum")
    return shortcut + branch


class Block(nn.Module):
    """A residual block: the activation of a branch of convolutions plus a shortcut.

    A cell of the shortcut is the one in the middle of what the branch's cell sees: the maps are cut
    where the branch loses its border, and filled as the run's border is where it grows one.
    """

    config: Config
    features: int
    stride: int
    bottleneck: bool
    drop: float  # share of training images for which the branch is dropped
    platform: str

    @nn.compact
    def __call__(self, maps: Array, train: bool) -> Array:
        config, narrow = self.config, self.features
        wide = narrow * (4 if self.bottleneck else 1)
        # The stride is in the 3x3 convolution, as in all later implementations.
        shapes = [(narrow, 3, self.stride), (wide, 3, 1)]
        if self.bottleneck:
            shapes = [(narrow, 1, 1), (narrow, 3, self.stride), (wide, 1, 1)]
        branch, begin, jump = maps, np.zeros(2, int), 1  # the first cell's middle; cells between
        for number, (features, cells, stride) in enumerate(shapes, start=1):
            conv = make_conv(config, features, cells, stride, str(number), self.platform)
            shape, branch = branch.shape, convolve(conv, branch, train)
            begin, jump = begin + jump * conv.first_middle(shape), jump * stride
            if number < len(shapes):
                branch = layers.activate(config, branch)
        branch = excite(config, branch, "squeeze", self.platform)
        if train and self.drop:
            branch = self.drop_branch(branch)
        try:
            maps = cut(config, maps, begin, jump, branch.shape[1:3])
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        if jump > 1 or maps.shape != branch.shape:
            conv = make_conv(config, wide, 1, jump, "shortcut", self.platform, border="VALID")
            maps = convolve(conv, maps, train)
        return layers.activate(config, add(maps, branch, self.name or "block"))

    def drop_branch(self, branch: Array) -> Array:
        """Zero for a random share of the images, and more for the others to keep the mean."""
        kept = jax.random.bernoulli(self.make_rng("depth"), 1 - self.drop, branch.shape[:1])
        scale = kept.astype(branch.dtype) / jnp.asarray(1 - self.drop, branch.dtype)
        return branch * scale.reshape(-1, 1, 1, 1)


def cut(
    config: Config, maps: Array, begin: np.ndarray, jump: int, counts: tuple[int, ...]
) -> Array:
    """The maps from cell `begin` on, for so many cells of which two neighbours are `jump` apart."""
    ends = begin + (np.array(counts) - 1) * jump + 1
    pads = [
        (max(-start, 0), max(end - size, 0))
        for start, end, size in zip(begin.tolist(), ends.tolist(), maps.shape[1:3], strict=True)
    ]
    filled = padding.fill_border(maps, pads, config.fill)
    rows, columns = (
        slice(start + before, end + before)
        for start, end, (before, _) in zip(begin.tolist(), ends.tolist(), pads, strict=True)
    )
    return filled[:, rows, columns]


def make_conv(
    config: Config, features: int, cells: int, stride: int, name: str, platform: str,
    border: str = "",
) -> convolution.Conv:  # fmt: skip
    """A convolution of a residual network; no bias below a norm that adds one."""
    spec = layouts.Conv(layouts.scale_width(config, features), (cells,))
    return convolution.make_conv(
        config, spec, stride, f"conv_{name}", platform, use_bias=not norms.adds_bias(config),
        padding=border,
    )  # fmt: skip


def convolve(conv: convolution.Conv, maps: Array, train: bool) -> Array:
    """A convolution and its norm, without the activation."""
    name = str(conv.name).replace("conv", "norm")
    return norms.normalise(conv.config, conv(maps), train, name)


class ResNet(nn.Module):
    """Stages of residual blocks (He et al. 2016), each but the first at half the size.

    With stochastic depth, block l of L is dropped in l / L of the share (Huang et al. 2016, eq. 4).
    """

    config: Config
    num_classes: int
    platform: str

    @nn.compact
    def __call__(self, maps: Array, train: bool) -> Array:
        config, plan = self.config, rows.lay_out(self.config, self.num_classes)
        small, traits = config.stem == "small", pool.find(config.pool).traits
        shift = layouts.pool_shift(config) if traits["strides"] else 1
        cells, stride = (3, 1) if small else (7, 2 * shift)
        conv = make_conv(config, plan.features[0], cells, stride, "stem", self.platform)
        maps = convolve(conv, maps, train)
        maps = layers.activate(config, maps)
        if not small and traits["windows"]:
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
        head = Dense(config, self.num_classes, self.platform, name="head")
        return head(apply_head(config, maps), train)
