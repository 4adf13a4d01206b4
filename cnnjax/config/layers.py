"""Knobs of the layers that a network is made of. Imports no JAX."""

import dataclasses
from typing import Literal

from cnnjax.config.allowed import Readers, but
from cnnjax.config.knobs import choice, number, structure

SHRINKING = but("none")
WINDOWED = but("stride", "none")


@dataclasses.dataclass(frozen=True)
class Layers:
    """Of what a network is made."""

    conv: Literal["standard", "separable", "unshared"] = structure(
        "standard",
        "Convolution: standard, depthwise then pointwise (separable), or a kernel of its own at"
        " every position (unshared, locally connected).",
        by_model=True,
    )
    conv_form: Literal["auto", "patches", "winograd2", "winograd4", "native"] = structure(
        "auto",
        "Arithmetic of convolutions: the platform's best for each shape, patches times a"
        " matrix, Winograd's in tiles of 2 or 4 (where the kernel is 3x3 and moves by 1), or the"
        " platform's own primitive.",
        by_model=True,
        used_with={"conv": ("standard", "separable")},
    )
    kernel_size: tuple[int, ...] = structure(
        (3,),
        "Size of each kernel: 3 for 3x3, 3x5 for height 3 and width 5.",
        low=1,
        pair=True,
        by_model=True,
    )
    stride: int = structure(1, "Shift of each kernel per step.", low=1, by_model=True)
    dilation: int = structure(1, "Distance of the cells that a kernel sees.", low=1, by_model=True)
    groups: int = structure(
        1,
        "Groups of channels that do not see each other: from the second convolution on, or"
        " AlexNet's second, fourth and fifth.",
        low=1,
        by_model=True,
        used_with={"conv": ("standard",)},
    )
    connectivity: Literal["all", "lenet5", "random", "drawn"] = structure(
        "all",
        "Input channels each kernel sees, where there are 6 or more: all, those of LeNet-5's C3"
        " table, or as many by one fixed random table, or by one that the seed draws; in LeNet-5"
        " that of C3 alone.",
        by_model=True,
        used_with={"conv": ("standard",)},
    )
    first_layer: Literal["learned", "whitened"] = structure(
        "learned",
        "Kernels of the first convolution: learned, or fixed to those that whiten the patches"
        " of the training images, and their negatives.",
        by_model=True,
        used_with={"conv": ("standard",)},
    )
    bias: bool = structure(
        True,
        "Whether convolutions and dense layers add a bias; convolutions of a residual network"
        " never do below a norm, airbench94's first always does.",
        by_model=True,
    )
    padding: Literal["SAME", "VALID", "FULL", "HALF", "CEIL", "explicit", "published"] = structure(
        "SAME",
        "Border of each convolution: SAME keeps size / stride (an odd cell at the end), VALID"
        " adds nothing, FULL lets every window that touches the map count, HALF adds half a"
        " kernel on each side, CEIL what the last window lacks, explicit --pad cells, published"
        " those of the network's paper.",
        by_model=True,
        model_values=("published",),
    )
    pad: tuple[int, ...] = structure(
        (1,),
        "Cells on each side with --padding=explicit: 1, or 0x1 for height 0 and width 1.",
        low=0,
        pair=True,
        by_model=True,
        used_with={"padding": ("explicit",)},
    )
    fill: Literal["zero", "edge", "reflect", "circular", "partial"] = structure(
        "zero",
        "What the border holds; partial is zero with each output rescaled by the share of its"
        " window on the map.",
        by_model=True,
        used_with={"padding": but("VALID")},
    )
    pool: str = choice(
        "max",
        "How maps shrink: maximum, mean, root of squares, learned blend of maximum and mean,"
        " random by activation, maximum then blur, LeNet-5's learned multiple of the sum plus"
        " bias then activation, the middle cell alone (decimate), in all windows of an image the"
        " same cell, by which the map is largest (polyphase), a convolution of that stride instead,"
        " or not at all.",
        by_model=True,
        used_with={"stem": ("imagenet",)},
    )
    pool_size: int = structure(
        2,
        "Window of pooling.",
        low=1,
        by_model=True,
        used_with={"stem": ("imagenet",), "pool": WINDOWED},
    )
    pool_stride: int = structure(
        0,
        "Shift of the window of pooling; 0 for its size, so that windows do not overlap.",
        low=0,
        by_model=True,
        used_with={"stem": ("imagenet",), "pool": SHRINKING},
    )
    pool_padding: Literal["VALID", "SAME", "HALF"] = structure(
        "VALID",
        "Border of pooling: VALID drops cells that fill no window, SAME and HALF as --padding.",
        by_model=True,
        used_with={"stem": ("imagenet",), "pool": WINDOWED},
    )
    count_padding: bool = structure(
        False,
        "Whether the mean of a window counts the zeros beyond the border.",
        by_model=True,
        used_with={
            "stem": ("imagenet",),
            "pool": Readers("pool", "count_padding"),
            "pool_padding": ("SAME", "HALF"),
        },
    )
    pool_every: int = structure(
        0,
        "Pool after every so many convolutions; 0 for after every one, or where that leaves no"
        " map, after every second, third, ...: the least number that does.",
        low=0,
        by_model=True,
        used_with={"pool": SHRINKING},
    )
    norm: str = choice(
        "none",
        "Normalisation before every activation; group has 8 groups, or fewer that divide the"
        " channels. response is AlexNet's, after the activation of convolutions.",
        by_model=True,
        model_values=("response",),
    )
    norm_scale: bool = structure(
        True,
        "Whether a norm multiplies each channel by a learned scale; it always adds a learned bias.",
        used_with={"norm": Readers("norm", "norm_scale")},
    )
    norm_momentum: float = structure(
        0.9,
        "Decay of batch normalisation's running statistics.",
        low=0.0,
        below=1.0,
        beside_one=True,
        used_with={"norm": Readers("norm", "norm_momentum")},
    )
    norm_epsilon: float = structure(
        1e-5,
        "What batch normalisation adds to the variance.",
        above=0.0,
        used_with={"norm": Readers("norm", "norm_epsilon")},
    )
    squeeze_ratio: int = structure(
        0,
        "Squeeze and excitation: each map is multiplied by a share that the means of all decide,"
        " behind the activation of every convolution, or on each residual branch before the sum;"
        " how many times fewer units than channels lie between, 0 for none.",
        low=0,
        by_model=True,
    )
    activation: str = choice(
        "relu",
        "Non-linearity after every convolution and hidden dense layer.",
        by_model=True,
        model_values=("maxout",),
    )
    hidden_activation: Literal["same", "identity", "relu"] = structure(
        "same",
        "Non-linearity after hidden dense layers: that of all layers (same), or one of their own.",
        by_model=True,
        used_with={"activation": but("maxout")},
    )
    init_from: str = structure(
        "",
        "Weights to start from in place of drawn ones: the folder of a run that kept them, or a"
        " file; of a run on other classes all but the last layer. Empty for none.",
        allowed="a folder of a run, or a .safetensors file",
    )
    init: str = choice(
        "he_normal",
        "Initial kernels; He's gain is for layers below an activation, the logits then have"
        " LeCun's. dirac is pytorch, but that a convolution's first outputs copy its inputs;"
        " lenet5 is uniform within 2.4 / fan in, biases too.",
        by_model=True,
        model_values=("dirac",),
        only_with={"dirac": {"conv": ("standard", "separable"), "connectivity": ("all",)}},
    )
    init_gain: float = number(
        1.0,
        "Multiple of the initial kernels of all layers below an activation.",
        above=0.0,
        by_model=True,
    )
    freeze: Literal["none", "convolutions", "body"] = structure(
        "none",
        "What stays as it was initialised, or as --init_from has it: nothing, kernels and biases of"
        " all convolutions, or all parameters but those of the layer of the logits. Running"
        " statistics of norms move all the same.",
        by_model=True,
    )
