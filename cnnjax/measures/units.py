"""What the layers of a network say of images, one after the other."""

import contextlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

import jax
from flax import linen as nn
from flax.core import tracers
from jax import Array

from cnnjax.networks import convolution, layers, models
from cnnjax.ops import activation

WEIGHED = (convolution.Conv, layers.Dense, nn.Conv, nn.Dense)  # what units are named by
# [N, ..., C] by the path of a layer of weights, in their order: an OrderedDict, for JAX sorts what
# else there is.
Units = dict[str, Array]


def see_units(
    model: models.Model, params: models.Params, stats: models.Stats, images: Array,
    added: Mapping[str, Array] | None = None,
) -> tuple[Array, Units]:  # fmt: skip
    """Logits [N, classes] of images as the network takes them, and the units behind each
    non-linearity, by the layer of weights before it (a second one behind it is "NAME, 2").

    Of a network that uses none of ours they are what each layer of weights gives. What is within
    `nn.remat`, `nn.scan` or `nn.jit` is not seen. `added`, of the shape of some units and by their
    name, is added to them before they go on: the gradient of logits by it is that by these units.
    """

    def see(images: Array, behind: bool = True) -> tuple[Array, Units]:
        with _watch(behind, added or {}) as found:
            logits, _ = model.apply(params, stats, images, None)
        return logits, found

    return see(images, behind=bool(jax.eval_shape(see, images)[1]))


def see_map(
    model: models.Model, params: models.Params, stats: models.Stats, images: Array
) -> Array | None:
    """The last map [N, h, w, C] of more than one cell, be it behind a pooling of ours: what a head
    sees, or sees the mean of. None where there is none.
    """  # fmt: skip
    with _watch(True, {}, pools=True) as found:
        model.apply(params, stats, images, None)
    seen = found or see_units(model, params, stats, images)[1]
    return next((own for own in reversed(seen.values()) if _is_map(own)), None)


def see_activated(
    model: models.Model, params: models.Params, stats: models.Stats, images: Array
) -> Units:
    """The units behind each non-linearity alone, so none of a network that uses none of ours."""
    with _watch(True, {}) as found:
        model.apply(params, stats, images, None)
    return found


def find_last_map(
    model: models.Model, params: models.Params, stats: models.Stats, images: Array
) -> tuple[str, jax.ShapeDtypeStruct] | None:
    """Name, and shape [N, h, w, C] with type, of the last units of `see_units` that are a map.

    None where there is none.
    """
    found = describe_units(model, params, stats, images)
    return next((own for own in reversed(found.items()) if _is_map(own[1])), None)


def _is_map(units: Array | jax.ShapeDtypeStruct) -> bool:
    """Whether units are a map of more than one cell."""
    return units.ndim == 4 and units.shape[1:3] != (1, 1)


def describe_units(
    model: models.Model, params: models.Params, stats: models.Stats, images: Array
) -> OrderedDict[str, jax.ShapeDtypeStruct]:
    """Shapes and types of what `see_units` gives, by name in their order."""
    return jax.eval_shape(lambda *given: see_units(model, *given)[1], params, stats, images)


def write_numbered(start: str, values: Mapping[str, Array]) -> dict[str, Array]:
    """Values by layer as a measure gives them: JAX sorts names, and so each has its number."""
    return {f"{start}{place:04} {name}": own for place, (name, own) in enumerate(values.items())}


def read_numbered(start: str, found: Mapping[str, Any]) -> dict[str, float]:
    """The numbers by layer, in their order, of what `write_numbered` gave."""
    own = sorted(name for name in found if name.startswith(start))
    return {name.removeprefix(start)[5:]: float(found[name]) for name in own}


@contextlib.contextmanager
def _watch(behind: bool, added: Mapping[str, Array], pools: bool = False) -> Iterator[Units]:
    """Within, units are kept: those behind non-linearities, or those of layers of weights.

    With `pools` those behind poolings too.
    """
    found: Units = OrderedDict()
    last, outside = ["layer"], tracers.current_trace()

    def keep(name: str, units: Array) -> Array:
        if tracers.current_trace() != outside:  # in a loop, or what else JAX traces by itself
            return units
        again = sum(own.partition(", ")[0] == name for own in found)
        name = f"{name}, {again + 1}" if again else name
        found[name] = units + added[name] if name in added else units
        return found[name]

    def call(next_function: Any, args: Any, kwargs: Any, context: Any) -> Any:
        given = next_function(*args, **kwargs)
        if pools and isinstance(context.module, layers.Pool):
            return keep("/".join(context.module.path), given)
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
