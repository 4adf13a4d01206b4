"""How many units of a finished network never say anything."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array, lax

from cnnjax.config import register
from cnnjax.data.batches import Batches
from cnnjax.data.spec import DataSpec
from cnnjax.measures.observed import Observed
from cnnjax.networks import convolution, layers, models
from cnnjax.ops import activation

DEAD, UNITS = "dead ", "units "  # of a layer: how many
WEIGHED = (convolution.Conv, layers.Dense, nn.Conv, nn.Dense)  # what an activation is named by


@contextlib.contextmanager
def _collect() -> Iterator[dict[str, Array]]:
    """Within, the units [..., C] behind each activation, by the layer of weights before it."""
    found: dict[str, Array] = {}
    last = ["layer"]

    def call(next_function: Any, args: Any, kwargs: Any, context: Any) -> Any:
        if isinstance(context.module, WEIGHED) and context.method_name == "__call__":
            last[0] = "/".join(context.module.path)
        return next_function(*args, **kwargs)

    def see(units: Array) -> None:
        again = sum(name.partition(", ")[0] == last[0] for name in found)
        found[f"{last[0]}, {again + 1}" if again else last[0]] = units

    with activation.watch(see), nn.intercept_methods(call):
        yield found


def finish(found: Mapping[str, np.ndarray], spec: DataSpec) -> dict[str, Any]:
    """The share of dead units of all layers together, and by layer, from how many there are."""
    names = [name.removeprefix(UNITS) for name in found if name.startswith(UNITS)]
    if not names:
        return {}
    units = np.array([found[UNITS + name] for name in names], np.float64)
    dead = np.array([found[DEAD + name] for name in names], np.float64)
    by_layer = dict(zip(names, (dead / units).tolist(), strict=True))
    return {"dead_units": float(dead.sum() / units.sum()), "dead_units_by_layer": by_layer}


@register.measure("dead_units", finish=finish)
def measure_dead_units(
    model: models.Model, params: models.Params, stats: models.Stats, observed: Observed, key: Array
) -> dict[str, Array]:
    """The share of units that are 0 for all validation images, a map of a channel being one."""

    def find_alive(batch: Batches) -> dict[str, Array]:
        with _collect() as found:
            model.apply(params, stats, observed.prepare(batch.images), None)
        real = batch.mask > 0
        return {
            name: ((units != 0) & real.reshape(-1, *[1] * (units.ndim - 1))).any(
                axis=tuple(range(units.ndim - 1))
            )
            for name, units in found.items()
        }

    alive = jax.tree.map(lambda own: own.any(axis=0), lax.map(find_alive, observed.validation))
    dead = {DEAD + name: (~own).sum() for name, own in alive.items()}
    return dead | {UNITS + name: jnp.asarray(own.size) for name, own in alive.items()}
