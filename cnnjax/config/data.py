"""Knobs of the examples. Imports no JAX."""

import dataclasses
from typing import Literal

from cnnjax.config import datasets
from cnnjax.config.knobs import structure

SPLIT = "text such as train[:90%]"


@dataclasses.dataclass(frozen=True)
class Data:
    """Which examples a run has, and how they are read."""

    dataset: str = structure(
        "digits",
        "Data set to learn: an embedded one, gratings and shapes also turned and noisier, as"
        " shapes/rotation=30+noise=60 (degrees at most either way, a deviation in grey levels); any"
        " image classification data set of TFDS, with config and version behind it if wanted"
        " (emnist/balanced, cifar10:3.0.2); folder:PATH with a subfolder of images a class;"
        " arrays:PATH, a .npz or .mat file or a folder of .npy files; or idx:PATH with files in"
        " MNIST's format.",
        check=datasets.parse,
        allowed=datasets.describe_allowed,
    )
    train_split: str = structure(
        "",
        "Examples to train on, in TFDS's syntax, such as train[:90%]; empty for the data set's"
        " own.",
        allowed=SPLIT,
    )
    validation_split: str = structure(
        "",
        "Examples to validate on; empty for the data set's own, or else the last tenth of train.",
        allowed=SPLIT,
    )
    test_split: str = structure(
        "", "Examples to test on; empty for the data set's own.", allowed=SPLIT
    )
    group_by: str = structure(
        "",
        "Regular expression: images of folder:PATH whose paths below it share what it matches"
        " (its groups, if it has any), such as patient\\d+, stay in one split; they are one"
        " cluster of the test images. Empty for none.",
        check=datasets.parse_pattern,
        allowed="a regular expression such as patient\\d+",
    )
    feed: Literal["auto", "memory", "stream"] = structure(
        "auto",
        "Where training images are: on the device (memory), or decoded from disk while others"
        " train (stream), in an order of its own; auto streams what does not fit.",
    )
    eval_crop: float = structure(
        1.0,
        "Share of its shorter side that an image is cut to before it is resized to --image_size"
        " for evaluation; 0.875 is usual on ImageNet. Below 1, or where images differ in size,"
        " the host resizes.",
        above=0.0,
        high=1.0,
    )
    train_examples: int = structure(
        0,
        "Training images to use, from the front of the fixed, stratified training split; 0 for"
        " all.",
        low=0,
    )
    draw: Literal["first", "seed", "auto"] = structure(
        "first",
        "Which training images --train_examples takes: the first of the split; as many of each"
        " class from all of it, drawn by the seed; or drawn wherever images are in memory and"
        " fewer than all are asked for (auto, the default of studies).",
    )
    permute_pixels: bool = structure(
        False,
        "Whether the pixels of all images, training and test, stand in one fixed random order.",
    )
    roll_pixels: int = structure(
        0,
        "Cells by which each image, training and test, is moved at most, down or up and to either"
        " side, what leaves it coming in again on the other side; drawn once for each image.",
        low=0,
    )
    shuffle_labels: bool = structure(
        False, "Whether the training labels stand in a random order, drawn by the seed."
    )
    standardise: Literal["channel", "all", "none"] = structure(
        "channel",
        "By what pixels are standardised: mean and deviation of each channel of the training"
        " images, or of all channels together, or not at all.",
    )
    image_size: int = structure(
        0,
        "Side to which images are resized (bilinear), for a network made for that size; 0 for"
        " as they are.",
        low=0,
    )


def input_shape(config: Data, image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Height, width and channels of what the network sees of images of that shape."""
    side = config.image_size
    return (side, side, image_shape[2]) if side else image_shape
