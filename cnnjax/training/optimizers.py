"""Update rules, and the optax chain of a run, with every number traced."""

from collections.abc import Callable, Collection

import jax
import jax.numpy as jnp
import optax
from optax import contrib

from cnnjax.config import register
from cnnjax.config.config import Config
from cnnjax.config.errors import ConfigError
from cnnjax.networks import count
from cnnjax.networks.facts import Roles
from cnnjax.training.schedules import Numbers, make_schedule

Mask = Callable[[optax.Params], optax.Params]  # true where a parameter is meant, false elsewhere


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


@register.choice("optimizer", "sgd", averages=0)
def sgd(numbers: Numbers, schedule: optax.Schedule, kernels: Mask) -> optax.GradientTransformation:
    """The gradient itself."""
    return decayed(numbers=numbers, schedule=schedule, kernels=kernels)


@register.choice("optimizer", "momentum", reads=("momentum",))
def momentum(
    numbers: Numbers, schedule: optax.Schedule, kernels: Mask
) -> optax.GradientTransformation:
    """A decaying sum of gradients (Polyak 1964)."""
    trace = optax.trace(numbers["momentum"])
    return decayed(trace, numbers=numbers, schedule=schedule, kernels=kernels)


@register.choice("optimizer", "nesterov", reads=("momentum",))
def nesterov(
    numbers: Numbers, schedule: optax.Schedule, kernels: Mask
) -> optax.GradientTransformation:
    """Momentum that looks one step ahead (Sutskever et al. 2013)."""
    trace = optax.trace(numbers["momentum"], nesterov=True)
    return decayed(trace, numbers=numbers, schedule=schedule, kernels=kernels)


@register.choice("optimizer", "adam", averages=2)
def adam(numbers: Numbers, schedule: optax.Schedule, kernels: Mask) -> optax.GradientTransformation:
    """Mean over root mean square of gradients (Kingma and Ba 2015)."""
    return decayed(optax.scale_by_adam(), numbers=numbers, schedule=schedule, kernels=kernels)


@register.choice("optimizer", "adamw", averages=2)
def adamw(
    numbers: Numbers, schedule: optax.Schedule, kernels: Mask
) -> optax.GradientTransformation:
    """Adam whose kernels decay (Loshchilov and Hutter 2019)."""
    return adam(numbers, schedule, kernels)


@register.choice("optimizer", "lion")
def lion(numbers: Numbers, schedule: optax.Schedule, kernels: Mask) -> optax.GradientTransformation:
    """The sign of a momentum (Chen et al. 2023)."""
    return decayed(optax.scale_by_lion(), numbers=numbers, schedule=schedule, kernels=kernels)


@register.choice("optimizer", "lamb", averages=2)
def lamb(numbers: Numbers, schedule: optax.Schedule, kernels: Mask) -> optax.GradientTransformation:
    """Adam scaled layer by layer to the norm of the weights (You et al. 2020)."""
    return decayed(
        optax.scale_by_adam(eps=1e-6), numbers=numbers, schedule=schedule, kernels=kernels,
        last=optax.scale_by_trust_ratio(),
    )  # fmt: skip


@register.choice("optimizer", "muon")
def muon(numbers: Numbers, schedule: optax.Schedule, kernels: Mask) -> optax.GradientTransformation:
    """Orthogonalised momentum for kernels, NAdam for the rest (Jordan et al. 2024).

    It keeps kernels as matrices that are no higher than wide. Of what Optax turns itself, XLA takes
    the norm before or after, as the number of devices is, and rounds it otherwise.
    """

    def is_high(leaf: jax.Array) -> bool:
        return leaf.size > leaf.shape[-1] ** 2

    def flatten(tree: optax.Params) -> optax.Params:
        def lay(leaf: jax.Array, is_kernel: bool) -> jax.Array:
            flat = leaf.reshape(-1, leaf.shape[-1]) if is_kernel else leaf
            return flat.T if is_kernel and is_high(leaf) else flat

        return jax.lax.optimization_barrier(jax.tree.map(lay, tree, kernels(tree)))

    def inner(params: optax.Params) -> optax.GradientTransformation:
        def name(leaf: jax.Array, is_kernel: bool) -> contrib.MuonDimensionNumbers | None:
            axes = (1, 0) if is_kernel and is_high(leaf) else (0, 1)
            return contrib.MuonDimensionNumbers(*axes) if is_kernel else None

        return contrib.muon(
            schedule,
            weight_decay=numbers["weight_decay"],
            muon_weight_dimension_numbers=jax.tree.map(name, params, kernels(params)),
        )

    def init(params: optax.Params) -> optax.OptState:
        return inner(params).init(flatten(params))

    def update(
        updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, optax.OptState]:
        given = updates if params is None else params
        flat, state = inner(given).update(flatten(updates), state, flatten(given))

        def fold(leaf: jax.Array, flat: jax.Array, is_kernel: bool) -> jax.Array:
            return (flat.T if is_kernel and is_high(leaf) else flat).reshape(leaf.shape)

        return jax.tree.map(fold, given, flat, kernels(given)), state

    return optax.GradientTransformation(init, update)


def find_trained(structure: Config, roles: Roles, params: optax.Params) -> optax.Params:
    """True for each of the parameters that training moves, False for the frozen ones."""
    frozen = {"none": frozenset(), "convolutions": roles.convolutions}.get(structure.freeze)
    if frozen is None:  # body
        return make_mask(find_last(roles, params))(params)
    return jax.tree.map(lambda held: not held, make_mask(frozen)(params))


def find_last(roles: Roles, params: optax.Params) -> frozenset[str]:
    """Paths of the parameters of the layer of the logits.

    Raises ConfigError where there is no such layer.
    """
    layer = (roles.logits or "").rpartition("/")[0]
    if not layer:
        raise ConfigError("--freeze=body needs logits of a linear layer of their own")
    return frozenset(name for name in count.flatten(params) if name.startswith(f"{layer}/"))


def make_optimizer(
    structure: Config, numbers: Numbers, roles: Roles
) -> optax.GradientTransformation:
    """The update rule of a run: clipping of the whole gradient, direction, decay, rate by role.

    `roles` say which parameters are kernels, and which those of convolutions.
    """
    kernels, schedule = make_mask(roles.kernels), make_schedule(structure, numbers)
    make = register.find("optimizer", structure.optimizer).make
    optimizer = make(numbers, schedule, kernels)
    if structure.norm_bias_rate != 1:
        faster = optax.scale(structure.norm_bias_rate)
        optimizer = optax.chain(optimizer, optax.masked(faster, make_mask(roles.norm_biases)))
    if structure.whitening_bias_steps:
        held = optax.scale_by_schedule(
            lambda step: jnp.asarray(step) < structure.whitening_bias_steps
        )
        first = make_mask({f"{roles.first}/bias"})
        optimizer = optax.chain(optimizer, optax.masked(held, first))
    if structure.clip_norm:
        optimizer = optax.chain(optax.clip_by_global_norm(structure.clip_norm), optimizer)
    if structure.freeze == "none":
        return optimizer

    def label(params: optax.Params) -> optax.Params:
        trained = find_trained(structure, roles, params)
        return jax.tree.map(lambda own: "free" if own else "frozen", trained)

    return optax.multi_transform({"free": optimizer, "frozen": optax.set_to_zero()}, label)
