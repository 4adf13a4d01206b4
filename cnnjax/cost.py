"""What a network costs, from shapes alone: nothing is trained, compiled or even allocated."""

import math
from typing import Any, NamedTuple

import jax
from flax import linen as nn

from cnnjax import layers as layers_lib
from cnnjax import models
from cnnjax.config import Config, ConfigError

COUNTED = (layers_lib.Conv, layers_lib.Pool, layers_lib.Dense)


class Layer(NamedTuple):
    """One layer. Sizes are per image; a multiply-accumulate (MAC) is one multiplication."""

    name: str
    output_shape: tuple[int, ...]
    parameters: int
    macs: int
    receptive_field: int  # cells of the input, along one axis, that one output cell sees


class Cost(NamedTuple):
    """A whole network, layer by layer from the input up."""

    layers: tuple[Layer, ...]
    parameters: int
    macs: int
    receptive_field: int  # of the last map below the dense layers
    map_shape: tuple[int, ...]  # of that map: height, width, channels


def measure(config: Config, image_shape: tuple[int, int, int], num_classes: int) -> Cost:
    """The cost of a run's network. Biases, activations and pooling count no MACs.

    The receptive field follows Araujo et al. 2019, "Computing receptive fields of CNNs", eq. 2.
    Raises ConfigError, naming the layer, where a kernel or a pooling does not fit its map.
    """
    model = models.make_model(config, image_shape, num_classes)
    layers: list[tuple[tuple[str, ...], tuple[int, ...], int, int, int]] = []
    fields, jump = [1, 1], 1  # cells seen along height and width; cells between two neighbours

    def record(next_function: Any, args: Any, kwargs: Any, context: Any) -> Any:
        nonlocal jump
        output = next_function(*args, **kwargs)
        module = context.module
        if context.method_name != "__call__" or not isinstance(module, COUNTED):
            return output
        shape, channels, macs, absent = tuple(output.shape[1:]), args[0].shape[-1], 0, 0
        if isinstance(module, layers_lib.Conv):
            window, dilation = layers_lib.as_pair(config.kernel_size), config.dilation
            macs = math.prod(shape[:2]) * module.macs_per_cell(channels)
            absent = module.absent(channels)
        elif isinstance(module, layers_lib.Pool):
            window, dilation = (config.pool_size + 2 * (config.pool == "blur"),) * 2, 1
        else:
            window, dilation, macs = None, 1, channels * module.features
        if window is None:
            fields[:] = image_shape[:2]
        else:
            for axis, cells in enumerate(window):
                fields[axis] += (cells - 1) * dilation * jump
            jump *= module.stride
        layers.append((module.path, shape, macs, absent, max(fields)))
        return output

    try:
        with nn.intercept_methods(record):
            params, _ = jax.eval_shape(model.init, jax.random.key(0))
    except ValueError as error:
        raise ConfigError(f"the network does not fit the images: {error}") from None
    measured = [
        Layer("/".join(path), shape, _count(params, path) - absent, macs, field)
        for path, shape, macs, absent, field in layers
    ]
    maps = [layer for layer in measured if len(layer.output_shape) == 3]
    return Cost(
        layers=tuple(measured),
        parameters=_count(params, ()) - sum(absent for _, _, _, absent, _ in layers),
        macs=sum(layer.macs for layer in measured),
        receptive_field=maps[-1].receptive_field if maps else max(image_shape[:2]),
        map_shape=maps[-1].output_shape if maps else tuple(image_shape),
    )


def _count(params: models.Params, path: tuple[str, ...]) -> int:
    """Parameters below `path`."""
    for name in path:
        params = params.get(name, {})
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
