"""Knobs of the network as a whole. Imports no JAX."""

import dataclasses
from typing import Literal

from cnnjax.config.knobs import choice, structure


@dataclasses.dataclass(frozen=True)
class Network:
    """Which network, and how large."""

    model: str = choice(
        "cnn",
        "Network. A published one sets the defaults of the knobs of its architecture"
        " (cnnjax/config/models.py), and how it was trained is a file of flags in"
        " experiments/recipes/, for --flagfile; a twin is an MLP, or locally connected, of about"
        " the size of the CNN that the other knobs describe.",
    )
    match: Literal["parameters", "macs"] = structure(
        "parameters", "What a twin and its CNN have in common.", by_model=True
    )
    widths: tuple[int, ...] = structure(
        (16, 32), "Channels of each convolution, first to last.", low=1, some=True, by_model=True
    )
    width_multiplier: float = structure(
        1.0, "Multiple of the channels of a published network.", above=0.0, by_model=True
    )
    stem: Literal["imagenet", "small"] = structure(
        "imagenet",
        "First layer of a residual network: a 7x7 kernel of stride 2 and a pooling, or for"
        " small images a 3x3 kernel alone.",
        by_model=True,
    )
    head: Literal["flatten", "global_avg", "global_max", "global_gem"] = structure(
        "flatten",
        "What the dense layers see of the last map: all of it, or by channel its mean, its maximum,"
        " or its generalised mean, of which the exponent is learned from 3 on.",
        by_model=True,
        model_values=("flatten",),
    )
    hidden: tuple[int, ...] = structure(
        (64,), "Units of each dense layer below the logits; empty for none.", low=1, by_model=True
    )
    residual: bool = structure(
        False,
        "Whether each hidden dense layer adds its input to its output, where their sizes agree.",
        by_model=True,
    )
    logits: Literal["linear", "rbf"] = structure(
        "linear",
        "Last layer: linear, or LeNet-5's minus squared distance of 84 units from a drawing of"
        " each digit.",
        by_model=True,
    )
    logit_scale: float = structure(1.0, "Multiple of the logits.", above=0.0)
    dropout: float = structure(
        0.0,
        "Share of the units of each hidden dense layer that is dropped in training (without"
        " one, of what the logits see), and after All-CNN-C's poolings.",
        low=0.0,
        below=1.0,
        beside_one=True,
        by_model=True,
    )
    input_dropout: float = structure(
        0.0,
        "Share of the cells of each standardised training image that is dropped.",
        low=0.0,
        below=1.0,
        beside_one=True,
    )
    stochastic_depth: float = structure(
        0.0,
        "Share of training images for which the last residual branch is dropped; earlier ones"
        " are dropped in proportion to their depth.",
        low=0.0,
        below=1.0,
        beside_one=True,
        by_model=True,
    )
