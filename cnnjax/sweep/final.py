"""The network of a finished lane: its weights, and what its images must be to meet them."""

import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from cnnjax.config.config import Config, to_json
from cnnjax.config.knobs import ConfigError
from cnnjax.data.transform import Pixels
from cnnjax.networks.models import Params, Stats
from cnnjax.records import weights
from cnnjax.sweep.session import Session
from cnnjax.training import program


class Input(NamedTuple):
    """What a network takes and gives."""

    image_shape: tuple[int, int, int]  # height, width, channels of images as stored
    num_classes: int
    pixels: Pixels  # of the training images
    class_names: tuple[str, ...] = ()  # in the order of the classes; none where they have no names


class Final(NamedTuple):
    """A finished lane as it is judged, in NumPy: its average's where it has one."""

    params: Params
    stats: Stats
    input: Input


def take(
    session: Session, states: program.State, num_lanes: int, class_names: Sequence[str]
) -> list[Final]:
    """The first lanes of finished states, each in arrays of its own."""
    judged = states.ema or program.Average(states.params, states.batch_stats)
    host, spec = jax.device_get(judged), session.data.spec
    mean, std = (np.asarray(own, np.float32) for own in (spec.mean, spec.std))
    pixels = Pixels(mean, std, float(spec.low), float(spec.high))
    taken = Input(spec.image_shape, spec.num_classes, pixels, tuple(class_names))
    lanes = (
        jax.tree.map(lambda leaf, at=lane: np.array(leaf[at]), host) for lane in range(num_lanes)
    )
    return [Final(own.params, own.batch_stats, taken) for own in lanes]


def save(folder: pathlib.Path, config: Config, final: Final) -> None:
    """Writes final.safetensors, which says what run it is of and what images it takes."""
    own = final.input
    pixels = {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in own.pixels._asdict().items()
    }
    about = {"config": to_json(config), "input": {**own._asdict(), "pixels": pixels}}
    weights.save(folder / weights.NAME, {"params": final.params, "stats": final.stats}, about)


def load(path: pathlib.Path) -> tuple[dict[str, Any], Final]:
    """The config of a file of `save`, as JSON, and its network.

    Raises ConfigError where the file is not whole, or another program's.
    """
    tree, about = weights.load(path)
    if "config" not in about:
        raise ConfigError(f"{path} does not say what run it is of: it is none of ours")
    own = about["input"]
    mean, std = (np.asarray(own["pixels"][name], np.float32) for name in ("mean", "std"))
    pixels = Pixels(mean, std, own["pixels"]["low"], own["pixels"]["high"])
    taken = Input(tuple(own["image_shape"]), own["num_classes"], pixels, tuple(own["class_names"]))  # pyright: ignore[reportArgumentType]
    return about["config"], Final(tree.get("params", {}), tree.get("stats", {}), taken)
