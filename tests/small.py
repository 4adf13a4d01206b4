"""Every model in a size that trains in a test."""

from typing import Any

from cnnjax.config.config import KNOBS, Config, make_config

_NARROW = {"width_multiplier": 0.07}
_RESNET = {**_NARROW, "image_size": 16}
SMALL: dict[str, dict[str, Any]] = {
    "cnn": {"widths": (8, 8), "hidden": (32,)},
    "mlp": {"hidden": (32,)},
    "mnist1d_cnn": {"width_multiplier": 0.5},
    "mnist1d_mlp": {"hidden": (32, 32)},
    "mlp_twin": {"widths": (8, 8), "hidden": (32,)},
    "local_twin": {"widths": (8, 8), "hidden": (32,)},
    "logistic": {},
    "lenet5": {},
    "lenet5_modern": {},
    "alexnet": {**_NARROW, "image_size": 67, "hidden": (32,)},
    "all_cnn_c": {"width_multiplier": 0.1, "image_size": 12, "activation": "elu"},  # ReLU dies
    "vgg11": {**_NARROW, "image_size": 32, "hidden": (32,)},
    "vgg16": {**_NARROW, "image_size": 32, "hidden": (32,)},
    # A ninth of the logits asks for a rate of its own.
    "airbench94": {"width_multiplier": 0.15, "image_size": 16, "logit_scale": 1.0},
    "resnet18": _RESNET,
    "resnet34": _RESNET,
    "resnet50": _RESNET,
    "resnet18_small": {**_RESNET, "image_size": 8},
    "resnet20": {"width_multiplier": 0.25},
}
assert set(SMALL) == set(KNOBS["model"].choices)


def make_small(model: str, **given: Any) -> Config:
    return make_config({"model": model, **SMALL[model], **given})
