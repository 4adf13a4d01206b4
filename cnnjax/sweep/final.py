"""The network kept of a lane, its last or its best: weights, and what its images must be."""

import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cnnjax.config.config import Config, to_json
from cnnjax.config.knobs import ConfigError
from cnnjax.data.transform import Pixels
from cnnjax.networks.models import Params, Stats
from cnnjax.records import weights
from cnnjax.sweep.judged import Network, take
from cnnjax.sweep.session import Session
from cnnjax.training import program


class Input(NamedTuple):
    """What a network takes and gives."""

    image_shape: tuple[int, int, int]  # height, width, channels of images as stored
    num_classes: int
    pixels: Pixels  # of the training images
    class_names: tuple[str, ...] = ()  # in the order of the classes; none where they have no names
    dtype: str = ""  # of images as stored: uint8 or float32; empty where the file does not say


class Final(NamedTuple):
    """The network that is kept of a finished lane, and what its images must be."""

    params: Params
    stats: Stats
    input: Input
    step: int | None = None  # after how many; None where its file does not say


def keep(
    session: Session, states: program.State, best: Sequence[Network | None],
    steps: Sequence[int], class_names: Sequence[str],
) -> list[Final]:  # fmt: skip
    """What is kept of each finished lane: its best network, where there is one, or its last.

    The states are each after its `steps`.
    """
    without = [lane for lane, own in enumerate(best) if own is None]
    last = dict(zip(without, take(session, states, without, steps), strict=True))
    spec = session.data.spec
    mean, std = (np.asarray(own, np.float32) for own in (spec.mean, spec.std))
    pixels = Pixels(mean, std, float(spec.low), float(spec.high))
    dtype = str(session.data.test.images.dtype)
    taken = Input(spec.image_shape, spec.num_classes, pixels, tuple(class_names), dtype)
    networks = [last[lane] if own is None else own for lane, own in enumerate(best)]
    return [Final(own.params, own.stats, taken, own.step) for own in networks]


def save(folder: pathlib.Path, config: Config, final: Final, keep: str = "final") -> None:
    """Writes final.safetensors, or best.safetensors to `keep` that.

    It says what run it is of, after how many steps, and what images it takes.
    """
    own = final.input
    pixels = {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in own.pixels._asdict().items()
    }
    taken = {**own._asdict(), "pixels": pixels}
    about = {"config": to_json(config), "input": taken, "step": final.step}
    tree = {"params": final.params, "stats": final.stats}
    weights.save(folder / weights.NAMES[keep], tree, about)


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
    shape, names, dtype = tuple(own["image_shape"]), tuple(own["class_names"]), own.get("dtype", "")
    taken = Input(shape, own["num_classes"], pixels, names, dtype)  # pyright: ignore[reportArgumentType]
    params, stats = tree.get("params", {}), tree.get("stats", {})
    return about["config"], Final(params, stats, taken, about.get("step"))
