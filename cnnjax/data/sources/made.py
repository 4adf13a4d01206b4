"""Data sets that functions from outside make: arrays by name, see `register.dataset`."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cnnjax.config import guard, register
from cnnjax.config.knobs import ConfigError
from cnnjax.data.source import Source
from cnnjax.data.sources import files

NAMES = "class_names"


def open_source(name: str) -> Source:
    """The arrays of a function, which is called once. Raises ConfigError where they do not fit."""
    own = register.find("dataset", name)
    with guard.blame(own, own.make):
        return _open(name, own.make)


@functools.lru_cache(8)
def _open(name: str, make: Callable[[], Mapping[str, Any]]) -> Source:
    found = make()
    if not isinstance(found, Mapping):
        raise ConfigError(
            f"--dataset={name} gives {type(found).__name__}: return a dict with x_train, y_train,"
            " x_test, y_test"
        )
    arrays = {key: np.asarray(value) for key, value in found.items() if key != NAMES}
    chosen, notes = files.choose_arrays(name, arrays)
    pairs = {split: (arrays[x], arrays[y]) for split, (x, y) in chosen.items()}
    if NAMES not in found:
        return files.make_source(name, pairs, notes)
    number = functools.partial(number_classes, class_names=tuple(map(str, found[NAMES])))
    return files.make_source(name, pairs, notes, number)


def number_classes(
    name: str, values: Mapping[str, np.ndarray], class_names: Sequence[str]
) -> tuple[Sequence[str], dict[str, np.ndarray], tuple[str, ...]]:
    """As `check.number_classes`, where labels are numbers of `class_names` already."""
    for split, own in values.items():
        if own.dtype.kind == "U" or own.max(initial=0) >= len(class_names):
            raise ConfigError(
                f"--dataset={name}: labels of {split} are not all numbers from 0 to"
                f" {len(class_names) - 1} of the {len(class_names)} {NAMES}"
            )
    return class_names, {split: own.astype(np.int32) for split, own in values.items()}, ()
