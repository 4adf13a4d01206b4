"""Averages of a run's past: an exponential one beside it, and one that it goes back to."""

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


def look_ahead(every: int, steps: int, slow: T, fast: T, step: Array) -> tuple[T, T]:
    """Slow and fast trees after the update of a step, from 1, of so many `steps`.

    After `every` steps the slow one moves toward the fast one by 1 - 0.95^every (step / steps)^3 of
    the way, and the fast one begins anew at it; so does the last step, wherever it falls. That is
    Lookahead (Zhang et al. 2019) with the schedule of Jordan 2024, who has every = 5: little of the
    past counts at first, and at the end nearly all.
    """
    decay = 0.95**every * (step.astype(jnp.float32) / steps) ** 3
    due = step % every == 0
    moved = jax.tree.map(
        lambda old, new: jnp.where(due, old + (1 - decay) * (new - old), old), slow, fast
    )
    back = due | (step == steps)
    return moved, jax.tree.map(lambda own, new: jnp.where(back, own, new), moved, fast)
