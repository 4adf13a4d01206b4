"""A few test images of a run's data set, for a page: only those that are asked for are decoded."""

import contextlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from cnnjax.config.config import Config, request_of
from cnnjax.config.datasets import PREPARED, Where, parse
from cnnjax.config.knobs import ConfigError, RunError
from cnnjax.data import load
from cnnjax.data.sources import prepared


class Picture(NamedTuple):
    """A test image as it is stored, cut and resized where the host does that for the network."""

    pixels: np.ndarray  # [height, width, channels]
    name: str  # of its file below the data set's folder; empty where images are no files


class Shown(NamedTuple):
    """A test image, and pictures [H, W] or [H, W, C] of what a network makes of it, by name."""

    place: int  # in the test split, from 0
    label: str  # its class
    answer: str  # and what it is taken for
    image: np.ndarray
    pictures: dict[str, np.ndarray]


def make_look(where: Where | None) -> Callable[..., dict[int, Picture]]:
    """What gives `look(config, labels, places)`: images of a run's test split, by their place.

    `labels` [n] are those of the whole split. Data that are not at hand, or have other labels,
    give no image at all: nothing is prepared or fetched for a page's sake. None looks nowhere.
    """

    def look(config: Config, labels: np.ndarray, places: Iterable[int]) -> dict[int, Picture]:
        with contextlib.suppress(ConfigError, RunError, OSError):
            if where is not None:
                return _read(config, labels, places, where._replace(offline=True))
        return {}

    return look


def _read(
    config: Config, labels: np.ndarray, places: Iterable[int], where: Where
) -> dict[int, Picture]:
    request, name = request_of(config), parse(config.dataset)
    if name.kind in PREPARED and not prepared.is_prepared(name, where):
        return {}
    opened = load.open_source(request, where)
    examples, side = opened.splits["test"], load.find_side(opened, request)
    if len(examples) != len(labels):
        return {}
    files = getattr(examples, "items", None) if name.kind == "folder" else None
    found = {}
    for place in places:
        image, label = examples[place]
        if label != labels[place]:
            return {}
        pixels = load.fit_pixels(image, opened.channels, side, request.eval_crop)
        found[place] = Picture(pixels, files[place].path if files is not None else "")
    return found
