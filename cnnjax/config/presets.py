"""What models have in common: the knobs that they read, and defaults of their architecture.

A model's own row is in config/models.py. Imports nothing. What a network reads decides whether a
knob may be given, and its defaults stand in each Config as values: this file changes no number.
"""

from typing import Any

Reads = frozenset[str]

# Each network of ours.
EVERY: Reads = frozenset({"bias", "init", "dropout"})
# With layers below that of the logits.
UNITS = EVERY | {"norm", "activation", "init_gain"}
DENSE: Reads = frozenset({"hidden", "logits", "hidden_activation", "hidden_activation@hidden"})
MAPS = (
    UNITS
    | {"conv", "conv_form", "padding", "pad", "fill", "freeze", "head", "init=dirac",
       "squeeze_ratio"}
)  # fmt: skip
# Act on a network's parameters by their roles, whoever wrote it: each model from outside has them.
BY_ROLE: Reads = frozenset({"init_gain", "freeze"})
POOLING: Reads = frozenset({"pool", "pool_size", "pool_stride", "pool_padding", "count_padding"})
# Convolutions one after the other.
LAYERED = MAPS | POOLING | {"first_layer", "norm=response", "activation=maxout"}
PUBLISHED = LAYERED | DENSE | {"head=flatten", "width_multiplier"}
CNN = (
    LAYERED | DENSE
    | {"head=flatten", "widths", "kernel_size", "stride", "dilation", "groups", "connectivity",
       "pool_every"}
)  # fmt: skip
RESIDUAL = MAPS | DENSE | {"head=flatten", "width_multiplier", "stochastic_depth"}
STEMMED = RESIDUAL | POOLING | {"stem"}
# Nothing but hidden dense layers: without one, nothing reads what is for their units.
MLP = (
    UNITS | DENSE | {"activation=maxout", "residual"}
    | {f"{knob}@hidden" for knob in ("norm", "activation", "residual", "init_gain")}
)  # fmt: skip

Values = dict[str, Any]

VGG: Values = {"image_size": 224, "hidden": (4096, 4096), "dropout": 0.5}
RESNET: Values = {"padding": "HALF", "norm": "batch", "head": "global_avg", "hidden": ()}
STEM: Values = {**RESNET, "pool_size": 3, "pool_stride": 2, "pool_padding": "HALF"}
RESNET224: Values = {**STEM, "image_size": 224}
# Sizes that train in a test.
SMALL_CNN: Values = {"widths": (8, 8), "hidden": (32,)}
SMALL_VGG: Values = {"width_multiplier": 0.07, "image_size": 32, "hidden": (32,)}
SMALL_RESNET: Values = {"width_multiplier": 0.07, "image_size": 16}
