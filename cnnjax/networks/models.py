"""A run's network as a pair of pure functions.

The home of models that are Linen modules of their own: a function of (config, num_classes) below
`@register.model("name", reads=(...))` at the end of this file, its arguments literals, since they
are read unimported; the module may stand in a file of its own beside this one.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array

from cnnjax.config import guard, layouts, register
from cnnjax.config import models as rows
from cnnjax.config.config import Config
from cnnjax.config.data import input_shape
from cnnjax.config.errors import ConfigError
from cnnjax.networks import convolution, count, modules, norms
from cnnjax.networks.facts import Roles
from cnnjax.networks.views import VIEWS
from cnnjax.ops import precision, whitening

Params = Any  # a tree of float32 arrays, one branch a layer
Stats = Any  # by layer: running statistics of batch normalisation, and kernels that stay fixed

SHAPES_ONLY = "cpu"  # the platform of a network that is asked for its shapes: all have the same


class Model(NamedTuple):
    """A network as pure functions. Images are [N, H, W, C] of `input_shape`, logits [N, classes].

    `apply(params, stats, images, key)` gives logits and new statistics. With a key it trains
    (dropout, batch statistics, random pooling); with None it evaluates, and changes nothing.
    `observe(params, stats, images)` evaluates too and gives logits and what the layer of the logits
    sees [N, features]; None where the logits are not linear in anything. `roles` say what the
    parameters are for, and `views` of how many views `answer` takes the mean.
    """

    init: Callable[[Array], tuple[Params, Stats]]
    apply: Callable[[Params, Stats, Array, Array | None], tuple[Array, Stats]]
    observe: Callable[[Params, Stats, Array], tuple[Array, Array]] | None
    roles: Roles
    views: str = "one"


def answer(
    model: Model, params: Params, stats: Stats, images: Array, first: Array | None = None
) -> Array:  # fmt: skip
    """Logits [N, classes] by which images [N, H, W, C], as the network sees them, are judged.

    The mean over the run's views of each; `first` are those of the image as it is, where known.
    """
    if first is None:
        first = model.apply(params, stats, images, None)[0]
    (share, _), *others = VIEWS[model.views](images)
    if not others:
        return first
    logits = [weight * model.apply(params, stats, seen, None)[0] for weight, seen in others]
    return sum(logits, start=share * first)


def probabilities(logits: Array, temperature: float = 1.0) -> Array:
    """Softmax of logits [N, classes] over a temperature; each row sums to one.

    A temperature above 1 makes them less certain (Guo et al. 2017, eq. 9).
    """
    return jax.nn.softmax(logits / temperature, axis=-1)


# By what a model lays out.
MODULES: dict[type, Callable[..., nn.Module]] = {
    tuple: modules.CNN,
    layouts.ResNet: modules.ResNet,
    layouts.Dense: modules.Dense,
}


def make_module(config: Config, num_classes: int, platform: str) -> nn.Module:
    """The network of a run as a Linen module: its model's own, or what its layers make.

    One that is not ours has its own arithmetic, whatever the platform.
    """
    network = rows.lay_out(config, num_classes)
    if isinstance(network, nn.Module):
        return network
    return MODULES[type(network)](config, num_classes, platform)


def find_filters(
    config: Config, images: np.ndarray, prepare: Callable[[np.ndarray], Any]
) -> np.ndarray | None:
    """The first layer's whitening kernels for images [N, H, W, C] as `prepare` makes them.

    None where that layer is learned.
    """
    if config.first_layer != "whitened":
        return None
    spec = rows.lay_out(config, 1)[0]
    assert isinstance(spec, layouts.Conv)
    layer = convolution.make_conv(config, spec, spec.stride, "conv_1", SHAPES_ONLY, whitened=True)

    def prepared() -> Iterator[np.ndarray]:
        enough = images[: whitening.ENOUGH]
        for start in range(0, len(enough), 250):
            yield from np.asarray(prepare(enough[start : start + 250]))

    count = layer.count_features(images.shape[-1])
    return whitening.make_filters(prepared(), layer.kernel_size, config.dilation, count)


def set_filters(stats: Stats, filters: np.ndarray | None, roles: Roles) -> Stats:
    """The statistics with these whitening kernels, if any, for those the first layer began with."""
    return stats if filters is None else {**stats, roles.first: {"kernel": jnp.asarray(filters)}}


def find_shapes(model: Model) -> tuple[Params, Stats]:
    """The parameters and statistics that a network begins with, as shapes alone."""
    return jax.eval_shape(model.init, jax.random.key(0))


def set_weights(
    drawn: tuple[Params, Stats], given: tuple[Params, Stats] | None
) -> tuple[Params, Stats]:
    """Parameters and statistics, those that are given in the place of drawn ones."""

    def put(drawn: Any, given: Any) -> Any:
        if not isinstance(drawn, Mapping):
            return jnp.asarray(given, drawn.dtype)
        return {
            name: put(value, given[name]) if name in given else value
            for name, value in drawn.items()
        }

    return drawn if given is None else (put(drawn[0], given[0]), put(drawn[1], given[1]))


def find_parameter(params: Params, path: str) -> Array:
    """The parameter of a path, such as head/logits/kernel."""
    return count.flatten(params)[path]


def find_bias(params: Params, path: str) -> Array:
    """The bias beside the kernel of a path; 0 where its layer has none."""
    return count.flatten(params).get(f"{path.rpartition('/')[0]}/bias", jnp.zeros(()))


def scale_kernels(params: Params, gain: Array, roles: Roles) -> Params:
    """The kernels of all layers below an activation, times a gain; all else as it is."""

    def scale(path: tuple, leaf: Array) -> Array:
        return leaf * gain.astype(leaf.dtype) if count.name_of(path) in roles.scaled else leaf

    return jax.tree_util.tree_map_with_path(scale, params)


def read(config: Config, image_shape: tuple[int, int, int], num_classes: int) -> count.Network:
    """What a run's network is made of, for images [H, W, C].

    Raises ValueError where it does not fit them, or does not give logits.
    """
    with _blame(config):
        module = make_module(config, num_classes, SHAPES_ONLY)
        shape = input_shape(config, image_shape)
        network = count.read(module, shape)
        if network.output_shape != (num_classes,):
            raise ConfigError(
                f"{type(module).__name__} gives {list(network.output_shape)} for an image, not"
                f" logits of {num_classes} classes"
            )
        if register.find("model", config.model).source:
            count.check_training(module, shape, num_classes)
    return network


def _blame(config: Config) -> contextlib.AbstractContextManager[None]:
    """Within, an error is one of the model, where that is from outside."""
    return guard.blame(register.find("model", config.model))


def make_model(
    config: Config, image_shape: tuple[int, int, int], num_classes: int, platform: str,
    axis: str | None = None,
) -> Model:  # fmt: skip
    """The network of a run for images [H, W, C], as pure functions.

    `platform` is the JAX back end whose arithmetic it uses. In training the devices of a mesh
    `axis`, if one is named, share a batch, each with images of its own. Raises
    ValueError, naming the layer, where a kernel or a pooling does not fit its map.
    """
    module = make_module(config, num_classes, platform)
    roles = read(config, image_shape, num_classes).roles
    last = None if roles.logits is None else roles.logits.rpartition("/")[0]

    def see(images: Array) -> Array:
        return precision.round_to(config.dtype, images, platform)

    def init(key: Array) -> tuple[Params, Stats]:
        blank = jnp.zeros((1, *input_shape(config, image_shape)), jnp.float32)
        with _blame(config):
            variables = module.init(key, see(blank), train=False)
        return variables.get("params", {}), variables.get("batch_stats", {})

    def finish(logits: Any) -> Array:
        return jnp.asarray(logits, jnp.float32) * config.logit_scale

    def apply(
        params: Params, stats: Stats, images: Array, key: Array | None = None
    ) -> tuple[Array, Stats]:
        images = see(images)
        variables = {"params": params, "batch_stats": stats}
        if key is None:
            with _blame(config):
                return finish(module.apply(variables, images, train=False)), stats
        dropout, pool, depth, cells = jax.random.split(key, 4)
        if config.input_dropout:
            share = 1 - config.input_dropout
            kept = jax.random.bernoulli(cells, share, images.shape)
            images = jnp.where(kept, images / share, 0)
        with _blame(config), norms.share_batch(axis):
            logits, updated = module.apply(
                variables, images, train=True, mutable=["batch_stats"],
                rngs={"dropout": dropout, "pool": pool, "depth": depth},
            )  # fmt: skip
        return finish(logits), updated.get("batch_stats", {})

    def observe(params: Params, stats: Stats, images: Array) -> tuple[Array, Array]:
        seen: list[Array] = []

        def record(next_function: Any, args: Any, kwargs: Any, context: Any) -> Any:
            if "/".join(context.module.path) == last and context.method_name == "__call__":
                seen.append(args[0])
            return next_function(*args, **kwargs)

        with nn.intercept_methods(record):
            logits, _ = apply(params, stats, images, None)
        return logits, jnp.asarray(seen[0], jnp.float32)

    return Model(init, apply, observe if last is not None else None, roles, config.views)
