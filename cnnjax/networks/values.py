"""What a walk through a network's jaxpr knows of values, and keeps of layers."""

from typing import NamedTuple

import numpy as np

from cnnjax.networks.facts import Facts, Layer
from cnnjax.networks.receptive import View, join


class Value(NamedTuple):
    """What is known of a value of a jaxpr."""

    leaves: frozenset[str] = frozenset()  # parameters that it is made of, where it sees no image
    view: View | None = None  # what of the image it sees
    affine: int | None = None  # number of the layer in whose output it is affine
    owner: str | None = None  # the module that computed it, but by copying; None for none


class Call(NamedTuple):
    """A layer of ours, called on units of one shape."""

    facts: Facts
    path: str
    shape: tuple[int, ...]  # of its output
    dtype: np.dtype
    itemsize: int  # of a number of its output in the precision of the run


class Found(NamedTuple):
    """A layer as it was met."""

    layer: Layer
    facts: Facts
    owner: str
    times: int = 1  # how often it is computed
    kernels: frozenset[str] = frozenset()
    own: bool = False
    logits: str | None = None  # its kernel, where it could be the layer that gives the logits


def is_below(name: str, path: str) -> bool:
    """Whether a parameter lies below a module's path."""
    return not path or name.startswith(f"{path}/")


def hand_on(old: Value, new: Value) -> Value:
    """What a round of a loop hands on to the next in the place of what it was given."""
    affine = new.affine if new.affine == old.affine else None
    return Value(old.leaves | new.leaves, new.view, affine, new.owner)


def either(one: Value, other: Value) -> Value:
    """The result of a branch that may be that of another, whose layers are not kept."""
    view = other.view and other.view._replace(source=(0, -1))
    return Value(one.leaves | other.leaves, join([one.view, view]), None, "")
