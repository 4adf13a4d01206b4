"""What a network costs, from shapes alone: nothing is trained, compiled or even allocated."""

import dataclasses
import functools
from typing import NamedTuple

from cnnjax.config import contracts
from cnnjax.config import models as rows
from cnnjax.config.config import Config, override
from cnnjax.config.data import input_shape
from cnnjax.config.errors import ConfigError, PluginError
from cnnjax.config.layouts import Twin
from cnnjax.networks import count, models
from cnnjax.networks.facts import Layer


class Cost(NamedTuple):
    """A whole network, layer by layer from the input up."""

    layers: tuple[Layer, ...]
    parameters: int
    macs: int
    connections: int
    activation_bytes: int  # of all layers' outputs, which training keeps for the backward pass
    receptive_field: int | None  # of the last map below the dense layers
    map_shape: tuple[int, ...]  # of that map: height, width, channels
    mixes_batch: bool  # whether training keeps statistics of a batch: it is no sum over images

    @property
    def layer_bytes(self) -> int:
        """Of the largest of its layers' outputs for an image."""
        return max((layer.activation_bytes for layer in self.layers), default=0)


@functools.cache  # plan, split of the batch and program all ask; a twin's search asks many times
def measure(config: Config, image_shape: tuple[int, int, int], num_classes: int) -> Cost:
    """The cost of a run's network. Biases, activations, norms and pooling count no MACs.

    The receptive field follows Araujo et al. 2019, "Computing receptive fields of CNNs". Units
    gathered from all of a map, that another map follows, are a global branch (squeeze and
    excitation): from there on every cell sees the whole image. The pooling of a head is none, as no
    map follows.
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
    try:
        network = models.read(config, image_shape, num_classes)
    except PluginError:
        raise
    except ValueError as error:
        raise ConfigError(f"the network does not fit the images: {error}") from None
    side = input_shape(config, image_shape)
    return Cost(
        layers=network.layers,
        parameters=network.parameters,
        macs=sum(layer.macs for layer in network.layers),
        connections=sum(layer.connections for layer in network.layers),
        activation_bytes=sum(layer.activation_bytes for layer in network.layers),
        receptive_field=network.receptive_field if network.map_shape else max(side[:2]),
        map_shape=network.map_shape or tuple(side),
        mixes_batch=network.mixes_batch,
    )


def find_network(config: Config, image_shape: tuple[int, int, int], num_classes: int) -> Config:
    """The network that a run trains: a twin's, and with the `pool_every` that 0 stands for."""
    return find_poolings(find_twin(config, image_shape, num_classes), image_shape, num_classes)


@functools.cache
def find_poolings(config: Config, image_shape: tuple[int, int, int], num_classes: int) -> Config:
    """The config with the least number of convolutions to a pooling that leaves all layers a map.

    With the greatest, one pooling behind all of them, where none does; as it is where
    `pool_every` is given or nothing pools.
    """
    read = rows.reads(config.model, "pool_every")
    if not read or config.pool == "none" or config.pool_every:
        return config
    for every in range(1, len(config.widths)):
        tried = dataclasses.replace(config, pool_every=every)
        try:
            models.read(tried, image_shape, num_classes)
            return tried
        except ValueError:  # a layer that does not fit
            continue
    return dataclasses.replace(config, pool_every=max(len(config.widths), 1))


def find_twin(config: Config, image_shape: tuple[int, int, int], num_classes: int) -> Config:
    """The plain network that a twin stands for; any other config as it is.

    Its width is the one that comes nearest to the CNN of the same knobs in what `match` names.
    """
    twin = rows.lay_out(config, num_classes) if rows.reads(config.model, "match") else None
    if not isinstance(twin, Twin):
        return config
    cnn = override(config, {"model": "cnn"})
    cnn = find_poolings(cnn, image_shape, num_classes)
    target = getattr(measure(cnn, image_shape, num_classes), config.match)

    def make_candidate(width: int) -> Config:
        return override(cnn, twin.widen(cnn, width))

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


def forget() -> None:
    """Forgets what networks are and cost: for who puts another in the place of a model."""
    for remembered in (measure, find_poolings, count.read_once):
        remembered.cache_clear()


contracts.REMEMBERED.append(lambda source: forget())
