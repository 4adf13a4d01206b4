"""What a run is, and which values are allowed. Imports no JAX.

`Config` describes one run completely: a field's name is its flag and its JSON key. A field is
*structure* (it changes the compiled program) or a *number* (it enters the program as a traced
value, so runs that differ only in numbers train together in one program).
"""

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple


class ConfigError(ValueError):
    """A run that cannot be. Its message is one line for the person who asked for it."""


class RunError(RuntimeError):
    """A failure outside our code and the command line. Its message is one line, and enough."""


def structure(default: Any, help: str, **rules: Any) -> Any:
    """A field that changes the compiled program. `rules` are `Knob` attributes."""
    return dataclasses.field(default=default, metadata={"help": help, "traced": False, **rules})


def number(default: Any, help: str, **rules: Any) -> Any:
    """A field that enters the program as a traced value. `rules` are `Knob` attributes."""
    return dataclasses.field(default=default, metadata={"help": help, "traced": True, **rules})


CNN = {"model": ("cnn",)}
STANDARD = {"model": ("cnn",), "conv": ("standard",)}
DECAYING = {"optimizer": ("sgd", "momentum", "nesterov", "adamw", "lion", "lamb", "muon")}
WINDOWS = ("max", "avg", "l2", "mixed", "stochastic", "blur")
WINDOWED = {"model": ("cnn",), "pool": WINDOWS}
POOLED = {"model": ("cnn",), "pool": (*WINDOWS, "stride")}


@dataclasses.dataclass(frozen=True)
class Config:
    """One run. Raises ConfigError on a value or a combination that cannot be."""

    # fmt: off
    dataset: Literal["digits"] = structure("digits", "Data set to learn.")
    train_examples: int = structure(0, "Training images to use, from the front of the fixed, stratified training split; 0 for all.", low=0)
    model: Literal["cnn", "mlp"] = structure("cnn", "Network.")
    widths: tuple[int, ...] = structure((16, 32), "Channels of each convolution, first to last.", low=1, used_with=CNN)
    conv: Literal["standard", "separable", "unshared"] = structure("standard", "Convolution: standard, depthwise then pointwise (separable), or a kernel of its own at every position (unshared, locally connected).", used_with=CNN)
    kernel_size: tuple[int, ...] = structure((3,), "Size of each kernel: 3 for 3x3, 3x5 for height 3 and width 5.", low=1, pair=True, used_with=CNN)
    stride: int = structure(1, "Shift of each kernel per step.", low=1, used_with=CNN)
    dilation: int = structure(1, "Distance of the cells that a kernel sees.", low=1, used_with=CNN)
    groups: int = structure(1, "Groups of channels that do not see each other, from the second convolution on.", low=1, used_with=STANDARD)
    connectivity: Literal["all", "lenet5", "random"] = structure("all", "Input channels each kernel sees, where there are 6 or more: all, those of LeNet-5's C3 table, or as many at random.", used_with=STANDARD)
    bias: bool = structure(True, "Whether convolutions and dense layers add a bias.")
    padding: Literal["SAME", "VALID", "FULL", "explicit"] = structure("SAME", "Border of each convolution: SAME keeps size / stride (an odd cell at the end), VALID adds nothing, FULL lets every window that touches the map count, explicit adds --pad.", used_with=CNN)
    pad: tuple[int, ...] = structure((1,), "Cells on each side with --padding=explicit: 1, or 0x1 for height 0 and width 1.", low=0, pair=True, used_with={"model": ("cnn",), "padding": ("explicit",)})
    fill: Literal["zero", "edge", "reflect", "circular", "partial"] = structure("zero", "What the border holds; partial is zero with each output rescaled by the share of its window on the map.", used_with={"model": ("cnn",), "padding": ("SAME", "FULL", "explicit")})
    pool: Literal["max", "avg", "l2", "mixed", "stochastic", "blur", "stride", "none"] = structure("max", "How maps shrink: maximum, mean, root of squares, learned blend of maximum and mean, random by activation, maximum then blur, a convolution of that stride instead, or not at all.", used_with=CNN)
    pool_size: int = structure(2, "Window of pooling.", low=1, used_with=WINDOWED)
    pool_stride: int = structure(0, "Shift of the window of pooling; 0 for its size, so that windows do not overlap.", low=0, used_with=POOLED)
    pool_padding: Literal["VALID", "SAME"] = structure("VALID", "Border of pooling: VALID drops cells that fill no window.", used_with=WINDOWED)
    count_padding: bool = structure(False, "Whether the mean of a window counts the zeros beyond the border.", used_with={"model": ("cnn",), "pool": ("avg",), "pool_padding": ("SAME",)})
    pool_every: int = structure(2, "Pool after every so many convolutions.", low=1, used_with=POOLED)
    norm: Literal["none", "batch", "layer", "group"] = structure("none", "Normalisation before every activation; group has 8 groups, or fewer that divide the channels.")
    activation: Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "scaled_tanh", "sigmoid", "softplus", "hard_swish", "maxout", "identity"] = structure("relu", "Non-linearity after every convolution and hidden dense layer.")
    head: Literal["flatten", "global_avg", "global_max"] = structure("flatten", "What the dense layers see of the last map: all of it, or its mean or maximum by channel.", used_with=CNN)
    hidden: tuple[int, ...] = structure((64,), "Units of each dense layer below the logits; empty for none.", low=1)
    dropout: float = structure(0.0, "Share of the units dropped before every dense layer in training.", low=0.0, below=1.0)
    init: Literal["he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "lecun_normal", "lecun_uniform", "orthogonal", "pytorch"] = structure("he_normal", "Initial kernels; He's gain is for layers below an activation, the logits then have LeCun's.")
    optimizer: Literal["sgd", "momentum", "nesterov", "adam", "adamw", "lion", "lamb", "muon"] = structure("adam", "Update rule; adamw is adam with weight decay, muon orthogonalises kernels and takes nadam for the rest.")
    learning_rate: float = number(3e-3, "Peak learning rate.", above=0.0)
    momentum: float = number(0.9, "Decay of the momentum average.", low=0.0, below=1.0, used_with={"optimizer": ("momentum", "nesterov")})
    weight_decay: float = number(0.0, "Decoupled weight decay of kernels, multiplied by the learning rate.", low=0.0, used_with=DECAYING)
    schedule: Literal["constant", "cosine", "step", "one_cycle"] = structure("cosine", "Learning rate over the steps: constant, a cosine to zero, a tenth at a half and at three quarters, or up over 30% and down to zero.")
    warmup_steps: int = structure(0, "Steps over which the learning rate rises to its peak, before the schedule.", low=0)
    clip_norm: float = structure(0.0, "Greatest norm of the whole gradient; 0 for any.", low=0.0)
    label_smoothing: float = number(0.0, "Share of each label spread over all classes in training.", low=0.0, below=1.0)
    ema_decay: float = structure(0.0, "Decay of the average of the weights that is evaluated in their place; 0 for none.", low=0.0, below=1.0)
    dtype: Literal["float32", "bfloat16"] = structure("float32", "Precision of the network's arithmetic; parameters and loss are float32. On a CPU, bfloat16 is the slower.")
    batch_size: int = structure(32, "Images per step.", low=1)
    steps: int = structure(400, "Optimiser steps.", low=1)
    eval_every: int = structure(50, "Steps between evaluations on the validation split; 0 for the end only.", low=0)
    seed: int = number(0, "Draws the initial weights and the order of the batches.", low=0, high=2**32 - 1)
    # fmt: on

    def __post_init__(self):
        for knob in KNOBS.values():
            check_value(knob, getattr(self, knob.name))
        for knob in KNOBS.values():
            check_used(self, knob)
        if self.warmup_steps >= self.steps:
            raise ConfigError(
                f"--warmup_steps={self.warmup_steps} leaves nothing of --steps={self.steps}: give less"
            )


class Knob(NamedTuple):
    """One field of Config as data, for flags, listings and checks."""

    name: str
    type: Any  # bool, int, float, str or tuple (of int)
    default: Any
    help: str
    traced: bool
    choices: tuple[str, ...] = ()
    low: float | None = None  # least allowed value
    high: float | None = None  # greatest allowed value
    above: float | None = None  # every value must be greater
    below: float | None = None  # every value must be smaller
    pair: bool = False  # a tuple of one or two: height and width
    used_with: Mapping[str, tuple[str, ...]] = types.MappingProxyType({})


def _knobs() -> dict[str, Knob]:
    hints = typing.get_type_hints(Config)
    knobs = {}
    for field in dataclasses.fields(Config):
        hint, choices = hints[field.name], ()
        if typing.get_origin(hint) is Literal:
            hint, choices = str, typing.get_args(hint)
        if typing.get_origin(hint) is tuple:
            hint = tuple
        knobs[field.name] = Knob(field.name, hint, field.default, choices=choices, **field.metadata)
    return knobs


KNOBS: dict[str, Knob] = _knobs()


def find_knob(name: str) -> Knob:
    """The knob of that name. Raises ConfigError, with the nearest right name."""
    if name in KNOBS:
        return KNOBS[name]
    nearest = difflib.get_close_matches(name, KNOBS, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"the knobs are {', '.join(KNOBS)}"
    raise ConfigError(f"unknown knob {name!r}: {hint}")


def describe_allowed(knob: Knob) -> str:
    """The values a knob takes, in words, such as 'an integer >= 1' or 'max|avg'."""
    if knob.choices:
        return "|".join(knob.choices)
    if knob.type is bool:
        return "true|false"
    words = {int: "an integer", float: "a number", tuple: "integers such as 16,32"}[knob.type]
    if knob.pair:
        words = "one integer, or two that differ such as 3x5"
    bounds = ((">=", knob.low), ("<=", knob.high), (">", knob.above), ("<", knob.below))
    limits = " and ".join(f"{sign} {bound}" for sign, bound in bounds if bound is not None)
    return f"{words}, each {limits}" if knob.type is tuple else f"{words} {limits}".strip()


def check_value(knob: Knob, value: Any) -> None:
    """Raises ConfigError unless the knob allows this value."""
    items, item_type = (value,), knob.type
    if knob.type is tuple and isinstance(value, tuple):
        items, item_type = value, int
    odd = knob.pair and not (len(items) == 1 or (len(items) == 2 and items[0] != items[1]))
    for item in (None,) if odd else items:
        typed = isinstance(item, (int, float) if item_type is float else item_type)
        typed = typed and isinstance(item, bool) == (item_type is bool)
        if not typed or not _allows(knob, item):
            raise ConfigError(
                f"--{knob.name}={format_value(value)} is not allowed: give {describe_allowed(knob)}"
            )


def _allows(knob: Knob, item: Any) -> bool:
    if knob.choices:
        return item in knob.choices
    return (
        item == item  # NaN is below and above nothing
        and abs(item) != float("inf")
        and (knob.low is None or item >= knob.low)
        and (knob.high is None or item <= knob.high)
        and (knob.above is None or item > knob.above)
        and (knob.below is None or item < knob.below)
    )


def check_used(config: Config, knob: Knob) -> None:
    """Raises ConfigError where a knob is set that nothing in this run would read."""
    if getattr(config, knob.name) == knob.default:
        return  # as it stands when nobody gave it
    for other, values in knob.used_with.items():
        given = getattr(config, other)
        if given not in values:
            raise ConfigError(
                f"--{knob.name}={format_value(getattr(config, knob.name))} does nothing with"
                f" --{other}={given}: leave it out, or choose --{other}={'|'.join(values)}"
            )


def format_value(value: Any) -> str:
    """A value as a flag shows it: a tuple as 16,32, a boolean as true."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def parse_value(knob: Knob, text: str) -> Any:
    """The knob's value from text; a tuple is written 16,32 or 16x32. Raises ConfigError."""
    try:
        if knob.type is tuple:
            value = tuple(int(part) for part in text.replace("x", ",").split(",") if part.strip())
            if knob.pair and len(value) == 2 and value[0] == value[1]:
                value = value[:1]
        elif knob.type is bool:
            value = {"true": True, "false": False}[text.lower()]
        else:
            value = knob.type(text)
    except (ValueError, KeyError):
        value = text
    check_value(knob, value)
    return value


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
    return Config(**fields)


def structure_of(config: Config) -> Config:
    """The config with every traced number at its default: equal for runs that share a program."""
    traced = {name: knob.default for name, knob in KNOBS.items() if knob.traced}
    # The optimiser's number may be unused in this structure, but a default never is refused.
    return dataclasses.replace(config, **traced)


def numbers_of(config: Config) -> dict[str, float | int]:
    """The traced numbers of a run, by name."""
    return {name: getattr(config, name) for name, knob in KNOBS.items() if knob.traced}


def override(base: Config, overrides: Mapping[str, Any]) -> Config:
    """The config of an arm: `base` with `overrides`.

    A knob of `base` that the arm no longer reads (pool_size where the arm has no pooling) goes
    back to its default, so that arms can be compared on a base that suits most of them. Raises
    ConfigError where the arm cannot be, or would not read its own overrides.
    """
    values = {name: getattr(base, name) for name in KNOBS} | dict(overrides)
    for knob in KNOBS.values():
        read = all(values[other] in allowed for other, allowed in knob.used_with.items())
        if knob.name not in overrides and not read:
            values[knob.name] = knob.default
    return Config(**values)


def expand_grid(base: Config, grid: Mapping[str, tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Every combination of the grid's values as overrides of `base`, the last knob fastest.

    Raises ConfigError where a combination cannot be.
    """
    arms: list[dict[str, Any]] = [{}]
    for name, values in grid.items():
        knob = find_knob(name)
        arms = [{**arm, knob.name: value} for arm in arms for value in values]
    for arm in arms:
        override(base, arm)
    return arms
