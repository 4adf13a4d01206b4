"""Weights that a run starts from, in place of drawn ones: of a finished run, or of a file.

All of a network's, or all but those of its last layer where the classes are others.
"""

import functools
import hashlib
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from flax import traverse_util

from cnnjax.config import paths, words
from cnnjax.config.config import Config, structure_of
from cnnjax.config.errors import ConfigError
from cnnjax.networks import cost, count, models, published
from cnnjax.records import weights
from cnnjax.training import optimizers

SHOWN = 3  # names in a refusal


class Start(NamedTuple):
    """What of a network is not drawn: trees of float32 arrays, as those of the network."""

    params: Any
    stats: Any
    drawn: tuple[str, ...]  # paths of parameters that the file has in another shape
    sha256: str  # of all that is not drawn


def find_file(text: str) -> pathlib.Path:
    """The file of weights that --init_from names. Raises ConfigError where there is none."""
    path = paths.expand(text)
    if path.is_dir():
        files = [path / name for name in weights.NAMES.values()]
        path = next((file for file in files if file.exists()), files[0])
    if not path.is_file():
        raise ConfigError(
            f"--init_from={text}: there is no {path}: name a file of weights, or the folder of a"
            " run that kept them (--keep=final)"
        )
    return path


def load(config: Config, image_shape: Sequence[int], num_classes: int) -> Start | None:
    """The weights that a run on images [H, W, C] starts from; None where all are drawn.

    They are read once, until `forget`: what becomes of the file meanwhile changes no run. Raises
    ConfigError where they are of another network.
    """
    if not config.init_from:
        return None
    shape = (image_shape[0], image_shape[1], image_shape[2])
    return _load(cost.find_network(structure_of(config), shape, num_classes), shape, num_classes)


def describe_all(shapes: Iterable[tuple[Config, tuple[Sequence[int], int]]]) -> list[str]:
    """`describe` of several runs with what they see, whose weights are read anew."""
    forget()
    return [note for config, info in shapes for note in describe(config, *info)]


def forget() -> None:
    """What is asked for from now on is read anew."""
    _load.cache_clear()
    _read_file.cache_clear()


@functools.cache
def _load(network: Config, shape: tuple[int, int, int], num_classes: int) -> Start:
    model = models.make_model(network, shape, num_classes, models.SHAPES_ONLY)
    params, stats = models.find_shapes(model)
    given = _read(network, shape)
    last = (model.roles.logits or "").rpartition("/")[0]
    own = _fit(network.init_from, count.flatten(params), given.get("params", {}), last)
    kept = _fit(network.init_from, count.flatten(stats), given.get("stats", {}), last)
    drawn = tuple(name for name, value in own.items() if value is None)
    digest = hashlib.sha256()
    for name, value in sorted([*own.items(), *kept.items()]):
        digest.update(f"{name} ".encode() + (b"" if value is None else value.tobytes()))
    return Start(_unflatten(own), _unflatten(kept), drawn, digest.hexdigest())


@functools.cache
def _read_file(text: str) -> dict[str, Any]:
    return weights.load(find_file(text)).tree


def _read(config: Config, shape: tuple[int, int, int]) -> dict[str, Any]:
    """Parameters and statistics of a file of ours, or of one in torchvision's layout."""
    tree = _read_file(config.init_from)
    if not published.is_published(tree):
        return tree
    try:
        classes = published.count_classes(tree, config)
        params, stats = published.convert(tree, config, shape, classes)
    except ConfigError as error:
        raise ConfigError(f"--init_from={config.init_from}: {error}") from None
    return {"params": params, "stats": stats}


def describe_origin(config: Config, image_shape: Sequence[int], num_classes: int) -> dict[str, Any]:
    """What an origin says of the weights that a run starts from; nothing where all are drawn."""
    start = load(config, image_shape, num_classes)
    return {} if start is None else {"start": start.sha256}


def _fit(
    text: str, wanted: Mapping[str, Any], tree: Mapping[str, Any], last: str
) -> dict[str, np.ndarray | None]:
    """An array for each that is wanted; None for those of the last layer that are of other shape.

    Raises ConfigError unless that has all others, in their shapes, and none besides.
    """
    there = count.flatten(tree)
    found: dict[str, np.ndarray | None] = {}
    unlike = [f"{name} is not in it" for name in wanted if name not in there]
    unlike += [f"it has {name}" for name in there if name not in wanted]
    for name in (name for name in wanted if name in there):
        value, shape = np.asarray(there[name], np.float32), tuple(wanted[name].shape)
        found[name] = value if value.shape == shape else None
        if value.shape != shape and not (last and name.startswith(f"{last}/")):
            unlike.append(f"{name} is {list(value.shape)}, and {list(shape)} here")
    if unlike:
        said = words.list_first(unlike, SHOWN, "; ")
        raise ConfigError(f"--init_from={text} is of another network: {said}")
    return found


def _unflatten(arrays: Mapping[str, np.ndarray | None]) -> dict[str, Any]:
    given = {name: value for name, value in arrays.items() if value is not None}
    return traverse_util.unflatten_dict(given, sep="/")


def describe(config: Config, image_shape: Sequence[int], num_classes: int) -> list[str]:
    """What a person should know of weights that a run starts from.

    Raises ConfigError as `load`, and where all but a last layer is to be frozen that it has not.
    """
    if config.freeze == "body":
        shape = (image_shape[0], image_shape[1], image_shape[2])
        network = cost.find_network(config, shape, num_classes)
        model = models.make_model(network, shape, num_classes, models.SHAPES_ONLY)
        optimizers.find_last(model.roles, models.find_shapes(model)[0])
    start = load(config, image_shape, num_classes)
    if start is None or not start.drawn:
        return []
    names = words.count(len(start.drawn), "array")
    return [
        f"--init_from={config.init_from} was trained for other classes than these {num_classes}:"
        f" its last layer ({names}) is drawn anew"
    ]
