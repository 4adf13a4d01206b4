"""Sizes and counts: what arithmetic says of maps, parameters and multiplications."""

import functools
import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from cnnjax.config.config import KNOBS, Config, make_config
from cnnjax.config.layers import WINDOWED
from cnnjax.networks import cost
from cnnjax.ops import conv
from experiments.checks import Outcome, decide

IMAGES = [  # image side, kernel side, input channels of layers whose costs are counted
    (side, kernel, channels)
    for side in (4, 8, 12)
    for kernel in (1, 3, 5)
    for channels in (1, 3)
    if kernel < side
]
FEATURES = 4


class Window(NamedTuple):
    """A kernel on an image, along one axis."""

    size: int
    kernel: int
    stride: int
    dilation: int
    padding: str

    @property
    def border(self) -> int:
        """Cells that the padding adds, both sides together, by its definition."""
        span = self.dilation * (self.kernel - 1)
        same = (-(-self.size // self.stride) - 1) * self.stride + span + 1 - self.size
        return {"VALID": 0, "SAME": max(same, 0), "FULL": 2 * span, "explicit": 2}[self.padding]

    @property
    def formula(self) -> int:
        """floor((m + p - d(n - 1) - 1) / s) + 1."""
        cells = self.size + self.border - self.dilation * (self.kernel - 1) - 1
        return cells // self.stride + 1

    @property
    def is_plain(self) -> bool:
        """Whether there is no padding, stride or dilation."""
        return self[2:] == (1, 1, "VALID")


def check_output_size() -> Outcome:
    """Both formulas against the shapes of our convolution (which XLA's own must agree with)."""
    found: dict[Window, int] = {}
    refused = []
    for stride, dilation, padding in itertools.product(
        (1, 2, 3), (1, 2), ("VALID", "SAME", "FULL", "explicit")
    ):
        windows = [
            Window(size, kernel, stride, dilation, padding)
            for size in range(1, 11)
            for kernel in range(1, 6)
            if padding != "explicit" or kernel > 1  # a cell of border alone shows a kernel nothing
        ]
        fitting = [window for window in windows if window.formula >= 1]
        refused += [window for window in windows if window.formula < 1]
        # Height and width are two cases at once.
        for high, wide in itertools.zip_longest(fitting[::2], fitting[1::2], fillvalue=fitting[0]):
            found[high], found[wide] = measure_shape(high, wide)
    fits = [window for window in refused if is_possible(window)]
    plain = [window for window in found if window.is_plain]
    others = [window for window in found if not window.is_plain]
    simple, in_others, general = (
        sum(found[window] == expected(window) for window in windows)
        for windows, expected in (
            (plain, lambda window: window.size - window.kernel + 1),
            (others, lambda window: window.size - window.kernel + 1),
            (found, lambda window: window.formula),
        )
    )
    return decide(
        simple + in_others == len(found) and not fits,
        f"m - n + 1 is true in {simple:,} of {len(plain):,} cases with VALID padding, stride 1 and"
        f" dilation 1, and in {in_others:,} of {len(others):,} others;"
        f" floor((m + p - d(n - 1) - 1) / s) + 1 is true in {general:,} of {len(found):,}, and"
        f" where it is below 1 the convolution is refused"
        f" ({len(refused) - len(fits):,} of {len(refused):,})",
    )


def measure_shape(high: Window, wide: Window) -> tuple[int, int]:
    """Height and width of the map of a convolution. Raises ValueError where it does not fit."""
    run = functools.partial(
        conv.conv2d, stride=high.stride, dilation=high.dilation, padding=high.padding,
        platform=jax.default_backend(),
        explicit=(1, 1),
    )  # fmt: skip
    images = jax.ShapeDtypeStruct((1, high.size, wide.size, 1), jnp.float32)
    kernel = jax.ShapeDtypeStruct((high.kernel, wide.kernel, 1, 1), jnp.float32)
    _, height, width, _ = jax.eval_shape(run, images, kernel).shape
    return height, width


def is_possible(window: Window) -> bool:
    """Whether the convolution is carried out."""
    try:
        measure_shape(window, window)
    except ValueError:
        return False
    return True


def count_layers(side: int, kernel: int, channels: int) -> list:
    """A dense, a locally connected and a convolutional layer that give the same map."""
    widths, window = (FEATURES,), (kernel,)
    configs = (
        Config(model="mlp", hidden=(side * side * FEATURES,)),
        Config(widths=widths, kernel_size=window, conv="unshared", pool="none", hidden=()),
        Config(widths=widths, kernel_size=window, pool="none", hidden=()),
    )
    return [cost.measure(config, (side, side, channels), 10).layers[0] for config in configs]


def check_local_connectivity() -> Outcome:
    """Parameters of layers with the same map: dense against locally connected and convolution."""
    layers = [count_layers(*image) for image in IMAGES]
    local, shared = (
        [every[0].parameters / every[kind].parameters for every in layers] for kind in (1, 2)
    )
    holds = sum(ratio > 1 for ratio in local)
    return decide(
        holds == len(IMAGES),
        f"true in {holds} of {len(IMAGES)} layers of the same map, kernels smaller than the image:"
        f" a dense one has {min(local):.1f} to {max(local):.0f} times the parameters of a locally"
        f" connected one, {min(shared):,.0f} to {max(shared):,.0f} times those of a convolution",
    )


def check_parameter_sharing() -> Outcome:
    """Parameters and multiplications: locally connected against a convolution."""
    layers = [count_layers(*image)[1:] for image in IMAGES]
    ratios = [local.parameters / shared.parameters for local, shared in layers]
    fewer = sum(ratio > 1 for ratio in ratios)
    cheaper = sum(local.macs > shared.macs for local, shared in layers)
    equal = sum(local.macs == shared.macs for local, shared in layers)
    return decide(
        fewer == cheaper == len(layers),
        f"the parameters are fewer in {fewer} of {len(layers)} layers ({min(ratios):.0f} to"
        f" {max(ratios):.0f} times), the multiplications in {cheaper}: they are as many in {equal}",
    )


def check_pool_shrinks() -> Outcome:
    """Cells of the last map, multiplications, and connections with pooling's own among them."""

    def measure(config: Config) -> tuple[int, int, int]:
        found = cost.measure(config, (12, 12, 1), 10)
        return found.map_shape[0] * found.map_shape[1], found.macs, found.connections

    without = measure(Config(pool="none"))
    poolings = [
        measure(
            make_config({"pool": pool, "pool_size": size, "pool_padding": padding, "pool_every": 1})
        )
        for pool in WINDOWED.among(KNOBS["pool"].choices)
        for size in (2, 3)
        for padding in ("VALID", "SAME")
    ]
    shrunk, fewer, cheaper = (
        sum(each[column] < without[column] for each in poolings) for column in range(3)
    )
    unmoved = measure(Config(pool_stride=1, pool_padding="SAME"))
    keeps = "keeps" if unmoved[:2] == without[:2] else "changes"
    return decide(
        shrunk == fewer == cheaper == len(poolings),
        f"true in {shrunk} of {len(poolings)} networks of the map, in {fewer} of the"
        f" multiplications ({without[1] / max(each[1] for each in poolings):.1f} to"
        f" {without[1] / min(each[1] for each in poolings):.1f} times fewer), in {cheaper} with"
        f" pooling's own work counted; a window that moves by one cell under SAME padding {keeps}"
        " both",
    )
