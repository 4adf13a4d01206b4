"""Choices from outside, tried in a plan: traced on data that are not there, and nothing compiled.

A network is traced by all who ask what it costs; this is for what training calls besides.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import numpy as np
from jax.extend import core

from cnnjax.config import register
from cnnjax.config.config import KNOBS, Config, numbers_of
from cnnjax.data.batches import EVALUATION_BATCH, Batches
from cnnjax.data.spec import DataSpec
from cnnjax.networks.models import SHAPES_ONLY
from cnnjax.training import program

DTYPES = {int: np.uint32, float: np.float32}  # of a lane's numbers

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
            trace(structure, *info)


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


def describe_numbers(
    structure: Config, lanes: tuple[int, ...] = (), sharding: Any = None
) -> dict[str, jax.ShapeDtypeStruct]:
    """Shapes of the traced numbers of a lane, or of so many `lanes`."""
    return {
        name: jax.ShapeDtypeStruct(lanes, DTYPES[KNOBS[name].type], sharding=sharding)
        for name in numbers_of(structure)
    }


def trace(
    structure: Config, image_shape: tuple[int, int, int], num_classes: int, in_step: bool = False
) -> list[core.ClosedJaxpr]:
    """What training a lane of a structure does, as JAX traces it; of two lanes `in_step`."""
    size, shape_of = EVALUATION_BATCH, jax.ShapeDtypeStruct
    spec = DataSpec(image_shape, num_classes, size, mean=100.0, std=50.0)
    numbers = describe_numbers(structure, (2,) if in_step else ())
    train = program.TrainData(shape_of((size, *image_shape), np.uint8), shape_of((size,), np.int32))
    split = Batches(
        shape_of((1, size, *image_shape), np.uint8), shape_of((1, size), np.int32),
        shape_of((1, size), np.float32),
    )  # fmt: skip
    functions = program.make_program(structure, spec, SHAPES_ONLY)

    def over(function: Callable, *own: int | None) -> Callable:
        return jax.vmap(function, own) if in_step else function

    init = over(functions.init, 0)
    state = jax.eval_shape(init, numbers)
    advance = over(lambda *given: functions.advance(*given, 1, 1), 0, 0, None)
    traced = [
        jax.make_jaxpr(init)(numbers),
        jax.make_jaxpr(advance)(numbers, state, train),
        jax.make_jaxpr(over(functions.examine, 0, None, None))(state, split, split),
    ]
    if functions.begin is not None:
        begin = over(functions.begin, 0, 0, None)
        traced.append(jax.make_jaxpr(begin)(numbers, state, train))
    return traced
