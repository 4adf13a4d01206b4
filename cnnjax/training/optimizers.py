"""Learning-rate schedule and optax chain of a run, with every number traced."""

from collections.abc import Callable, Collection, Mapping

import jax
import optax
from jax import Array
from optax import contrib

from cnnjax.config.config import Config
from cnnjax.networks import count
from cnnjax.networks.facts import Roles

Numbers = Mapping[str, Array]  # the traced fields of a Config, as scalars
Mask = Callable[[optax.Params], optax.Params]  # true where a parameter is meant, false elsewhere
MakeOptimizer = Callable[[Numbers, optax.Schedule, Mask], optax.GradientTransformation]


def make_mask(paths: Collection[str]) -> Mask:
    """True for the parameters of these paths, False for all others."""

    def mask(params: optax.Params) -> optax.Params:
        return jax.tree_util.tree_map_with_path(
            lambda path, leaf: count.name_of(path) in paths, params
        )

    return mask


def decayed(
    *directions: optax.GradientTransformation,
    numbers: Numbers,
    schedule: optax.Schedule,
    kernels: Mask,
    last: optax.GradientTransformation | None = None,
) -> optax.GradientTransformation:
    """Direction, decoupled weight decay of kernels (Loshchilov and Hutter 2019), learning rate."""
    decay = optax.add_decayed_weights(numbers["weight_decay"], kernels)
    final = [last] if last else []
    return optax.chain(*directions, decay, *final, optax.scale_by_learning_rate(schedule))


def sgd(numbers: Numbers, schedule: optax.Schedule, kernels: Mask) -> optax.GradientTransformation:
    """The gradient itself."""
    return decayed(numbers=numbers, schedule=schedule, kernels=kernels)


def momentum(
    numbers: Numbers, schedule: optax.Schedule, kernels: Mask
) -> optax.GradientTransformation:
    """A decaying sum of gradients (Polyak 1964)."""
    trace = optax.trace(numbers["momentum"])
    return decayed(trace, numbers=numbers, schedule=schedule, kernels=kernels)


def nesterov(
    numbers: Numbers, schedule: optax.Schedule, kernels: Mask
) -> optax.GradientTransformation:
    """Momentum that looks one step ahead (Sutskever et al. 2013)."""
    trace = optax.trace(numbers["momentum"], nesterov=True)
    return decayed(trace, numbers=numbers, schedule=schedule, kernels=kernels)


def adam(numbers: Numbers, schedule: optax.Schedule, kernels: Mask) -> optax.GradientTransformation:
    """Mean over root mean square of gradients (Kingma and Ba 2015); adamw where it may decay."""
    return decayed(optax.scale_by_adam(), numbers=numbers, schedule=schedule, kernels=kernels)


def lion(numbers: Numbers, schedule: optax.Schedule, kernels: Mask) -> optax.GradientTransformation:
    """The sign of a momentum (Chen et al. 2023)."""
    return decayed(optax.scale_by_lion(), numbers=numbers, schedule=schedule, kernels=kernels)


def lamb(numbers: Numbers, schedule: optax.Schedule, kernels: Mask) -> optax.GradientTransformation:
    """Adam scaled layer by layer to the norm of the weights (You et al. 2020)."""
    return decayed(
        optax.scale_by_adam(eps=1e-6), numbers=numbers, schedule=schedule, kernels=kernels,
        last=optax.scale_by_trust_ratio(),
    )  # fmt: skip


def muon(numbers: Numbers, schedule: optax.Schedule, kernels: Mask) -> optax.GradientTransformation:
    """Orthogonalised momentum for kernels, NAdam for the rest (Jordan et al. 2024)."""

    def dimensions(params: optax.Params) -> optax.Params:
        return jax.tree.map(
            lambda leaf, is_kernel: (
                contrib.MuonDimensionNumbers(tuple(range(leaf.ndim - 1)), leaf.ndim - 1)
                if is_kernel
                else None
            ),
            params,
            kernels(params),
        )

    return contrib.muon(
        schedule,
        weight_decay=numbers["weight_decay"],
        muon_weight_dimension_numbers=dimensions,
    )


OPTIMIZERS: dict[str, MakeOptimizer] = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "adam": adam,
    "adamw": adam,
    "lion": lion,
    "lamb": lamb,
    "muon": muon,
}


def fall_in_steps(steps: int) -> optax.Schedule:
    """A tenth of the rate from half of the steps on, a hundredth from three quarters on.

    Of 64,000 steps those are the 32,000 and 48,000 of He et al. 2016, section 4.2.
    """
    half, three_quarters = -(-steps // 2), -(-3 * steps // 4)
    return optax.piecewise_constant_schedule(1.0, {half: 0.1, three_quarters: 0.1})


def rise_and_fall(steps: int) -> optax.Schedule:
    """Up from 1/25 over the first 30% of the steps, and down to nothing (Smith and Topin 2018).

    The peak and the end lie at these shares of all steps, where PyTorch's `OneCycleLR` is a step
    ahead, so that its last step is one of nothing.
    """
    return optax.cosine_onecycle_schedule(steps, 1.0)


# The learning rate over `steps` steps, as a share of its peak.
SCHEDULES: dict[str, Callable[[int], optax.Schedule]] = {
    "constant": lambda steps: optax.constant_schedule(1.0),
    "cosine": lambda steps: optax.cosine_decay_schedule(1.0, steps),
    "step": fall_in_steps,
    "one_cycle": rise_and_fall,
}


def make_schedule(structure: Config, numbers: Numbers) -> optax.Schedule:
    """The learning rate by step: a linear warm-up from 1 / warmup_steps, then the schedule."""
    warmup = structure.warmup_steps
    share = SCHEDULES[structure.schedule](structure.steps - warmup)
    if warmup:
        share = optax.join_schedules(
            [optax.linear_schedule(1 / warmup, 1.0, max(warmup - 1, 1)), share], [warmup]
        )
    return lambda step: numbers["learning_rate"] * share(step)


def make_optimizer(
    structure: Config, numbers: Numbers, roles: Roles
) -> optax.GradientTransformation:
    """The update rule of a run: clipping of the whole gradient, direction, decay, rate.

    `roles` say which parameters are kernels, and which those of convolutions.
    """
    kernels, schedule = make_mask(roles.kernels), make_schedule(structure, numbers)
    optimizer = OPTIMIZERS[structure.optimizer](numbers, schedule, kernels)
    if structure.clip_norm:
        optimizer = optax.chain(optax.clip_by_global_norm(structure.clip_norm), optimizer)
    if structure.freeze == "none":
        return optimizer
    frozen = make_mask(roles.convolutions)

    def label(params: optax.Params) -> optax.Params:
        return jax.tree.map(lambda held: "frozen" if held else "free", frozen(params))

    return optax.multi_transform({"free": optimizer, "frozen": optax.set_to_zero()}, label)
