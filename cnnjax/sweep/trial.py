"""Choices from outside, tried in a plan: traced on data that are not there, and nothing compiled.

A network is traced by all who ask what it costs; this is for what training calls besides.
"""

from collections.abc import Iterable, Iterator

import jax
import numpy as np

from cnnjax.config import register
from cnnjax.config.config import KNOBS, Config, numbers_of
from cnnjax.data.batches import EVALUATION_BATCH, Batches
from cnnjax.data.spec import DataSpec
from cnnjax.networks.models import SHAPES_ONLY
from cnnjax.sweep.placement import DTYPES
from cnnjax.training import program

Info = tuple[tuple[int, int, int], int]  # shape of an image, number of classes


def check_choices(groups: Iterable[tuple[Config, Info]]) -> None:
    """Raises PluginError where a choice of a structure from outside is found to be wrong.

    That is one that training calls by itself: an optimiser, a schedule, an augmentation, a measure
    or a corruption. Each set of these is traced once.
    """
    tried = set()
    for structure, info in groups:
        named = frozenset(_list_outside(structure))
        if named and named not in tried:
            tried.add(named)
            _trace(structure, *info)


def _list_outside(structure: Config) -> Iterator[tuple[str, str]]:
    """Knobs and names of a structure's choices from outside."""
    corruptions = register.CHOICES["corruption"] if "robustness" in structure.measure else ()
    named = {
        "optimizer": [structure.optimizer], "schedule": [structure.schedule],
        "augment": structure.augment, "measure": structure.measure, "corruption": corruptions,
    }  # fmt: skip
    for knob, names in named.items():
        known = register.CHOICES[knob]
        yield from ((knob, name) for name in names if name in known and known[name].source)


def _trace(structure: Config, image_shape: tuple[int, int, int], num_classes: int) -> None:
    size, shape_of = EVALUATION_BATCH, jax.ShapeDtypeStruct
    spec = DataSpec(image_shape, num_classes, size, mean=100.0, std=50.0)
    numbers = {name: shape_of((), DTYPES[KNOBS[name].type]) for name in numbers_of(structure)}
    train = program.TrainData(shape_of((size, *image_shape), np.uint8), shape_of((size,), np.int32))
    split = Batches(
        shape_of((1, size, *image_shape), np.uint8), shape_of((1, size), np.int32),
        shape_of((1, size), np.float32),
    )  # fmt: skip
    functions = program.make_program(structure, spec, SHAPES_ONLY)
    state = jax.eval_shape(functions.init, numbers)
    jax.eval_shape(lambda *given: functions.advance(*given, 1, 1), numbers, state, train)
    jax.eval_shape(functions.examine, state, split, split)
    if functions.begin is not None:
        jax.eval_shape(functions.begin, numbers, state, train)
