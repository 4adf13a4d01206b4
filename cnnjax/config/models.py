"""Every published model: its layers as data, what it reads, defaults, sizes for a test.

Numbers of channels, kernels and strides are the published ones. A default makes a network what its
paper says, and every knob can be given another value. How a network was trained (optimiser, rate,
augmentation, ...) is no part of it: the flag files in experiments/recipes/ have that. A network
that is a Linen module of its own has its row in networks/models.py. Imports no JAX.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cnnjax.config import plain as plain  # those networks come first among the names
from cnnjax.config import presets, register
from cnnjax.config.layouts import DROPOUT, LOGITS, POOL, Conv, Dense, Layout, ResNet, scale_width

if TYPE_CHECKING:
    from cnnjax.config.config import Config

SIGNALS = (1, 40, 1)  # of MNIST-1D


def reads(model: str, entry: str) -> bool:
    """Whether a model heeds a knob, has a value such as "padding=published", or heeds a knob where
    there are hidden layers alone, such as "norm@hidden".
    """  # fmt: skip
    found = register.CHOICES["model"].get(model)
    of_all = presets.BY_ROLE if found is not None and found.source else ()
    return entry in find_row(model).get("reads", ()) or entry in of_all


def list_readers(entry: str) -> tuple[str, ...]:
    """The models that do so."""
    return tuple(name for name in register.names("model") if reads(name, entry))


def defaults_of(model: str) -> Mapping[str, Any]:
    """What a model takes for knobs of its architecture that nobody gave."""
    return find_row(model).get("defaults", {})


def find_row(model: str) -> Mapping[str, Any]:
    """What a model says of itself beside its layers, without an import; nothing where unknown."""
    found = register.CHOICES["model"].get(model)
    if found is not None:
        return found.traits
    ours = register.read_home("model").get(model)  # a Linen module, whose arguments are literals
    return ours.facts if ours else {}


def small_of(model: str) -> Mapping[str, Any]:
    """What makes a model one that trains in a test."""
    return register.find("model", model).traits["small"]


def images_of(model: str) -> tuple[int, int, int]:
    """Height, width and channels of images that do for it there."""
    return register.find("model", model).traits["images"]


def lay_out(config: "Config", num_classes: int) -> Any:
    """The network of a run as data, a Layout, ResNet, Dense or Twin; or as a Linen module."""
    return register.find("model", config.model).make(config, num_classes)


@register.model(
    "lenet5",
    reads=presets.PUBLISHED | {"connectivity"},
    defaults={
        "image_size": 32, "padding": "VALID", "pool": "subsample", "connectivity": "lenet5",
        "activation": "scaled_tanh", "init": "lenet5", "hidden": (84,), "logits": "rbf",
    },
)  # fmt: skip
def lenet5(config: "Config", num_classes: int) -> Layout:
    """LeCun et al. 1998, C1, S2, C3, S4 and C5 of section II-B; 32x32 images.

    "Gradient-based learning applied to document recognition".
    """
    c1, c3, c5 = (Conv(scale_width(config, features), (5,)) for features in (6, 16, 120))
    return c1, POOL, c3._replace(partial=True), POOL, c5


@register.model(
    "lenet5_modern",
    reads=presets.PUBLISHED | {"connectivity"},
    defaults={"image_size": 32, "padding": "VALID", "hidden": (84,)},
)
def lenet5_modern(config: "Config", num_classes: int) -> Layout:
    """LeNet-5 with maximum pooling, ReLU and linear logits."""
    return lenet5(config, num_classes)


@register.model(
    "alexnet",
    reads=presets.PUBLISHED | {"groups", "padding=published"},
    defaults={
        "image_size": 227, "padding": "published", "groups": 2, "norm": "response",
        "pool_size": 3, "pool_stride": 2, "hidden": (4096, 4096), "dropout": 0.5,
    },
    small={"width_multiplier": 0.07, "image_size": 67, "hidden": (32,)},
    instead="--model=cnn",
)  # fmt: skip
def alexnet(config: "Config", num_classes: int) -> Layout:
    """Krizhevsky et al. 2012, section 3; 227x227 images, or 224x224 that CEIL makes 227x227.

    "ImageNet classification with deep convolutional networks".
    """
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


@register.model(
    "alexnet_2014",
    reads=presets.PUBLISHED | {"padding=published"},
    defaults={
        "image_size": 224, "padding": "published", "pool_size": 3, "pool_stride": 2,
        "hidden": (4096, 4096), "dropout": 0.5,
    },
    small={"width_multiplier": 0.07, "image_size": 64, "hidden": (32,)},
    instead="--model=cnn",
)  # fmt: skip
def alexnet_2014(config: "Config", num_classes: int) -> Layout:
    """Krizhevsky 2014 without response normalisation, as PyTorch's library has it; 224x224 images.

    "One weird trick for parallelizing convolutional neural networks".
    """
    first, *others = (scale_width(config, n) for n in (64, 192, 384, 256, 256))
    second, third, fourth, fifth = (Conv(features, (3,)) for features in others)
    return (
        Conv(first, (11,), stride=4, padding="explicit", pad=2),
        POOL,
        second._replace(kernel_size=(5,)),
        POOL,
        third,
        fourth,
        fifth,
        POOL,
    )


@register.model(
    "all_cnn_c",
    reads=presets.LAYERED | {"width_multiplier", "padding=published"},
    defaults={
        "padding": "published", "pool": "stride", "pool_size": 3, "pool_stride": 2,
        "head": "global_avg", "hidden": (), "dropout": 0.5, "input_dropout": 0.2,
    },
    small={"width_multiplier": 0.1, "image_size": 12, "activation": "elu"},  # ReLU dies
)  # fmt: skip
def all_cnn_c(config: "Config", num_classes: int) -> Layout:
    """Springenberg et al. 2015, tables 1 and 2; 32x32 images.

    "Striving for simplicity: the all convolutional net". Its last convolution is the logits. With
    --pool=stride it is All-CNN-C, with a pooling in windows ConvPool-CNN-C.
    """
    narrow, wide = (Conv(scale_width(config, features), (3,)) for features in (96, 192))
    return (
        narrow, narrow, narrow, POOL, DROPOUT,
        wide, wide, wide, POOL, DROPOUT,
        wide._replace(padding="VALID"), wide._replace(kernel_size=(1,)), Conv(num_classes, (1,)),
        LOGITS,
    )  # fmt: skip


def vgg(config: "Config", *stages: tuple[int, int]) -> Layout:
    """Stages of (how many, features) 3x3 convolutions, each with a pooling after it."""
    layers: list[Conv | str] = []
    for count, features in stages:
        layers += [*[Conv(scale_width(config, features), (3,))] * count, POOL]
    return tuple(layers)


@register.model(
    "vgg11", reads=presets.PUBLISHED, defaults=presets.VGG, small=presets.SMALL_VGG,
    instead="--model=cnn",
)  # fmt: skip
def vgg11(config: "Config", num_classes: int) -> Layout:
    """Simonyan and Zisserman 2015, configuration A; 224x224 images."""
    return vgg(config, (1, 64), (1, 128), (2, 256), (2, 512), (2, 512))


@register.model(
    "vgg16", reads=presets.PUBLISHED, defaults=presets.VGG, small=presets.SMALL_VGG,
    instead="--model=cnn",
)  # fmt: skip
def vgg16(config: "Config", num_classes: int) -> Layout:
    """Simonyan and Zisserman 2015, configuration D; 224x224 images."""
    return vgg(config, (2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


@register.model(
    "airbench94",
    reads=presets.PUBLISHED | {"padding=published"},
    defaults={
        "image_size": 32, "first_layer": "whitened", "padding": "published", "bias": False,
        "norm": "batch", "norm_scale": False, "norm_momentum": 0.6, "norm_epsilon": 1e-12,
        "activation": "gelu", "head": "global_max", "hidden": (), "logit_scale": 1 / 9,
        "init": "dirac",
    },
    # A ninth of the logits asks for a rate of its own.
    small={"width_multiplier": 0.15, "image_size": 16, "logit_scale": 1.0},
)  # fmt: skip
def airbench94(config: "Config", num_classes: int) -> Layout:
    """Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU"; 32x32 images.

    Its first layer has two kernels a cell of a patch in colour.
    """
    layers = [Conv(24, (2,), padding="VALID", normed=False, biased=True)]
    for features in (64, 256, 256):
        conv = Conv(scale_width(config, features), (3,))
        layers += [conv._replace(pooled=True), conv]
    return tuple(layers)


@register.model(
    "mnist1d_cnn",
    reads=presets.PUBLISHED - presets.POOLING,
    images=SIGNALS,
    defaults={
        "init": "pytorch", "padding": "explicit", "pad": (0, 1), "pool": "none", "hidden": (),
    },
    small={"width_multiplier": 0.5},
)  # fmt: skip
def mnist1d_cnn(config: "Config", num_classes: int) -> Layout:
    """Greydanus and Kobak 2024, MNIST-1D: three convolutions along signals of 40 cells."""
    features = scale_width(config, 25)
    return tuple(Conv(features, (1, cells), stride=2) for cells in (5, 3, 3))


@register.model(
    "mnist1d_mlp",
    reads=presets.MLP,
    images=SIGNALS,
    defaults={"init": "pytorch", "hidden": (100, 100), "residual": True},
    small={"hidden": (32, 32)},
)
def mnist1d_mlp(config: "Config", num_classes: int) -> Dense:
    """Greydanus and Kobak 2024, MNIST-1D: two hidden layers, the second with a shortcut."""
    return Dense()


# He et al. 2016, "Deep residual learning for image recognition", table 1 and section 4.2.


@register.model(
    "resnet18", reads=presets.STEMMED, defaults=presets.RESNET224, small=presets.SMALL_RESNET,
    instead="--model=resnet18_small",
)  # fmt: skip
def resnet18(config: "Config", num_classes: int) -> ResNet:
    """Blocks of two convolutions; 224x224 images."""
    return ResNet((64, 128, 256, 512), (2, 2, 2, 2))


@register.model(
    "resnet34", reads=presets.STEMMED, defaults=presets.RESNET224, small=presets.SMALL_RESNET,
    instead="--model=resnet18_small, or --stem=small --image_size=0",
)  # fmt: skip
def resnet34(config: "Config", num_classes: int) -> ResNet:
    """Blocks of two convolutions; 224x224 images."""
    return ResNet((64, 128, 256, 512), (3, 4, 6, 3))


@register.model(
    "resnet50", reads=presets.STEMMED, defaults=presets.RESNET224, small=presets.SMALL_RESNET,
    instead="--model=resnet18_small, or --stem=small --image_size=0",
)  # fmt: skip
def resnet50(config: "Config", num_classes: int) -> ResNet:
    """Blocks with a bottleneck; 224x224 images."""
    return ResNet((64, 128, 256, 512), (3, 4, 6, 3), bottleneck=True)


@register.model(
    "resnet18_small", reads=presets.STEMMED, defaults={**presets.STEM, "stem": "small"},
    small={**presets.SMALL_RESNET, "image_size": 8},
)  # fmt: skip
def resnet18_small(config: "Config", num_classes: int) -> ResNet:
    """A ResNet-18 for small images."""
    return ResNet((64, 128, 256, 512), (2, 2, 2, 2))


@register.model(
    "resnet20",
    reads=presets.RESIDUAL,
    defaults={**presets.RESNET, "stem": "small"},
    small={"width_multiplier": 0.25},
)
def resnet20(config: "Config", num_classes: int) -> ResNet:
    """Of 20 layers for small images, with n = 3; its shortcuts are projections here."""
    return ResNet((16, 32, 64), (3, 3, 3))
