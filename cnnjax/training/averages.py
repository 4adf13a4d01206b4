"""The exponential average of a run's past."""

import math
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import Array

T = TypeVar("T")


def move(decay: float, past: T, newest: T, step: Array) -> T:
    """The average of a tree after so many steps, from that after one less.

    Weights of the past fall by `decay` a step and sum to one from the first step on: the
    average of Kingma and Ba 2015, algorithm 1, over its correction. Each step moves it by
    (1 - decay) / (1 - decay^step) of the way, so that what never changes stays as it is to the bit.
    """
    # 1 - decay^step without the cancellation of a difference from one.
    share = -jnp.expm1(step.astype(jnp.float32) * math.log(decay))
    weight = (1 - decay) / share
    return jax.tree.map(lambda old, new: old + weight * (new - old), past, newest)
