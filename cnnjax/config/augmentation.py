"""Knobs of what is done to training images. Imports no JAX."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from cnnjax.config.errors import ConfigError
from cnnjax.config.knobs import SOME, structure


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What is done to training images."""

    flip: bool = structure(
        False, "Whether half of the training images are mirrored, left to right."
    )
    flip_alternating: bool = structure(
        False,
        "Whether each image is mirrored in every other epoch rather than at random: half of them,"
        " drawn by the seed, in the first, the others in the second, and so on.",
        used_with={"flip": (True,)},
    )
    shift: int = structure(0, "Cells by which a training image may move along each axis.", low=0)
    shift_fill: Literal["zero", "reflect"] = structure(
        "zero",
        "What a shift lets in: black, or the image mirrored at its border.",
        used_with={"shift": SOME},
    )
    rotation: float = structure(
        0.0,
        "Degrees by which a training image may turn, either way.",
        low=0.0,
        high=180.0,
        beside_one=True,
    )
    crop: float = structure(
        0.0,
        "Least share of its area that a training image is cut to and enlarged from; 0 for no"
        " cropping.",
        low=0.0,
        below=1.0,
    )
    randaugment: int = structure(
        0,
        "RandAugment: operations for each training image, each drawn from 14 (moves, turns, levels,"
        " colours); 0 for none.",
        low=0,
        high=14,
    )
    randaugment_magnitude: float = structure(
        9.0,
        "Magnitude of RandAugment's operations, of 10.",
        low=0.0,
        high=10.0,
        used_with={"randaugment": SOME},
    )
    jitter: float = structure(
        0.0,
        "Share by which brightness, contrast and saturation of a training image may change.",
        low=0.0,
        high=1.0,
        beside_one=True,
    )
    noise: float = structure(
        0.0,
        "Standard deviation of noise on training images, in standard deviations of the pixels.",
        low=0.0,
        beside_one=True,
    )
    cutout: int = structure(
        0, "Side of a square that is wiped out of each training image; 0 for none.", low=0
    )
    mixup: float = structure(
        0.0,
        "Alpha of the blend of each training image with another one; 0 for none. With --cutmix"
        " each batch has one of the two.",
        low=0.0,
    )
    cutmix: float = structure(
        0.0,
        "Alpha of the share of each training image that another one covers; 0 for none.",
        low=0.0,
    )
    augment: tuple[str, ...] = structure(
        (),
        "What else is done to training images, by name, before they are mixed; flip_vertical turns"
        " half of them upside down.",
        registered=True,
    )


def check_augmentation(values: Mapping[str, Any]) -> None:
    """Raises ConfigError on values that are right alone and wrong together."""
    for name in ("mixup", "cutmix"):
        if values[name] and values["batch_size"] == 1:
            raise ConfigError(
                f"--{name}={values[name]} mixes images of one batch, and --batch_size=1 has one:"
                " leave it out, or give a larger batch"
            )
