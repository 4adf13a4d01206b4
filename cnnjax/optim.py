"""Learning-rate schedule and optax chain of a run, with every number traced."""

from collections.abc import Callable, Mapping

import jax
import optax
from jax import Array

from cnnjax.config import Config

Numbers = Mapping[str, Array]  # the traced fields of a Config, as scalars

# How each optimiser turns gradients into a direction, before decay and learning rate.
DIRECTIONS: dict[str, Callable[[Numbers], optax.GradientTransformation]] = {
    "sgd": lambda numbers: optax.identity(),
    "momentum": lambda numbers: optax.trace(decay=numbers["momentum"]),
    "adam": lambda numbers: optax.scale_by_adam(),
}

# The learning rate as a function of the step, from its peak and the number of steps.
SCHEDULES: dict[str, Callable[[Array, int], optax.Schedule]] = {
    "constant": lambda peak, steps: optax.constant_schedule(peak),
    "cosine": lambda peak, steps: optax.cosine_decay_schedule(peak, steps),
}


def kernels_only(params: optax.Params) -> optax.Params:
    """True for kernels and False for biases, in the shape of `params`."""
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


def make_optimizer(structure: Config, numbers: Numbers) -> optax.GradientTransformation:
    """The update rule: direction, decoupled weight decay (Loshchilov and Hutter 2019), rate."""
    schedule = SCHEDULES[structure.schedule](numbers["learning_rate"], structure.steps)
    return optax.chain(
        DIRECTIONS[structure.optimizer](numbers),
        optax.add_decayed_weights(numbers["weight_decay"], kernels_only),
        optax.scale_by_learning_rate(schedule),
    )
