"""Published weights in PyTorch's layout as parameters of a network of ours.

A file of torchvision's ResNet, VGG or AlexNet names its tensors by the attributes of its modules,
such as layer1.0.conv1.weight; kernels are [out, in, height, width], dense ones [out, in]. Which
layer of ours that is follows from our own layouts; docs/networks.md says which networks are equal.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from cnnjax.config import models as rows
from cnnjax.config import words
from cnnjax.config.config import Config, make_config
from cnnjax.config.errors import ConfigError
from cnnjax.config.layouts import Conv, Layout, ResNet
from cnnjax.networks import cost, count, models
from cnnjax.networks.models import Params, Stats

Tensors = Mapping[str, np.ndarray]  # by their names in a file
Shapes = Mapping[str, tuple[int, ...]]
ImageShape = tuple[int, int, int]  # height, width, channels, as stored

# What a network of torchvision's is here, by its name there.
SETTINGS: dict[str, dict[str, Any]] = {
    "alexnet": {"model": "alexnet_2014"},
    **{name: {"model": name} for name in ("vgg11", "vgg16", "resnet18", "resnet34", "resnet50")},
}


class Head(NamedTuple):
    """The dense layers of a network there."""

    names: tuple[str, ...]  # the last gives the logits
    side: int  # the first sees as many cells each way, whatever the map: an adaptive mean


HEADS: dict[str, Head] = {  # by our model
    "alexnet_2014": Head(("classifier.1", "classifier.4", "classifier.6"), 6),
    **dict.fromkeys(
        ("vgg11", "vgg16"), Head(("classifier.0", "classifier.3", "classifier.6"), 7)
    ),
    **dict.fromkeys(("resnet18", "resnet34", "resnet50"), Head(("fc",), 1)),
}  # fmt: skip
# What an array of a layer is called there.
ARRAYS = {
    "kernel": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean",
    "var": "running_var",
}  # fmt: skip
COUNTER = ".num_batches_tracked"  # of a norm there: it changes nothing of what a network gives
NAMED = 4  # tensors in a message


class Flattened(NamedTuple):
    """The first dense layer of a network that flattens its last map."""

    name: str  # of its kernel there
    side: int  # cells each way that it sees there
    map_shape: tuple[int, ...]  # height, width, channels of what it sees here


def is_published(tensors: Mapping[str, Any]) -> bool:
    """Whether these are tensors of PyTorch's modules, by their names, and no tree of ours.

    What `records.weights.load` reads of a file, its tree, will do.
    """
    return any(name.endswith(".weight") for name in tensors)


def count_classes(tensors: Tensors, config: Config) -> int:
    """Of how many classes the file of such a network gives logits.

    Raises ConfigError where it is of another network.
    """
    name = f"{_find_head(config).names[-1]}.weight"
    if name not in tensors or not np.ndim(tensors[name]):
        raise ConfigError(_describe(config, {"missing": [name]}, tensors))
    return len(tensors[name])


def convert(
    tensors: Tensors, config: Config, image_shape: ImageShape, num_classes: int
) -> tuple[Params, Stats]:
    """The tensors of a file as parameters and statistics of a network, as its `init` shapes them.

    Arrays are NumPy's, float32. Where the network flattens its last map, the adaptive mean by which
    theirs brings any map to the same cells goes into the dense layer above it, as both are linear:
    logits are equal for images of any size. Raises ConfigError where the file is of another
    network, of other classes, or holds what is no number.
    """
    shapes = _find_shapes(config, image_shape, num_classes)
    names = _name_arrays(config, shapes)
    given = {name: own for name, own in tensors.items() if not name.endswith(COUNTER)}
    _check_names(config, names.values(), given)
    if (there := count_classes(given, config)) != num_classes:
        raise ConfigError(f"classes: the file has {there}, the data {num_classes}")
    flattened = _find_flattened(config, image_shape, num_classes)
    _check_shapes(
        config, given,
        {name: _turn(name, shapes[path], flattened) for path, name in names.items()},
    )  # fmt: skip
    found = {path: _arrange(name, given[name], flattened) for path, name in names.items()}
    trees = traverse_util.unflatten_dict(found, sep="/")
    return trees.get("params", {}), trees.get("stats", {})


def name_layers(config: Config) -> dict[str, str]:
    """The name there of each layer that a published network has, by its path here."""
    head, plan = _find_head(config), rows.lay_out(config, 1)
    pairs = _name_blocks(plan) if isinstance(plan, ResNet) else _name_maps(plan)
    dense = {f"head/dense_{number}": name for number, name in enumerate(head.names[:-1], start=1)}
    return {**dict(pairs), **dense, "head/logits": head.names[-1]}


def _name_maps(layout: Layout) -> Iterator[tuple[str, str]]:
    """Of layers one after the other: each is a module, and each activation is one."""
    number = place = 0
    for layer in layout:
        if isinstance(layer, Conv):
            number += 1
            yield f"conv_{number}", f"features.{place}"
        place += 1 + isinstance(layer, Conv)


def _name_blocks(plan: ResNet) -> Iterator[tuple[str, str]]:
    """Of a residual network: blocks are counted anew in each stage."""
    yield from (("conv_stem", "conv1"), ("norm_stem", "bn1"))
    blocks = [(stage, own) for stage, number in enumerate(plan.blocks, 1) for own in range(number)]
    for index, (stage, own) in enumerate(blocks, start=1):
        here, there = f"block_{index}", f"layer{stage}.{own}"
        for number in range(1, 4 if plan.bottleneck else 3):
            yield f"{here}/conv_{number}", f"{there}.conv{number}"
            yield f"{here}/norm_{number}", f"{there}.bn{number}"
        if own == 0 and (stage > 1 or plan.bottleneck):
            yield f"{here}/conv_shortcut", f"{there}.downsample.0"
            yield f"{here}/norm_shortcut", f"{there}.downsample.1"


def _name_arrays(config: Config, paths: Iterable[str]) -> dict[str, str]:
    """The name there of each array, by its path here, such as params/conv_1/kernel."""
    layers, found, without = name_layers(config), {}, []
    for path in paths:
        layer, _, array = path.partition("/")[2].rpartition("/")
        if layer in layers and array in ARRAYS:
            found[path] = f"{layers[layer]}.{ARRAYS[array]}"
        else:
            without.append(f"{layer}/{array}")
    if without:
        raise ConfigError(
            f"published weights have nothing for {words.list_first(without, NAMED)} of this"
            f" --model={config.model}: leave the knobs of its layers at their defaults"
        )
    return found


def _find_head(config: Config) -> Head:
    if config.model not in HEADS:
        raise ConfigError(
            f"there are no published weights for --model={config.model}: give --model="
            f"{'|'.join(HEADS)}"
        )
    return HEADS[config.model]


def _find_shapes(config: Config, image_shape: ImageShape, num_classes: int) -> Shapes:
    """The shape of each parameter and statistic, by path."""
    _find_head(config)
    cost.measure(config, image_shape, num_classes)  # refuses images that do not fit
    model = models.make_model(config, image_shape, num_classes, models.SHAPES_ONLY)
    params, stats = models.find_shapes(model)
    leaves = count.flatten({"params": params, "stats": stats})
    return {path: leaf.shape for path, leaf in leaves.items()}


def _find_flattened(
    config: Config, image_shape: ImageShape, num_classes: int
) -> Flattened | None:  # fmt: skip
    """None where the dense layers see one value of each channel."""
    if config.head != "flatten":
        return None
    head, measured = _find_head(config), cost.measure(config, image_shape, num_classes)
    return Flattened(f"{head.names[0]}.weight", head.side, measured.map_shape)


def _turn(name: str, shape: tuple[int, ...], flattened: Flattened | None) -> tuple[int, ...]:
    """The shape there of an array whose shape here is given."""
    if flattened is not None and name == flattened.name:
        return shape[-1], flattened.map_shape[-1] * flattened.side**2
    return (*shape[:-3:-1], *shape[:-2]) if len(shape) == 4 else shape[::-1]


def _arrange(name: str, tensor: np.ndarray, flattened: Flattened | None) -> np.ndarray:
    """A tensor with its axes as they are here: HWIO, or [in, out] with a map's cells as HWC."""
    if tensor.ndim == 4:
        tensor = tensor.transpose(2, 3, 1, 0)
    elif flattened is not None and name == flattened.name:
        tensor = _spread(tensor, flattened)
    return np.ascontiguousarray(tensor.T if tensor.ndim == 2 else tensor, np.float32)


def _spread(kernel: np.ndarray, flattened: Flattened) -> np.ndarray:
    """A dense kernel [out, C * side * side] for the map here: [out, H * W * C]."""
    side, (height, width, channels) = flattened.side, flattened.map_shape
    cells = kernel.reshape(-1, channels, side, side)
    if (height, width) != (side, side):
        means = (make_means(height, side), make_means(width, side))
        cells = np.einsum("ocyx,yh,xw->ochw", cells, *means, optimize=True)
    return cells.transpose(0, 2, 3, 1).reshape(len(cells), -1)


def make_means(size: int, side: int) -> np.ndarray:
    """What an adaptive mean to `side` cells along an axis takes of each of `size`: [side, size].

    Cell i is the mean of those from floor(i * size / side) to ceil((i + 1) * size / side), as
    PyTorch's AdaptiveAvgPool2d has it. Each row sums to one.
    """
    found = np.zeros((side, size))
    for cell, row in enumerate(found):
        own = slice(cell * size // side, -(-(cell + 1) * size // side))
        row[own] = 1 / (own.stop - own.start)
    return found


def _check_names(config: Config, wanted: Collection[str], given: Tensors) -> None:
    """Raises ConfigError where the file lacks a tensor or has one that the network does not."""
    wrong = {
        "missing": [name for name in wanted if name not in given],
        "left over": [name for name in given if name not in set(wanted)],
    }
    if any(wrong.values()):
        raise ConfigError(_describe(config, wrong, given))


def _check_shapes(config: Config, given: Tensors, expected: Shapes) -> None:
    """Raises ConfigError where a tensor is of another shape, or not of finite floats."""
    wrong = [
        f"{name} (here {_cross(shape)}, in the file {_cross(given[name].shape)})"
        for name, shape in expected.items()
        if given[name].shape != shape
    ]
    if wrong:
        raise ConfigError(_describe(config, {"of another shape": wrong}, given))
    for name in expected:
        if not jnp.issubdtype(given[name].dtype, jnp.floating):
            raise ConfigError(f"{name} is of {given[name].dtype}: give weights that are floats")
        if not np.isfinite(given[name]).all():
            raise ConfigError(f"{name} holds values that are no finite numbers: the file is no use")


def _describe(config: Config, wrong: Mapping[str, Collection[str]], given: Tensors) -> str:
    """Why the tensors do not fit, and of which network they are where that is known."""
    parts = [f"{what} {words.list_first(names, NAMED)}" for what, names in wrong.items() if names]
    likely = _guess(given)
    own = [f"they are of {likely}, which is --model={SETTINGS[likely]['model']}"] if likely else []
    return f"the weights are not of this --model={config.model}: {'; '.join([*parts, *own])}"


def _guess(given: Tensors) -> str:
    """Torchvision's name of the network that has all these modules; empty where none has."""
    modules = {name.rpartition(".")[0] for name in given}
    own = (name for name, settings in SETTINGS.items()
           if modules == {*name_layers(make_config(settings)).values()})  # fmt: skip
    return next(own, "")


def _cross(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
