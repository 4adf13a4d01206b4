"""What a network costs, from shapes alone: nothing is trained, compiled or even allocated."""

import math
from typing import Any, NamedTuple

import jax
from flax import linen as nn

from cnnjax import models
from cnnjax.config import Config, ConfigError


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
    layers: list[Layer] = []
    field, jump, map_shape = 1, 1, tuple(image_shape)

    def record(next_function: Any, args: Any, kwargs: Any, context: Any) -> Any:
        nonlocal field, jump, map_shape
        output = next_function(*args, **kwargs)
        module = context.module
        if context.method_name != "__call__":
            return output
        inputs, shape = math.prod(args[0].shape[1:]), tuple(output.shape[1:])
        if isinstance(module, models.Conv):
            field, jump = field + (module.kernel_size - 1) * jump, jump * module.stride
            window = module.kernel_size**2 * args[0].shape[-1]
            counts = (window + 1) * module.features, math.prod(shape) * window
        elif isinstance(module, models.Pool):
            field, jump = field + (module.size - 1) * jump, jump * module.size
            counts = 0, 0
        elif isinstance(module, nn.Dense):
            field = max(image_shape[:2])
            counts = (inputs + 1) * module.features, inputs * module.features
        else:
            return output
        if len(shape) == 3:
            map_shape = shape
        layers.append(Layer(str(module.name), shape, *counts, field))
        return output

    try:
        with nn.intercept_methods(record):
            jax.eval_shape(model.init, jax.random.key(0))
    except ValueError as error:
        raise ConfigError(f"the network does not fit the images: {error}") from None
    maps = [layer for layer in layers if len(layer.output_shape) == 3]
    return Cost(
        layers=tuple(layers),
        parameters=sum(layer.parameters for layer in layers),
        macs=sum(layer.macs for layer in layers),
        receptive_field=maps[-1].receptive_field if maps else max(image_shape[:2]),
        map_shape=map_shape,
    )
