"""A run's network as a pair of pure functions."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array

from cnnjax.config import layouts
from cnnjax.config import models as rows
from cnnjax.config.config import Config
from cnnjax.networks import layers, modules
from cnnjax.ops import precision, whitening

Params = Any  # a tree of float32 arrays, one branch a layer
Stats = Any  # by layer: running statistics of batch normalisation, and kernels that stay fixed

SHAPES_ONLY = "cpu"  # the platform of a network that is asked for its shapes: all have the same


class Model(NamedTuple):
    """A network as pure functions. Images are [N, H, W, C], logits [N, classes].

    `apply(params, stats, images, key)` gives logits and new statistics. With a key it trains
    (dropout, batch statistics, random pooling); with None it evaluates, and changes nothing.
    `observe(params, stats, images)` evaluates too and gives logits and what the layer of the logits
    sees [N, features]; None where the logits are not linear in anything.
    """

    init: Callable[[Array], tuple[Params, Stats]]
    apply: Callable[[Params, Stats, Array, Array | None], tuple[Array, Stats]]
    observe: Callable[[Params, Stats, Array], tuple[Array, Array]] | None = None


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


def make_module(config: Config, num_classes: int, platform: str | None) -> nn.Module:
    """The network of a run as a Linen module: its model's own, or what its layers make."""
    network = rows.lay_out(config, num_classes)
    if isinstance(network, nn.Module):
        return network
    return MODULES[type(network)](config, num_classes, platform)


def input_shape(config: Config, image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Height, width and channels of what the network sees of images of that shape."""
    side = config.image_size
    return (side, side, image_shape[2]) if side else image_shape


def resize(config: Config, images: Array) -> Array:
    """Images [N, H, W, C] as large as the run wants them, bilinear, blurred where they shrink."""
    shape = input_shape(config, images.shape[1:])  # pyright: ignore[reportArgumentType]
    if shape == images.shape[1:]:
        return images
    precision = jax.lax.Precision[config.precision.upper()]
    return jax.image.resize(images, (images.shape[0], *shape), "bilinear", precision=precision)


def find_filters(config: Config, images: np.ndarray, mean: Any, std: Any) -> np.ndarray | None:
    """The first layer's whitening kernels for images [N, H, W, C] standardised by these.

    None where that layer is learned.
    """
    if config.first_layer != "whitened":
        return None
    spec = rows.lay_out(config, 1)[0]
    assert isinstance(spec, layouts.Conv)
    layer = layers.make_conv(config, spec, spec.stride, "conv_1", SHAPES_ONLY, whitened=True)

    def standardised() -> Iterator[np.ndarray]:
        enough = images[: whitening.ENOUGH]
        for start in range(0, len(enough), 250):
            some = enough[start : start + 250].astype(np.float32)
            yield from np.asarray(resize(config, jnp.asarray((some - mean) / std)))

    count = layer.count_features(images.shape[-1])
    return whitening.make_filters(standardised(), layer.kernel_size, config.dilation, count)


def set_filters(stats: Stats, filters: np.ndarray | None) -> Stats:
    """The statistics with these whitening kernels, if any, for those the first layer began with."""
    return stats if filters is None else {**stats, "conv_1": {"kernel": jnp.asarray(filters)}}


def find_kernel(params: Params, layer: str) -> Array:
    """The kernel of the layer of that name, wherever it lies."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    (kernel,) = [
        leaf for path, leaf in leaves if [key.key for key in path][-2:] == [layer, "kernel"]
    ]
    return kernel


def scale_kernels(params: Params, gain: Array) -> Params:
    """The kernels of all layers but the logits, times a gain; all else as it is.

    Of a separable convolution the second half alone, so that the gain counts once a layer.
    """

    def scale(path: tuple, leaf: Array) -> Array:
        names = [str(key.key) for key in path]
        scaled = leaf.ndim > 1 and not {"logits", "depthwise"} & set(names)
        return leaf * gain.astype(leaf.dtype) if scaled else leaf

    return jax.tree_util.tree_map_with_path(scale, params)


def make_model(
    config: Config, image_shape: tuple[int, int, int], num_classes: int, platform: str
) -> Model:
    """The network of a run for images [H, W, C], as pure functions.

    `platform` is the JAX back end whose arithmetic it uses. `init` raises
    ValueError, naming the layer, where a kernel or a pooling does not fit its map.
    """
    module = make_module(config, num_classes, platform)

    def see(images: Array) -> Array:
        return precision.round_to(config.dtype, resize(config, images), platform)

    def init(key: Array) -> tuple[Params, Stats]:
        blank = jnp.zeros((1, *input_shape(config, image_shape)), jnp.float32)
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
            return finish(module.apply(variables, images, train=False)), stats
        dropout, pool, depth, cells = jax.random.split(key, 4)
        if config.input_dropout:
            share = 1 - config.input_dropout
            kept = jax.random.bernoulli(cells, share, images.shape)
            images = jnp.where(kept, images / share, 0)
        logits, updated = module.apply(
            variables, images, train=True, mutable=["batch_stats"],
            rngs={"dropout": dropout, "pool": pool, "depth": depth},
        )  # fmt: skip
        return finish(logits), updated.get("batch_stats", {})

    def observe(params: Params, stats: Stats, images: Array) -> tuple[Array, Array]:
        seen: list[Array] = []

        def record(next_function: Any, args: Any, kwargs: Any, context: Any) -> Any:
            if context.module.name == "logits" and context.method_name == "__call__":
                seen.append(args[0])
            return next_function(*args, **kwargs)

        with nn.intercept_methods(record):
            logits, _ = apply(params, stats, images, None)
        return logits, jnp.asarray(seen[0], jnp.float32)

    linear = config.logits == "linear" and config.model != "all_cnn_c"
    return Model(init, apply, observe if linear else None)
