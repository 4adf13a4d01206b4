"""The learning rate over the steps of a run, as a share of its peak."""

from collections.abc import Mapping

import optax
from jax import Array

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


def make_schedule(structure: Config, numbers: Numbers) -> optax.Schedule:
    """The learning rate by step: a linear warm-up from 1 / warmup_steps, then the schedule."""
    warmup = structure.warmup_steps
    share = register.find("schedule", structure.schedule).make(structure.steps - warmup)
    if warmup:
        share = optax.join_schedules(
            [optax.linear_schedule(1 / warmup, 1.0, max(warmup - 1, 1)), share], [warmup]
        )
    return lambda step: numbers["learning_rate"] * share(step)
