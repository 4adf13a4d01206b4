"""The learning rate over the steps of a run, as a share of its peak."""

from collections.abc import Mapping

import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import ArrayLike

from cnnjax.config import register
from cnnjax.config.config import Config

Numbers = Mapping[str, Array]  # the traced fields of a Config, as scalars


@register.choice("schedule", "constant")
def constant(steps: int) -> optax.Schedule:
    """The peak at every step."""
    return optax.constant_schedule(1.0)


@register.choice("schedule", "cosine")
def cosine(steps: int) -> optax.Schedule:
    """A cosine from the peak to nothing (Loshchilov and Hutter 2017)."""
    return optax.cosine_decay_schedule(1.0, steps)


@register.choice("schedule", "step")
def fall_in_steps(steps: int) -> optax.Schedule:
    """A tenth of the rate from half of the steps on, a hundredth from three quarters on.

    Of 64,000 steps those are the 32,000 and 48,000 of He et al. 2016, section 4.2.
    """
    half, three_quarters = -(-steps // 2), -(-3 * steps // 4)
    return optax.piecewise_constant_schedule(1.0, {half: 0.1, three_quarters: 0.1})


@register.choice("schedule", "one_cycle")
def rise_and_fall(steps: int) -> optax.Schedule:
    """Up from 1/25 over the first 30% of the steps, and down to nothing (Smith and Topin 2018).

    The peak and the end lie at these shares of all steps, where PyTorch's `OneCycleLR` is a step
    ahead, so that its last step is one of nothing.
    """
    return optax.cosine_onecycle_schedule(steps, 1.0)


@register.choice("schedule", "triangular")
def rise_and_fall_in_lines(steps: int) -> optax.Schedule:
    """A line up from 0.2 over the first 23% of the steps, and one down to 0.07 (Jordan 2024).

    The end lies behind the last step.
    """
    peak = int(0.23 * steps)

    def share(step: ArrayLike) -> Array:
        step = jnp.asarray(step, jnp.float32)
        rising = 0.2 + 0.8 * step / max(peak, 1)
        return jnp.where(step < peak, rising, 1 - 0.93 * (step - peak) / (steps - peak))

    return share


def make_schedule(structure: Config, numbers: Numbers) -> optax.Schedule:
    """The learning rate by step: a linear warm-up from 1 / warmup_steps, then the schedule."""
    warmup = structure.warmup_steps
    share = register.find("schedule", structure.schedule).make(structure.steps - warmup)
    if warmup:
        share = optax.join_schedules(
            [optax.linear_schedule(1 / warmup, 1.0, max(warmup - 1, 1)), share], [warmup]
        )
    return lambda step: numbers["learning_rate"] * share(step)
