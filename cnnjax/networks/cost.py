"""What a network costs, from shapes alone: nothing is trained, compiled or even allocated."""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnjax.config import models as rows
from cnnjax.config.config import Config, override
from cnnjax.config.knobs import ConfigError
from cnnjax.networks import layers as layers_lib
from cnnjax.networks import models

COUNTED = (layers_lib.Conv, layers_lib.Pool, layers_lib.Dense, layers_lib.Rbf)


class Layer(NamedTuple):
    """One layer. Sizes are per image; a multiply-accumulate (MAC) is one multiplication."""

    name: str
    output_shape: tuple[int, ...]
    parameters: int
    macs: int
    connections: int  # inputs and biases of all output cells, as LeCun et al. 1998 count them
    activation_bytes: int  # of the output, in the precision of the run
    receptive_field: int | None  # cells of the input, along one axis, that one output cell sees;
    # None for the whole image, whatever its size: something global lies below


class Cost(NamedTuple):
    """A whole network, layer by layer from the input up."""

    layers: tuple[Layer, ...]
    parameters: int
    macs: int
    connections: int
    activation_bytes: int  # of all layers' outputs, which training keeps for the backward pass
    receptive_field: int | None  # of the last map below the dense layers
    map_shape: tuple[int, ...]  # of that map: height, width, channels


@functools.cache  # plan, split of the batch and program all ask; a twin's search asks many times
def measure(config: Config, image_shape: tuple[int, int, int], num_classes: int) -> Cost:
    """The cost of a run's network. Biases, activations, norms and pooling count no MACs.

    The receptive field follows Araujo et al. 2019, "Computing receptive fields of CNNs", eq. 2,
    along the branches with kernels of a residual network. A layer on units of one cell, gathered
    from a map of more, that another map follows is a global branch (squeeze and excitation): from
    there on every cell sees the whole image. The pooling of a head is none, as no map follows.
    Raises ConfigError, naming the layer, where a kernel or a pooling does not fit its map, and
    where images are shifted by more cells than they can be mirrored at.
    """
    sides = [side for side in image_shape[:2] if side > 1]
    if config.shift_fill == "reflect" and sides and config.shift >= min(sides):
        raise ConfigError(
            f"--shift={config.shift} mirrors more cells than images of {image_shape[0]}x"
            f"{image_shape[1]} have: give less, or --shift_fill=zero"
        )
    config = find_network(config, image_shape, num_classes)
    model, image_shape = (
        models.make_model(config, image_shape, num_classes, models.SHAPES_ONLY),
        models.input_shape(config, image_shape),
    )
    found: list[tuple[tuple[str, ...], Layer]] = []
    fields, jump = [1, 1], 1  # cells seen along height and width; cells between two neighbours
    size, gathered, whole = image_shape[:2], False, False  # of the last map; is it seen as a whole?

    def record(next_function: Any, args: Any, kwargs: Any, context: Any) -> Any:
        nonlocal jump, size, gathered, whole
        output = next_function(*args, **kwargs)
        module, units = context.module, args[0] if args else None
        if context.method_name != "__call__" or not isinstance(units, jax.Array):
            return output
        one_cell = units.ndim == 2 or units.shape[1:-1] == (1, 1)
        gathered |= one_cell and size != (1, 1)  # by a module of any make
        if not isinstance(module, COUNTED):
            return output
        shape, channels, macs, absent = tuple(output.shape[1:]), args[0].shape[-1], 0, 0
        cells, window, dilation = math.prod(shape), None, 1
        if isinstance(module, layers_lib.Conv):
            window, dilation = module.kernel_size, config.dilation
            macs = math.prod(shape[:2]) * module.macs_per_cell(channels)
            absent = module.absent(channels)
            connections = macs + cells * module.use_bias
        elif isinstance(module, layers_lib.Pool):
            cells_seen = config.pool_size + 2 * (config.pool == "blur")
            window = (1 if config.pool == "decimate" else cells_seen,) * 2
            connections = cells * (math.prod(window) + (config.pool == "subsample"))
        else:
            macs = channels * cells
            connections = macs + cells * getattr(module, "use_bias", False)
        if window is None:
            fields[:] = image_shape[:2]
        elif one_cell and size != (1, 1):
            whole = True
        else:
            whole, size = whole or gathered, shape[:2]
            if module.name != "conv_shortcut":  # it sees no more than the branch beside it
                for axis, length in enumerate(window):
                    fields[axis] += (length - 1) * dilation * jump
                jump *= module.stride
        memory = cells * jnp.dtype(config.dtype).itemsize
        name, field = "/".join(module.path), None if whole else max(fields)
        layer = Layer(name, shape, -absent, macs, connections, memory, field)
        found.append((module.path, layer))
        return output

    try:
        with nn.intercept_methods(record):
            params, _ = jax.eval_shape(model.init, jax.random.key(0))
    except ValueError as error:
        raise ConfigError(f"the network does not fit the images: {error}") from None
    layers = tuple(
        layer._replace(parameters=layer.parameters + _count(params, path)) for path, layer in found
    )
    maps = [layer for layer in layers if len(layer.output_shape) == 3]
    return Cost(
        layers=layers,
        # Norms have parameters and are no layers here; absent entries of kernels are none.
        parameters=_count(params, ()) + sum(layer.parameters for _, layer in found),
        macs=sum(layer.macs for layer in layers),
        connections=sum(layer.connections for layer in layers),
        activation_bytes=sum(layer.activation_bytes for layer in layers),
        receptive_field=maps[-1].receptive_field if maps else max(image_shape[:2]),
        map_shape=maps[-1].output_shape if maps else tuple(image_shape),
    )


def _count(params: models.Params, path: tuple[str, ...]) -> int:
    """Parameters below `path`."""
    for name in path:
        params = params.get(name, {})
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))


def find_network(config: Config, image_shape: tuple[int, int, int], num_classes: int) -> Config:
    """The network that a run trains: a twin's, and with the `pool_every` that 0 stands for."""
    return find_poolings(find_twin(config, image_shape, num_classes), image_shape, num_classes)


@functools.cache
def find_poolings(config: Config, image_shape: tuple[int, int, int], num_classes: int) -> Config:
    """The config with the least number of convolutions to a pooling that leaves all layers a map.

    With the greatest, one pooling behind all of them, where none does; as it is where
    `pool_every` is given or nothing pools.
    """
    if config.model != "cnn" or config.pool == "none" or config.pool_every:
        return config
    for every in range(1, len(config.widths)):
        tried = dataclasses.replace(config, pool_every=every)
        try:
            model = models.make_model(tried, image_shape, num_classes, models.SHAPES_ONLY)
            jax.eval_shape(model.init, jax.random.key(0))
            return tried
        except ValueError:  # a layer that does not fit
            continue
    return dataclasses.replace(config, pool_every=max(len(config.widths), 1))


def find_twin(config: Config, image_shape: tuple[int, int, int], num_classes: int) -> Config:
    """The plain network that a twin stands for; any other config as it is.

    `mlp_twin` has a dense layer in the place of each convolution, all of one width, and
    `local_twin` unshared kernels on scaled widths; the width is the one that comes nearest to
    the CNN of the same knobs in what `match` names.
    """
    if config.model not in rows.TWINS:
        return config
    cnn = override(config, {"model": "cnn"})
    cnn = find_poolings(cnn, image_shape, num_classes)
    target = getattr(measure(cnn, image_shape, num_classes), config.match)

    def make_candidate(width: int) -> Config:
        if config.model == "mlp_twin":
            hidden = (width,) * len(cnn.widths) + cnn.hidden
            return override(cnn, {"model": "mlp", "hidden": hidden})
        widths = tuple(max(round(own * width / max(cnn.widths)), 1) for own in cnn.widths)
        return override(cnn, {"conv": "unshared", "widths": widths})

    def count(width: int) -> int:
        return getattr(measure(make_candidate(width), image_shape, num_classes), config.match)

    low, high = 0, 1  # the widest that does not exceed the target lies in [low, high)
    while count(high) <= target:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) <= target else (low, middle)
    if low == 0:
        return make_candidate(high)
    return make_candidate(min(low, high, key=lambda width: abs(count(width) - target)))
