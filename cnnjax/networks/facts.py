"""What a layer says of itself, what it costs, and what parameters are for."""

from typing import NamedTuple


class Facts(NamedTuple):
    """What one layer computes for one image; a multiply-accumulate (MAC) is one multiplication."""

    macs: int
    connections: int  # inputs and biases of all output cells, as LeCun et al. 1998 count them
    window: tuple[int, int] | None = None  # of a convolution or a pooling: cells along each axis
    stride: int = 1
    before: tuple[int, int] = (0, 0)  # cells of border before the map
    absent: int = 0  # entries of its kernel that are held at zero: no parameters
    convolution: bool = False
    activated: bool = True  # whether an activation is meant to follow


class Layer(NamedTuple):
    """One layer. Sizes are per image; a multiply-accumulate (MAC) is one multiplication."""

    name: str
    output_shape: tuple[int, ...]
    parameters: int
    macs: int
    connections: int  # inputs and biases of all output cells, as LeCun et al. 1998 count them
    activation_bytes: int  # of the output, in the precision in which it is kept
    receptive_field: int | None  # cells of the input, along one axis, that one output cell sees;
    # None for the whole image, whatever its size: something global lies below


class Roles(NamedTuple):
    """What the parameters of a network are for, by path, such as block_1/conv_1/kernel."""

    kernels: frozenset[str]  # what multiplies units: decays, and is orthogonalised by muon
    scaled: frozenset[str]  # those of layers below an activation, which `init_gain` multiplies
    convolutions: frozenset[str]  # kernels and biases that `freeze=convolutions` leaves as they are
    logits: str | None  # kernel [features, classes] of the layer that gives the logits, if any does
    first: str  # path of the first layer
    norm_biases: frozenset[str] = frozenset()  # what norms add, for which `norm_bias_rate` is
