"""Which layers a convolutional network has below its head, as data. Imports no JAX.

Numbers of channels, kernels and strides are the published ones; everything else (border,
pooling, activation, normalisation, ...) is a knob of Config.
"""

from collections.abc import Callable
from typing import NamedTuple

from cnnjax.config.config import Config


class Conv(NamedTuple):
    """A convolution with its normalisation and activation."""

    features: int
    kernel_size: tuple[int, ...]
    stride: int = 1
    padding: str = "HALF"  # the published border
    grouped: bool = False  # whether --groups divides its channels
    partial: bool = False  # whether --connectivity cuts its connections
    responds: bool = True  # whether --norm=response reaches it
    normed: bool = True  # whether it has a normalisation
    biased: bool = False  # whether it adds a bias even with --bias=false
    pooled: bool = False  # whether a pooling lies between it and its normalisation


POOL, DROPOUT = "pool", "dropout"
Layout = tuple[Conv | str, ...]


def cnn(config: Config, num_classes: int) -> Layout:
    """Convolutions of `widths`, with a pooling after every `pool_every` of them."""
    layout: list[Conv | str] = []
    every = config.pool_every or 1  # `cost.find_network` has put another number where 0 needs one
    for index, width in enumerate(config.widths, start=1):
        layout.append(
            Conv(width, config.kernel_size, config.stride, grouped=index > 1, partial=True)
        )
        if index % every == 0:
            layout.append(POOL)
    return tuple(layout)


def pool_shift(config: Config) -> int:
    """The shift of the run's pooling, or of the convolution that stands in its place."""
    return config.pool_stride or config.pool_size


def scale_width(config: Config, features: int) -> int:
    """The channels of a published layer times `width_multiplier`, in multiples of `groups`."""
    if config.width_multiplier == 1:
        return features
    return max(round(features * config.width_multiplier / config.groups), 1) * config.groups


def lenet5(config: Config, num_classes: int) -> Layout:
    """C1, S2, C3, S4 and C5 of LeCun et al. 1998, section II-B; 32x32 images."""
    c1, c3, c5 = (Conv(scale_width(config, features), (5,)) for features in (6, 16, 120))
    return c1, POOL, c3._replace(partial=True), POOL, c5


def alexnet(config: Config, num_classes: int) -> Layout:
    """Krizhevsky et al. 2012, section 3; 227x227 images, or 224x224 that CEIL makes 227x227."""
    first, second, *others = (scale_width(config, n) for n in (96, 256, 384, 384, 256))
    third, fourth, fifth = (Conv(features, (3,), responds=False) for features in others)
    return (
        Conv(first, (11,), stride=4, padding="CEIL"),
        POOL,
        Conv(second, (5,), grouped=True),
        POOL,
        third,
        fourth._replace(grouped=True),
        fifth._replace(grouped=True),
        POOL,
    )


def all_cnn_c(config: Config, num_classes: int) -> Layout:
    """Springenberg et al. 2015, tables 1 and 2; 32x32 images. Its last convolution is the logits.

    With --pool=stride it is All-CNN-C, with a pooling in windows ConvPool-CNN-C.
    """
    narrow, wide = (Conv(scale_width(config, features), (3,)) for features in (96, 192))
    return (
        narrow, narrow, narrow, POOL, DROPOUT,
        wide, wide, wide, POOL, DROPOUT,
        wide._replace(padding="VALID"), wide._replace(kernel_size=(1,)), Conv(num_classes, (1,)),
    )  # fmt: skip


def vgg(*stages: tuple[int, int]) -> Callable[[Config, int], Layout]:
    """Stages of (how many, features) 3x3 convolutions, each with a pooling after it."""

    def layout(config: Config, num_classes: int) -> Layout:
        layers: list[Conv | str] = []
        for count, features in stages:
            layers += [*[Conv(scale_width(config, features), (3,))] * count, POOL]
        return tuple(layers)

    return layout


def airbench94(config: Config, num_classes: int) -> Layout:
    """Jordan 2024; 32x32 images. Its first layer has two kernels a cell of a patch in colour."""
    layers = [Conv(24, (2,), padding="VALID", normed=False, biased=True)]
    for features in (64, 256, 256):
        conv = Conv(scale_width(config, features), (3,))
        layers += [conv._replace(pooled=True), conv]
    return tuple(layers)


def mnist1d_cnn(config: Config, num_classes: int) -> Layout:
    """Greydanus and Kobak 2024: three convolutions along the width of signals [1, 40, 1]."""
    features = scale_width(config, 25)
    return tuple(Conv(features, (1, cells), stride=2) for cells in (5, 3, 3))


LAYOUTS: dict[str, Callable[[Config, int], Layout]] = {
    "cnn": cnn,
    "lenet5": lenet5,
    "lenet5_modern": lenet5,
    "alexnet": alexnet,
    "all_cnn_c": all_cnn_c,
    "vgg11": vgg((1, 64), (1, 128), (2, 256), (2, 512), (2, 512)),
    "vgg16": vgg((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)),
    "airbench94": airbench94,
    "mnist1d_cnn": mnist1d_cnn,
}


class ResNet(NamedTuple):
    """The stages of a residual network."""

    features: tuple[int, ...]  # of each stage
    blocks: tuple[int, ...]  # in each stage
    bottleneck: bool = False  # 1x1, 3x3, 1x1 convolutions of 4 times the features, or two 3x3


# He et al. 2016, table 1, and section 4.2 with n = 3 (its shortcuts are projections here).
RESNETS = {
    "resnet18": ResNet((64, 128, 256, 512), (2, 2, 2, 2)),
    "resnet34": ResNet((64, 128, 256, 512), (3, 4, 6, 3)),
    "resnet50": ResNet((64, 128, 256, 512), (3, 4, 6, 3), bottleneck=True),
    "resnet18_small": ResNet((64, 128, 256, 512), (2, 2, 2, 2)),
    "resnet20": ResNet((16, 32, 64), (3, 3, 3)),
}
