"""Claims that are mathematics: each is decided by a check that really counts, computes, trains."""

import importlib
from collections.abc import Callable
from typing import NamedTuple

from experiments.checks import Outcome


class KnownAnswer(NamedTuple):
    """A claim and the function that decides it. Listing claims runs no check and imports no JAX."""

    id: str
    statement: str
    check: Callable[[], Outcome]


def _function(module: str, name: str) -> Callable[[], Outcome]:
    """A function of `experiments.checks`, imported with JAX when it is called.

    What it multiplies it multiplies in float32: by default an A100 or H100 would in TF32.
    """

    def check() -> Outcome:
        import jax

        with jax.default_matmul_precision("highest"):
            return getattr(importlib.import_module(f"experiments.checks.{module}"), name)()

    return check


KNOWN_ANSWERS = (
    KnownAnswer(
        "output-size",
        "A kernel of size n on an image of size m gives a map of size m - n + 1.",
        _function("sizes", "check_output_size"),
    ),
    KnownAnswer(
        "stride",
        "Stride is the shift of the kernel per step, and so downsamples.",
        _function("formulas", "check_stride"),
    ),
    KnownAnswer(
        "local-connectivity",
        "A neuron connected to a patch needs fewer parameters than one connected to the image.",
        _function("sizes", "check_local_connectivity"),
    ),
    KnownAnswer(
        "parameter-sharing",
        "Sharing a kernel over all positions cuts parameters and computation.",
        _function("sizes", "check_parameter_sharing"),
    ),
    KnownAnswer("relu-formula", "ReLU is max(0, x).", _function("formulas", "check_relu_formula")),
    KnownAnswer(
        "pool-shrinks",
        "Pooling in windows that do not overlap lowers the spatial size and the computation.",
        _function("sizes", "check_pool_shrinks"),
    ),
    KnownAnswer(
        "max-suppresses-noise",
        "Max pooling suppresses noise, where average pooling only shrinks.",
        _function("formulas", "check_max_suppresses_noise"),
    ),
    KnownAnswer(
        "fc-probabilities",
        "The outputs of the last layer, through a softmax, are probabilities that sum to one.",
        _function("formulas", "check_fc_probabilities"),
    ),
    KnownAnswer(
        "training-iteration",
        "An iteration is forward pass, loss, backward pass and weight update.",
        _function("training", "check_training_iteration"),
    ),
    KnownAnswer(
        "initial-loss",
        "Before training the loss is extremely high.",
        _function("training", "check_initial_loss"),
    ),
    KnownAnswer(
        "learning-rate",
        "Too high a learning rate fails to converge.",
        _function("formulas", "check_learning_rate"),
    ),
)


def run_checks() -> dict[str, Outcome]:
    """Decides every claim: in about 15 seconds of one core."""
    return {known.id: known.check() for known in KNOWN_ANSWERS}
