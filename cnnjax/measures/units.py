"""What the layers of a network say of images, one after the other."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import jax
from flax import linen as nn
from jax import Array

from cnnjax.networks import convolution, layers, models
from cnnjax.ops import activation

WEIGHED = (convolution.Conv, layers.Dense, nn.Conv, nn.Dense)  # what units are named by
Units = dict[str, Array]  # [N, ..., C] by the path of a layer of weights, in their order


def see_units(
    model: models.Model, params: models.Params, stats: models.Stats, images: Array,
    added: Mapping[str, Array] | None = None,
) -> tuple[Array, Units]:  # fmt: skip
    """Logits [N, classes] of images as the network takes them, and the units behind each
    non-linearity, by the layer of weights before it (a second one behind it is "NAME, 2").

    Of a network that uses none of ours they are what each layer of weights gives. `added`, of the
    shape of some units and by their name, is added to them before they go on: the gradient of
    logits by it is that by these units.
    """

    def see(images: Array, behind: bool = True) -> tuple[Array, Units]:
        with _watch(behind, added or {}) as found:
            logits, _ = model.apply(params, stats, images, None)
        return logits, found

    return see(images, behind=bool(jax.eval_shape(see, images)[1]))


def see_activated(
    model: models.Model, params: models.Params, stats: models.Stats, images: Array
) -> Units:
    """The units behind each non-linearity alone, so none of a network that uses none of ours."""
    with _watch(True, {}) as found:
        model.apply(params, stats, images, None)
    return found


def list_shapes(
    model: models.Model, params: models.Params, stats: models.Stats, images: Array
) -> dict[str, tuple[int, ...]]:
    """The shapes of what `see_units` gives, by name."""
    found = jax.eval_shape(lambda images: see_units(model, params, stats, images)[1], images)
    return {name: units.shape for name, units in found.items()}


@contextlib.contextmanager
def _watch(behind: bool, added: Mapping[str, Array]) -> Iterator[Units]:
    """Within, units are kept: those behind non-linearities, or those of layers of weights."""
    found: Units = {}
    last = ["layer"]

    def keep(name: str, units: Array) -> Array:
        again = sum(own.partition(", ")[0] == name for own in found)
        name = f"{name}, {again + 1}" if again else name
        found[name] = units + added[name] if name in added else units
        return found[name]

    def call(next_function: Any, args: Any, kwargs: Any, context: Any) -> Any:
        given = next_function(*args, **kwargs)
        if not isinstance(context.module, WEIGHED) or context.method_name != "__call__":
            return given
        last[0] = "/".join(context.module.path)
        return given if behind else keep(last[0], given)

    def see(units: Array) -> Array:
        return keep(last[0], units)

    with nn.intercept_methods(call), contextlib.ExitStack() as stack:
        if behind:
            stack.enter_context(activation.watch(see))
        yield found
