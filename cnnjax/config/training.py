"""Knobs of training. Imports no JAX."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from cnnjax.config import measured
from cnnjax.config.allowed import Readers, but
from cnnjax.config.errors import ConfigError
from cnnjax.config.knobs import LARGEST_INTEGER, SOME, choice, number, structure

LARGEST_SEED = 2**32 - 1
SEEDS = ("seed_init", "seed_order", "seed_draw")  # each as the seed where it is below 0
MOST_EVALUATIONS = 1_000_000  # beyond any use: a line of metrics.jsonl each


@dataclasses.dataclass(frozen=True)
class Training:
    """How a network learns, and for how long."""

    optimizer: str = choice(
        "adam",
        "Update rule; adamw is adam with weight decay, muon orthogonalises kernels and takes"
        " nadam for the rest.",
    )
    learning_rate: float = number(3e-3, "Peak learning rate.", above=0.0)
    momentum: float = number(
        0.9,
        "Decay of the momentum average.",
        low=0.0,
        below=1.0,
        beside_one=True,
        used_with={"optimizer": Readers("optimizer", "momentum")},
    )
    weight_decay: float = number(
        0.0,
        "Weight decay of kernels, decoupled: each step takes learning rate x decay x kernel"
        " away. Papers that add their decay to the gradient mean, with momentum m, 1 / (1 - m)"
        " times as much: their 5e-4 is 5e-3 here with a momentum of 0.9.",
        low=0.0,
        used_with={"optimizer": but("adam")},
    )
    schedule: str = choice(
        "cosine",
        "Learning rate over the steps: constant, a cosine to zero, a tenth at a half and at"
        " three quarters, up over 30% and down to zero, or a triangle of lines from 0.2 up over 23%"
        " and down to 0.07.",
    )
    warmup_steps: int = structure(
        0, "Steps over which the learning rate rises to its peak, before the schedule.", low=0
    )
    norm_bias_rate: float = structure(
        1.0,
        "Multiple of the learning rate with which the biases of norms learn.",
        above=0.0,
        used_with={"norm": Readers("norm", "norm_bias_rate")},
    )
    whitening_bias_steps: int = structure(
        0,
        "Steps after which the bias of a whitened first layer stays as it is; 0 for never.",
        low=0,
        used_with={"first_layer": ("whitened",)},
    )
    clip_norm: float = structure(0.0, "Greatest norm of the whole gradient; 0 for any.", low=0.0)
    label_smoothing: float = number(
        0.0,
        "Share of each label spread over all classes in training.",
        low=0.0,
        below=1.0,
        beside_one=True,
    )
    ema_decay: float = structure(
        0.0,
        "Decay of the average of weights and batch statistics that is evaluated in their place,"
        " corrected for its start (Kingma and Ba 2015, section 3); 0 for none.",
        low=0.0,
        below=1.0,
        beside_one=True,
    )
    lookahead: int = structure(
        0,
        "Steps k after which weights and batch statistics go to a slow average of theirs, which has"
        " moved toward them by 1 - 0.95^k x (step / steps)^3; the last step ends at it (Jordan"
        " 2024). 0 for none.",
        low=0,
    )
    batch_size: int = structure(32, "Images per step.", low=1)
    steps: int = structure(400, "Optimiser steps.", low=1)
    stop_at: int = number(
        0, "Steps after which a run ends, on the schedule of --steps; 0 for after all of them.",
        low=0,
    )  # fmt: skip
    eval_every: int = structure(
        50, "Steps between evaluations on the validation split; 0 for the end only.", low=0
    )
    patience: int = structure(
        0,
        "Evaluations without a higher validation accuracy after which a run ends, with the weights"
        " of its best one; 0 for none.",
        low=0,
        used_with={"eval_every": SOME},
    )
    views: Literal["one", "mirror", "mirror_shift"] = structure(
        "one",
        "Of which views of an image the logits are averaged where it is judged: of itself, of its"
        " mirror image too, or of both also moved by a cell either way, six in all.",
    )
    measure: tuple[str, ...] = structure(
        (),
        "What is measured on the finished run besides accuracy, loss and calibration; a study adds"
        " what its metrics need.",
        check=measured.check,
        allowed=measured.describe_names,
    )
    seed: int = number(
        0,
        "Draws all that is drawn in a run, but for what one of the next three names otherwise.",
        low=0,
        high=LARGEST_SEED,
    )
    seed_init: int = number(
        -1, "Draws the initial weights; -1 for as --seed.", low=-1, high=LARGEST_SEED
    )
    seed_order: int = number(
        -1,
        "Draws the order of the batches and all else that is drawn at a step: augmentation,"
        " dropout, stochastic pooling; -1 for as --seed.",
        low=-1,
        high=LARGEST_SEED,
    )
    seed_draw: int = number(
        -1,
        "Draws the training images, where a draw takes them, and the labels of --shuffle_labels;"
        " -1 for as --seed.",
        low=-1,
        high=LARGEST_SEED,
        used_with={"draw": ("seed", "auto")},
    )

    @property
    def last_step(self) -> int:
        """After how many steps a run ends, unless its patience runs out before."""
        return find_last_step(vars(self))


def find_last_step(values: Mapping[str, Any]) -> int:
    """`Training.last_step` of a config as JSON, which may be older than --stop_at."""
    return values.get("stop_at") or values["steps"]


def check_training(values: Mapping[str, Any]) -> None:
    """Raises ConfigError on values that are right alone and wrong together."""
    steps, batch_size, warmup = values["steps"], values["batch_size"], values["warmup_steps"]
    if warmup >= steps:
        raise ConfigError(f"--warmup_steps={warmup} leaves nothing of --steps={steps}: give less")
    if values["stop_at"] >= steps:
        raise ConfigError(
            f"--stop_at={values['stop_at']} is not below --steps={steps}: give less, or 0 for all"
            " of them"
        )
    if values["init_from"] and values["init_gain"] != 1:
        raise ConfigError(
            f"--init_gain={values['init_gain']} does nothing with --init_from: leave it out"
        )
    every = values["eval_every"]
    if every and steps // every > MOST_EVALUATIONS:
        raise ConfigError(
            f"--eval_every={every} of --steps={steps} asks for {steps // every:,} evaluations: give"
            f" --eval_every={-(-steps // MOST_EVALUATIONS)} or more"
        )
    if steps * batch_size > LARGEST_INTEGER:
        raise ConfigError(
            f"--steps={steps} of --batch_size={batch_size} see more images than 32 bits count:"
            f" give at most {LARGEST_INTEGER // batch_size} steps"
        )
