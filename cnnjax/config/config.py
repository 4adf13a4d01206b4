"""What a run is, and which values are allowed. Imports no JAX.

`Config` describes one run completely: a field's name is its flag and its JSON key. A field is
*structure* (it changes the compiled program) or a *number* (it enters the program as a traced
value, so runs that differ only in numbers train together in one program).
"""

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from cnnjax.config import datasets, knobs, measured, presets
from cnnjax.config.datasets import Request
from cnnjax.config.knobs import ConfigError, Knob, format_value, number, structure


def but(*models: str, of: tuple[str, ...] = presets.MODELS) -> dict[str, tuple[str, ...]]:
    """The rule of a knob that all models read but these."""
    return {"model": tuple(model for model in of if model not in models)}


CNN = {"model": presets.CNN_LIKE}
PUBLISHED = {"model": presets.PUBLISHED}
CONVOLUTIONAL = {"model": presets.CONVOLUTIONAL}
RESIDUAL = {"model": presets.RESIDUAL}
HIDDEN = but("logistic")  # all others have layers below that of the logits
DENSE = but("all_cnn_c")  # all others end in dense layers
# A twin is matched to sizes alone, and `mlp_twin` has no convolutions of its own.
CONVOLVING = but("mlp_twin", of=presets.CONVOLUTIONAL)
DECAYING = {"optimizer": ("sgd", "momentum", "nesterov", "adamw", "lion", "lamb", "muon")}
Pool = Literal[
    "max", "avg", "l2", "mixed", "stochastic", "blur", "subsample", "decimate", "stride", "none"
]
WINDOWS = tuple(pool for pool in get_args(Pool) if pool not in ("stride", "none"))
POOLING = {**but("resnet20", of=presets.CONVOLUTIONAL), "stem": ("imagenet",)}
SPLIT = "text such as train[:90%]"
NORMS = ("batch", "layer", "group")
UNREAD = "does nothing"
MLPS = ("mlp", "mnist1d_mlp")  # all that they have below their logits is hidden dense layers
FOR_UNITS = ("norm", "activation", "residual", "init_gain")  # what those layers alone read
SOME = range(1, knobs.LARGEST_INTEGER + 1)  # any number but 0
WINDOWED = {**POOLING, "pool": WINDOWS}
SHRINKING = {**POOLING, "pool": (*WINDOWS, "stride")}


@dataclasses.dataclass(frozen=True)
class Config:
    """One run. Raises ConfigError on a value or a combination that cannot be."""

    # fmt: off
    dataset: str = structure("digits", "Data set to learn: an embedded one; any image classification data set of TFDS, with config and version behind it if wanted (emnist/balanced, cifar10:3.0.2); folder:PATH with a subfolder of images a class; arrays:PATH, a .npz or .mat file or a folder of .npy files; or idx:PATH with files in MNIST's format.", check=datasets.parse, allowed=datasets.ALLOWED)
    train_split: str = structure("", "Examples to train on, in TFDS's syntax, such as train[:90%]; empty for the data set's own.", allowed=SPLIT)
    validation_split: str = structure("", "Examples to validate on; empty for the data set's own, or else the last tenth of train.", allowed=SPLIT)
    test_split: str = structure("", "Examples to test on; empty for the data set's own.", allowed=SPLIT)
    group_by: str = structure("", "Regular expression: images of folder:PATH whose paths below it share what it matches (its groups, if it has any), such as patient\\d+, stay in one split; they are one cluster of the test images. Empty for none.", check=datasets.parse_pattern, allowed="a regular expression such as patient\\d+")
    feed: Literal["auto", "memory", "stream"] = structure("auto", "Where training images are: on the device (memory), or decoded from disk while others train (stream), in an order of its own; auto streams what does not fit.")
    eval_crop: float = structure(1.0, "Share of its shorter side that an image is cut to before it is resized to --image_size for evaluation; 0.875 is usual on ImageNet. Below 1, or where images differ in size, the host resizes.", above=0.0, high=1.0)
    train_examples: int = structure(0, "Training images to use, from the front of the fixed, stratified training split; 0 for all.", low=0)
    draw: Literal["first", "seed", "auto"] = structure("first", "Which training images --train_examples takes: the first of the split; as many of each class from all of it, drawn by the seed; or drawn wherever images are in memory and fewer than all are asked for (auto, the default of studies).")
    permute_pixels: bool = structure(False, "Whether the pixels of all images, training and test, stand in one fixed random order.")
    shuffle_labels: bool = structure(False, "Whether the training labels stand in a random order, drawn by the seed.")
    standardise: Literal["channel", "all", "none"] = structure("channel", "By what pixels are standardised: mean and deviation of each channel of the training images, or of all channels together, or not at all.")
    image_size: int = structure(0, "Side to which images are resized (bilinear), for a network made for that size; 0 for as they are.", low=0)
    model: Literal["cnn", "mlp", "logistic", "mlp_twin", "local_twin", "lenet5", "lenet5_modern", "alexnet", "all_cnn_c", "vgg11", "vgg16", "airbench94", "mnist1d_cnn", "mnist1d_mlp", "resnet18", "resnet34", "resnet50", "resnet18_small", "resnet20"] = structure("cnn", "Network. A published one sets the defaults of the knobs of its architecture (cnnjax/config/presets.py), and how it was trained is a file of flags in experiments/recipes/, for --flagfile; a twin is an MLP, or locally connected, of about the size of the CNN that the other knobs describe.")
    match: Literal["parameters", "macs"] = structure("parameters", "What a twin and its CNN have in common.", used_with={"model": presets.TWINS})
    widths: tuple[int, ...] = structure((16, 32), "Channels of each convolution, first to last.", low=1, used_with=CNN)
    width_multiplier: float = structure(1.0, "Multiple of the channels of a published network.", above=0.0, used_with=PUBLISHED)
    conv: Literal["standard", "separable", "unshared"] = structure("standard", "Convolution: standard, depthwise then pointwise (separable), or a kernel of its own at every position (unshared, locally connected).", used_with=but("local_twin", of=presets.CONVOLUTIONAL))
    conv_form: Literal["auto", "patches", "winograd2", "winograd4", "native"] = structure("auto", "Arithmetic of convolutions: the platform's best for each shape, patches times a matrix, Winograd's in tiles of 2 or 4 (where the kernel is 3x3 and moves by 1), or the platform's own primitive.", used_with={**but(*presets.TWINS, of=presets.CONVOLUTIONAL), "conv": ("standard", "separable")})
    kernel_size: tuple[int, ...] = structure((3,), "Size of each kernel: 3 for 3x3, 3x5 for height 3 and width 5.", low=1, pair=True, used_with=CNN)
    stride: int = structure(1, "Shift of each kernel per step.", low=1, used_with=CNN)
    dilation: int = structure(1, "Distance of the cells that a kernel sees.", low=1, used_with=CNN)
    groups: int = structure(1, "Groups of channels that do not see each other: from the second convolution on, or AlexNet's second, fourth and fifth.", low=1, used_with={"model": (*presets.CNN_LIKE, "alexnet"), "conv": ("standard",)})
    connectivity: Literal["all", "lenet5", "random"] = structure("all", "Input channels each kernel sees, where there are 6 or more: all, those of LeNet-5's C3 table, or as many at random; in LeNet-5 that of C3 alone.", used_with={"model": (*presets.CNN_LIKE, "lenet5", "lenet5_modern"), "conv": ("standard",)})
    first_layer: Literal["learned", "whitened"] = structure("learned", "Kernels of the first convolution: learned, or fixed to those that whiten the patches of the training images, and their negatives.", used_with={**but(*presets.TWINS, of=presets.LAYERED), "conv": ("standard",)})
    bias: bool = structure(True, "Whether convolutions and dense layers add a bias; convolutions of a residual network never do below a norm, airbench94's first always does.")
    padding: Literal["SAME", "VALID", "FULL", "HALF", "CEIL", "explicit", "published"] = structure("SAME", "Border of each convolution: SAME keeps size / stride (an odd cell at the end), VALID adds nothing, FULL lets every window that touches the map count, HALF adds half a kernel on each side, CEIL what the last window lacks, explicit --pad cells, published those of the network's paper.", only_with={"published": {"model": ("alexnet", "all_cnn_c", "airbench94")}}, used_with=CONVOLUTIONAL)
    pad: tuple[int, ...] = structure((1,), "Cells on each side with --padding=explicit: 1, or 0x1 for height 0 and width 1.", low=0, pair=True, used_with={**CONVOLUTIONAL, "padding": ("explicit",)})
    fill: Literal["zero", "edge", "reflect", "circular", "partial"] = structure("zero", "What the border holds; partial is zero with each output rescaled by the share of its window on the map.", used_with={**CONVOLVING, "padding": ("SAME", "FULL", "HALF", "CEIL", "explicit", "published")})
    stem: Literal["imagenet", "small"] = structure("imagenet", "First layer of a residual network: a 7x7 kernel of stride 2 and a pooling, or for small images a 3x3 kernel alone.", used_with={"model": presets.STEMMED})
    pool: Pool = structure("max", "How maps shrink: maximum, mean, root of squares, learned blend of maximum and mean, random by activation, maximum then blur, LeNet-5's learned multiple of the sum plus bias then activation, the middle cell alone (decimate), a convolution of that stride instead, or not at all.", used_with=POOLING)
    pool_size: int = structure(2, "Window of pooling.", low=1, used_with=WINDOWED)
    pool_stride: int = structure(0, "Shift of the window of pooling; 0 for its size, so that windows do not overlap.", low=0, used_with=SHRINKING)
    pool_padding: Literal["VALID", "SAME", "HALF"] = structure("VALID", "Border of pooling: VALID drops cells that fill no window, SAME and HALF as --padding.", used_with=WINDOWED)
    count_padding: bool = structure(False, "Whether the mean of a window counts the zeros beyond the border.", used_with={**POOLING, **but("mlp_twin", "resnet20", of=presets.CONVOLUTIONAL), "pool": ("avg",), "pool_padding": ("SAME", "HALF")})
    pool_every: int = structure(0, "Pool after every so many convolutions; 0 for after every one, or where that leaves no map, after every second, third, ...: the least number that does.", low=0, used_with={**CNN, "pool": (*WINDOWS, "stride")})
    norm: Literal["none", "batch", "layer", "group", "response"] = structure("none", "Normalisation before every activation; group has 8 groups, or fewer that divide the channels. response is AlexNet's, after the activation of convolutions.", only_with={"response": {"model": presets.LAYERED}}, used_with=HIDDEN)
    norm_scale: bool = structure(True, "Whether a norm multiplies each channel by a learned scale; it always adds a learned bias.", used_with={"norm": NORMS})
    norm_momentum: float = structure(0.9, "Decay of batch normalisation's running statistics.", low=0.0, below=1.0, used_with={"norm": ("batch",)})
    norm_epsilon: float = structure(1e-5, "What batch normalisation adds to the variance.", above=0.0, used_with={"norm": ("batch",)})
    activation: Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "scaled_tanh", "sigmoid", "softplus", "hard_swish", "maxout", "identity"] = structure("relu", "Non-linearity after every convolution and hidden dense layer.", only_with={"maxout": but(*presets.RESIDUAL)}, used_with=HIDDEN)
    head: Literal["flatten", "global_avg", "global_max"] = structure("flatten", "What the dense layers see of the last map: all of it, or its mean or maximum by channel.", only_with={"flatten": but("all_cnn_c")}, used_with=CONVOLUTIONAL)
    hidden: tuple[int, ...] = structure((64,), "Units of each dense layer below the logits; empty for none.", low=1, used_with=but("logistic", "all_cnn_c"))
    residual: bool = structure(False, "Whether each hidden dense layer adds its input to its output, where their sizes agree.", used_with={"model": MLPS})
    logits: Literal["linear", "rbf"] = structure("linear", "Last layer: linear, or LeNet-5's minus squared distance of 84 units from a drawing of each digit.", used_with=DENSE)
    logit_scale: float = structure(1.0, "Multiple of the logits.", above=0.0)
    dropout: float = structure(0.0, "Share of the units of each hidden dense layer that is dropped in training (without one, of what the logits see), and after All-CNN-C's poolings.", low=0.0, below=1.0)
    input_dropout: float = structure(0.0, "Share of the cells of each standardised training image that is dropped.", low=0.0, below=1.0)
    stochastic_depth: float = structure(0.0, "Share of training images for which the last residual branch is dropped; earlier ones are dropped in proportion to their depth.", low=0.0, below=1.0, used_with=RESIDUAL)
    init: Literal["he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "lecun_normal", "lecun_uniform", "orthogonal", "pytorch", "dirac", "lenet5"] = structure("he_normal", "Initial kernels; He's gain is for layers below an activation, the logits then have LeCun's. dirac is pytorch, but that a convolution's first outputs copy its inputs; lenet5 is uniform within 2.4 / fan in, biases too.", only_with={"dirac": {**but(*presets.TWINS, of=presets.CONVOLUTIONAL), "conv": ("standard", "separable"), "connectivity": ("all",)}})
    init_gain: float = number(1.0, "Multiple of the initial kernels of all layers below an activation.", above=0.0, used_with=HIDDEN)
    freeze: Literal["none", "convolutions"] = structure("none", "What stays as it was initialised: nothing, or kernels and biases of all convolutions.", used_with=CONVOLVING)
    optimizer: Literal["sgd", "momentum", "nesterov", "adam", "adamw", "lion", "lamb", "muon"] = structure("adam", "Update rule; adamw is adam with weight decay, muon orthogonalises kernels and takes nadam for the rest.")
    learning_rate: float = number(3e-3, "Peak learning rate.", above=0.0)
    momentum: float = number(0.9, "Decay of the momentum average.", low=0.0, below=1.0, used_with={"optimizer": ("momentum", "nesterov")})
    weight_decay: float = number(0.0, "Weight decay of kernels, decoupled: each step takes learning rate x decay x kernel away. Papers that add their decay to the gradient mean, with momentum m, 1 / (1 - m) times as much: their 5e-4 is 5e-3 here with a momentum of 0.9.", low=0.0, used_with=DECAYING)
    schedule: Literal["constant", "cosine", "step", "one_cycle"] = structure("cosine", "Learning rate over the steps: constant, a cosine to zero, a tenth at a half and at three quarters, or up over 30% and down to zero.")
    warmup_steps: int = structure(0, "Steps over which the learning rate rises to its peak, before the schedule.", low=0)
    clip_norm: float = structure(0.0, "Greatest norm of the whole gradient; 0 for any.", low=0.0)
    label_smoothing: float = number(0.0, "Share of each label spread over all classes in training.", low=0.0, below=1.0)
    flip: bool = structure(False, "Whether half of the training images are mirrored, left to right.")
    shift: int = structure(0, "Cells by which a training image may move along each axis.", low=0)
    shift_fill: Literal["zero", "reflect"] = structure("zero", "What a shift lets in: black, or the image mirrored at its border.", used_with={"shift": SOME})
    rotation: float = structure(0.0, "Degrees by which a training image may turn, either way.", low=0.0, high=180.0)
    crop: float = structure(0.0, "Least share of its area that a training image is cut to and enlarged from; 0 for no cropping.", low=0.0, below=1.0)
    jitter: float = structure(0.0, "Share by which brightness, contrast and saturation of a training image may change.", low=0.0, high=1.0)
    noise: float = structure(0.0, "Standard deviation of noise on training images, in standard deviations of the pixels.", low=0.0)
    cutout: int = structure(0, "Side of a square that is wiped out of each training image; 0 for none.", low=0)
    mixup: float = structure(0.0, "Alpha of the blend of each training image with another one; 0 for none.", low=0.0)
    cutmix: float = structure(0.0, "Alpha of the share of each training image that another one covers; 0 for none.", low=0.0)
    ema_decay: float = structure(0.0, "Decay of the average of weights and batch statistics that is evaluated in their place, corrected for its start (Kingma and Ba 2015, section 3); 0 for none.", low=0.0, below=1.0)
    dtype: Literal["float32", "bfloat16"] = structure("float32", "Precision of the network's arithmetic; parameters and loss are float32. A CPU rounds float32 to bfloat16 around every product.")
    precision: Literal["highest", "high", "default"] = structure("highest", "Precision of every product and convolution in JAX's words: highest is that of --dtype; default lets a TPU multiply float32 in bfloat16 and a GPU in TF32, high is between. A CPU always has the highest.")
    lanes_strategy: Literal["auto", "map", "vmap"] = structure("auto", "How runs of one program share a device: one after the other (map), in step (vmap, in chunks that follow from the other knobs), or the platform's faster one. The last bits of a run depend on it, and with vmap on the number of devices.")
    batch_size: int = structure(32, "Images per step.", low=1)
    steps: int = structure(400, "Optimiser steps.", low=1)
    eval_every: int = structure(50, "Steps between evaluations on the validation split; 0 for the end only.", low=0)
    measure: tuple[str, ...] = structure((), f"What is measured on the finished run besides accuracy, loss and calibration; a study adds what its metrics need. {measured.describe_built_in()}", check=measured.check, allowed=measured.describe_names())
    seed: int = number(0, "Draws the initial weights and the order of the batches.", low=0, high=2**32 - 1)
    # fmt: on

    def __post_init__(self):
        for knob in KNOBS.values():
            value = getattr(self, knob.name)
            knobs.check_value(knob, value)
            if knob.type is float:  # 1 and 1.0, or 0.0 and -0.0, are one run
                object.__setattr__(self, knob.name, float(value) + 0.0)
            if knob.item is str:
                object.__setattr__(self, knob.name, tuple(sorted(set(value))))
        values = vars(self)
        for knob in KNOBS.values():
            if values[knob.name] != default_of(knob.name, values):
                check_read(knob, values)
        check_together(self)


KNOBS: dict[str, Knob] = knobs.make_knobs(Config)


def find_knob(name: str) -> Knob:
    """The knob of that name. Raises ConfigError, with the nearest right name."""
    if name in KNOBS:
        return KNOBS[name]
    nearest = difflib.get_close_matches(name, KNOBS, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"the knobs are {', '.join(KNOBS)}"
    raise ConfigError(f"unknown knob {name!r}: {hint}")


def find_obstacle(knob: Knob, values: Mapping[str, Any]) -> tuple[str, str, knobs.Allowed] | None:
    """Why nothing in a run would read a knob: a verb, another knob, the values it would need."""
    value = values[knob.name]
    own = knob.only_with.get(value, {}) if knob.choices else {}
    for verb, rule in ((UNREAD, knob.used_with), ("cannot be", own)):
        for other, allowed in rule.items():
            if values[other] not in allowed:
                return verb, other, allowed
    if knob.name in FOR_UNITS and values["model"] in MLPS and values["hidden"] == ():
        return UNREAD, "hidden", KNOBS["hidden"].default
    return None


def check_read(knob: Knob, values: Mapping[str, Any]) -> None:
    """Raises ConfigError where nothing in a run of these values would read the knob."""
    obstacle = find_obstacle(knob, values)
    if obstacle is not None:
        verb, other, allowed = obstacle
        instead = (
            f"={'|'.join(map(str, allowed))}"
            if isinstance(allowed, tuple)
            else f" of {allowed[0]} or more"
        )
        raise ConfigError(
            f"--{knob.name}={format_value(values[knob.name])} {verb} with"
            f" --{other}={format_value(values[other])}: leave it out, or choose --{other}{instead}"
        )


def default_of(name: str, values: Mapping[str, Any]) -> Any:
    """What a knob is where nobody gave it, beside these values of the others.

    That is its model's, unless another choice leaves nothing to read it: then the general one.
    """
    knob, preset = KNOBS[name], presets.PRESETS.get(values["model"], {})
    if name not in preset:
        return knob.default
    obstacle = find_obstacle(knob, {**values, name: preset[name]})
    # A model may fix what cannot be set: a ResNet-20 has the stem for small images.
    return preset[name] if obstacle is None or obstacle[1] == "model" else knob.default


def check_together(config: Config) -> None:
    """Raises ConfigError on values that are right alone and wrong together."""
    if config.mixup and config.cutmix:
        raise ConfigError(f"--mixup={config.mixup} excludes --cutmix={config.cutmix}: give one")
    for name in ("mixup", "cutmix"):
        if getattr(config, name) and config.batch_size == 1:
            raise ConfigError(
                f"--{name}={getattr(config, name)} mixes images of one batch, and --batch_size=1"
                " has one: leave it out, or give a larger batch"
            )
    if config.shift_fill != "zero" and not config.shift:
        raise ConfigError(
            f"--shift_fill={config.shift_fill} does nothing with --shift=0: leave it out, or give a"
            " shift"
        )
    if config.warmup_steps >= config.steps:
        raise ConfigError(
            f"--warmup_steps={config.warmup_steps} leaves nothing of --steps={config.steps}:"
            " give less"
        )
    if config.steps * config.batch_size > knobs.LARGEST_INTEGER:
        raise ConfigError(
            f"--steps={config.steps} of --batch_size={config.batch_size} see more images than 32"
            f" bits count: give at most {knobs.LARGEST_INTEGER // config.batch_size} steps"
        )


def to_json(config: Config) -> dict[str, Any]:
    """The config as plain JSON values, one key a field."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(config).items()
    }


def from_json(values: Mapping[str, Any]) -> Config:
    """The config of `to_json`. Raises ConfigError on an unknown key or a bad value."""
    fields: dict[str, Any] = {
        find_knob(name).name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
    }
    return Config(**fill_in(fields))


def structure_of(config: Config) -> Config:
    """The config with every traced number at its default: equal for runs that share a program."""
    values = vars(config)
    traced = {name: default_of(name, values) for name, knob in KNOBS.items() if knob.traced}
    return dataclasses.replace(config, **traced)


def numbers_of(config: Config) -> dict[str, float | int]:
    """The traced numbers of a run, by name."""
    return {name: getattr(config, name) for name, knob in KNOBS.items() if knob.traced}


def fill_in(given: Mapping[str, Any]) -> dict[str, Any]:
    """A value for every knob: what is given, and else its default beside the others."""
    values = {name: knob.default for name, knob in KNOBS.items()}
    values |= {**presets.PRESETS.get(given.get("model", values["model"]), {}), **given}
    for name in KNOBS:  # a rule names knobs that stand above its own, so that these are settled
        if name not in given:
            values[name] = default_of(name, values)
    return values


def make_config(given: Mapping[str, Any]) -> Config:
    """The config with these values, and for all other knobs the defaults of its model.

    Raises ConfigError where one cannot be, or is given and would not be read, whatever its value.
    """
    for name in given:
        find_knob(name)
    config = Config(**fill_in(given))
    for name in given:
        check_read(KNOBS[name], vars(config))
    return config


def make_base(given: Mapping[str, Any], arms: Sequence[Mapping[str, Any]]) -> Config:
    """The config on which arms are made by `override`.

    What all arms set themselves is free: it is as in the first arm that reads all that is given.
    Raises ConfigError where something is given that no arm reads.
    """
    shared = set(arms[0]).intersection(*arms) if arms else set()
    refusals = []
    for arm in ({}, *arms):
        try:
            return make_config({**{name: arm[name] for name in arm if name in shared}, **given})
        except ConfigError as error:
            refusals.append(error)
    raise refusals[0]


def settings_of(config: Config) -> dict[str, Any]:
    """What a config has other than by default: `make_config` of it is the config again."""
    values = vars(config)
    own = {name: value for name, value in values.items() if value != default_of(name, values)}
    return own if config.model == KNOBS["model"].default else {"model": config.model, **own}


def override(base: Config, overrides: Mapping[str, Any]) -> Config:
    """The config of an arm: `base` with `overrides`.

    Another model brings its own defaults for the knobs that `base` has at those of its model. A
    knob of `base` that the arm no longer reads (pool_size where the arm has no pooling) goes back
    to its default, so that arms can be compared on a base that suits most of them. Raises
    ConfigError where the arm cannot be, or would not read its own overrides, whatever their value.
    """
    kept = settings_of(base)
    values = fill_in({**kept, **overrides})
    for name, knob in KNOBS.items():
        obstacle = find_obstacle(knob, values)
        unread = obstacle is not None and obstacle[0] == UNREAD
        if name not in overrides and (unread or name not in kept):
            values[name] = default_of(name, values)
    config = Config(**values)
    for name in overrides:
        check_read(find_knob(name), values)
    return config


def request_of(config: Config) -> Request:
    """What of a run decides which examples are loaded."""
    return Request(*(getattr(config, name) for name in Request._fields))
