"""The convolution that every network is made of: its kinds, its border, its kernels.

Parameters are float32. A layer rounds what it multiplies (its input and its kernel) and the
product to the precision of the run, as its `platform` has it (a JAX back end).
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array

from cnnjax.config import layouts
from cnnjax.config.config import Config
from cnnjax.networks.facts import Facts
from cnnjax.ops import activation, connectivity, conv, initial, precision
from cnnjax.ops.padding import Pads, output_size, span_of


def as_pair(values: tuple[int, ...]) -> tuple[int, int]:
    """(3,) as (3, 3), and (3, 5) as it is."""
    return values[0], values[-1]


class Conv(nn.Module):
    """A convolution of the kind `Config.conv` names; [N, H, W, C] -> [N, H', W', features]."""

    config: Config
    features: int
    kernel_size: tuple[int, int]
    stride: int
    padding: str
    explicit: tuple[int, int]  # cells on each side, of height and width, where it is explicit
    groups: int
    connectivity: str
    use_bias: bool
    platform: str
    whitened: bool = False  # whether its kernels are fixed ones that whiten its patches

    @nn.compact
    def __call__(self, maps: Array) -> Array:
        kinds = {"standard": self.standard, "separable": self.separable, "unshared": self.unshared}
        try:
            form = self.whiten if self.whitened else kinds[self.config.conv]
            maps, fan_in = form(self.round(maps))
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        maps = self.round(maps)
        if not self.use_bias:
            return maps
        bias = self.param("bias", initial.init_bias(self.config.init, fan_in), maps.shape[-1:])
        return maps + self.round(bias).reshape(1, 1, 1, -1)

    def round(self, values: Array) -> Array:
        """`values` in the precision of the run."""
        return precision.round_to(self.config.dtype, values, self.platform)

    def standard(self, maps: Array) -> tuple[Array, int]:
        """One kernel a feature at every position; each sees its group's or its table's channels."""
        init, channels = initial.find(self.config.init), maps.shape[-1]
        units = self.features // self.pieces
        if channels % self.groups or units % self.groups:
            raise ValueError(f"{self.groups} groups do not divide {channels} channels into {units}")
        shape = (*self.kernel_size, channels // self.groups, self.features)
        table = self.table(channels)
        if table is None:
            kernel = self.param("kernel", initial.in_groups(init, self.groups), shape)
            seen = channels // self.groups
            return self.slide(maps, kernel, self.groups), math.prod(self.kernel_size) * seen
        scale = initial.make_up(self.config.init, channels, table.sum(axis=0))

        def init_partial(key: Array, shape: tuple[int, ...]) -> Array:
            return init(key, shape) * jnp.asarray(scale, jnp.float32).reshape(1, 1, 1, -1)

        kernel = self.param("kernel", init_partial, shape) * self.draw(table)[None, None]
        seen = int(table.sum(axis=0).max())
        return self.slide(maps, kernel, self.groups), math.prod(self.kernel_size) * seen

    def draw(self, table: np.ndarray) -> np.ndarray | Array:
        """The table itself, or one of as many ones a kernel that is drawn with the weights."""
        if self.connectivity != "drawn" or table.all():
            return table

        def init() -> Array:
            drawn = connectivity.draw_table(self.make_rng("params"), table[:, :: self.pieces])
            return jnp.repeat(drawn, self.pieces, axis=1)

        return self.variable("batch_stats", "table", init).value

    def whiten(self, maps: Array) -> tuple[Array, int]:
        """Kernels that no gradient, decay or average of the weights reaches.

        They begin as those for white noise; `models.set_filters` puts those of images there.
        """
        shape = (*self.kernel_size, maps.shape[-1], self.count_features(maps.shape[-1]))
        spans = [span_of(cells, self.config.dilation) for cells in self.kernel_size]
        if any(span > size for span, size in zip(spans, maps.shape[1:3], strict=True)):
            patch, side = ("x".join(map(str, own)) for own in (spans, maps.shape[1:3]))
            raise ValueError(f"images of {side} have no patch of {patch} to be whitened by")

        def init() -> Array:
            half = -(-shape[-1] // 2)
            kernel = initial.orthogonal(self.make_rng("params"), (*shape[:-1], half))
            return jnp.concatenate([kernel, -kernel], axis=-1)[..., : shape[-1]]

        kernel = self.variable("batch_stats", "kernel", init).value
        return self.slide(maps, kernel, 1), math.prod(shape[:-1])

    def count_features(self, channels: int) -> int:
        """Outputs for so many input channels: whitening has two a cell of its patch at most."""
        if not self.whitened:
            return self.features
        return min(self.features, 2 * math.prod(self.kernel_size) * channels)

    def separable(self, maps: Array) -> tuple[Array, int]:
        """A kernel a channel, then a 1x1 convolution over the channels.

        Together they start at the scale of a standard convolution.
        """
        init, channels, cells = self.config.init, maps.shape[-1], math.prod(self.kernel_size)
        own = initial.in_groups(initial.find_other(init, "depthwise"), channels)
        depthwise = self.param("depthwise", own, (*self.kernel_size, 1, channels))
        gain = initial.pointwise_gain(init, cells, channels, self.features)
        pointwise = self.param(
            "kernel", lambda key, shape: initial.find(init)(key, shape) * gain,
            (1, 1, channels, self.features),
        )  # fmt: skip
        maps = self.round(self.slide(maps, depthwise, channels))
        return conv.conv2d(maps, self.round(pointwise), platform=self.platform), channels

    def unshared(self, maps: Array) -> tuple[Array, int]:
        """A kernel a feature and position: the same receptive fields, nothing shared."""
        config, window = self.config, self.kernel_size
        fan_in = math.prod(window) * maps.shape[-1]
        pads = self.find_pads(maps.shape)
        rows, columns = (
            output_size(size, cells, self.stride, sum(pad), config.dilation)
            for size, cells, pad in zip(maps.shape[1:3], window, pads, strict=True)
        )

        def init(key: Array, shape: tuple[int, ...]) -> Array:
            keys = jax.random.split(key, rows * columns)  # each position on its own
            own = (*window, maps.shape[-1], self.features)  # the fans are those of a convolution
            kernels = jax.vmap(lambda key: initial.find(config.init)(key, own))(keys)
            return kernels.reshape(shape)

        kernel = self.param("kernel", init, (rows, columns, fan_in, self.features))
        maps = conv.local2d(
            maps, self.round(kernel), window, self.stride, self.padding,
            explicit=self.explicit, fill=config.fill, dilation=config.dilation,
        )  # fmt: skip
        return maps, fan_in

    def table(self, channels: int) -> np.ndarray | None:
        """Ones where a kernel sees a channel [channels, features]; None where each sees all."""
        if self.connectivity == "all" or self.whitened:
            return None
        if self.groups > 1:
            raise ValueError(f"--groups={self.groups} excludes --connectivity={self.connectivity}")
        # The channels that an activation takes together see the same ones.
        units = self.features // self.pieces
        table = connectivity.CONNECTIVITIES[self.connectivity](channels, units)
        return np.repeat(table, self.pieces, axis=1)

    @property
    def pieces(self) -> int:
        """Neighbouring features that the activation makes one unit of."""
        return activation.pieces_of(self.config.activation)

    def find_pads(self, shape: tuple[int, ...]) -> Pads:
        """The border of maps of that shape, for height and width."""
        dilation = self.config.dilation
        return conv.find_pads(
            shape, self.kernel_size, self.stride, self.padding, self.explicit, dilation
        )

    def first_middle(self, shape: tuple[int, ...]) -> np.ndarray:
        """Row and column of the middle of the first window [2]; the lesser where two are."""
        spans = (span_of(cells, self.config.dilation) for cells in self.kernel_size)
        pads = self.find_pads(shape)
        return np.array(
            [(span - 1) // 2 - pad[0] for span, pad in zip(spans, pads, strict=True)], int
        )

    def slide(self, maps: Array, kernel: Array, groups: int) -> Array:
        """`conv.conv2d` with this layer's stride, border and precision."""
        config = self.config
        return conv.conv2d(
            maps, self.round(kernel), self.stride, self.padding, explicit=self.explicit,
            fill=config.fill, dilation=config.dilation, groups=groups, form=config.conv_form,
            platform=self.platform,
        )  # fmt: skip

    def describe(self, shape: tuple[int, ...], output: tuple[int, ...]) -> Facts:
        """What it computes on maps of a shape [N, H, W, C] for those of another."""
        channels, cells = shape[-1], math.prod(output[1:3])
        macs, absent = cells * self.macs_per_cell(channels), 0
        table = self.table(channels)
        if table is not None:
            absent = math.prod(self.kernel_size) * int((1 - table).sum())
        spans = tuple(span_of(cells, self.config.dilation) for cells in self.kernel_size)
        (top, _), (left, _) = self.find_pads(shape)
        return Facts(
            macs, macs + math.prod(output[1:]) * self.use_bias, (spans[0], spans[1]), self.stride,
            (top, left), absent, convolution=True,
        )  # fmt: skip

    def macs_per_cell(self, channels: int) -> int:
        """Multiplications for one cell of the output, all features."""
        window = math.prod(self.kernel_size)
        if self.config.conv == "separable":
            return window * channels + channels * self.features
        table = self.table(channels)
        if table is not None:
            return window * int(table.sum())
        return window * channels // self.groups * self.count_features(channels)


def make_conv(
    config: Config, spec: layouts.Conv, stride: int, name: str, platform: str,
    use_bias: bool = True, whitened: bool = False, padding: str = "",
) -> Conv:  # fmt: skip
    """A layer of a layout; the run's pooling may add to its stride.

    Its border is the run's, unless `padding` names another.
    """
    published = config.padding == "published"
    return Conv(
        config,
        spec.features * activation.pieces_of(config.activation),
        as_pair(spec.kernel_size),
        stride,
        padding or (spec.padding if published else config.padding),
        (spec.pad, spec.pad) if published else as_pair(config.pad),
        groups=config.groups if spec.grouped else 1,
        connectivity=config.connectivity if spec.partial else "all",
        use_bias=(config.bias or spec.biased) and use_bias,
        platform=platform,
        whitened=whitened,
        name=name,
    )
