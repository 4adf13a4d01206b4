"""What training itself finds for a line of a run's learning curve."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax


class TrainScores(NamedTuple):
    """Sums over the examples of the training steps since the last evaluation, added in turn."""

    loss: Any  # [lanes]
    correct: Any  # [lanes]
    count: Any  # [lanes]
    targets: Any  # [lanes, classes]: what a constant prediction could at best learn


class LastStep(NamedTuple):
    """How a run moved in its last step; Euclidean norms over all arrays at once."""

    learning_rate: Array  # [] float32
    gradient_norm: Array  # [] float32: by the trained parameters, before clipping
    parameter_norm: Array  # [] float32: of all parameters, after the step


def read_sums(sums: Any) -> TrainScores:
    """The sums of lanes [lanes, 3 + classes] by name."""
    return TrainScores(sums[:, 0], sums[:, 1], sums[:, 2], sums[:, 3:])


def begin_last_step() -> LastStep:
    """That of a run before its first step."""
    return LastStep(*[jnp.zeros(())] * 3)


def pick_trained(tree: optax.Params, trained: optax.Params) -> list[Array]:
    """Those arrays of a tree for which `trained`, a tree of booleans, is true."""
    pairs = zip(jax.tree.leaves(tree), jax.tree.leaves(trained), strict=True)
    return [leaf for leaf, is_trained in pairs if is_trained]


def find_norm(grads: list[Array], is_last: Array) -> Array:
    """The norm of a step's gradients where it is the last of several; else 0, which costs less."""
    return lax.cond(is_last, optax.tree.norm, lambda grads: jnp.zeros(()), grads)


def find_last_step(
    schedule: optax.Schedule, step: Array, gradient_norm: Array, params: optax.Params
) -> LastStep:
    """How a run moved in its `step`-th step, from 1."""
    rate = jnp.asarray(schedule(step - 1), jnp.float32)
    return LastStep(rate, gradient_norm, optax.tree.norm(params))
