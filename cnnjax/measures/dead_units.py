"""How many units of a finished network never say anything."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from cnnjax.config import register
from cnnjax.data.batches import Batches
from cnnjax.data.spec import DataSpec
from cnnjax.measures.observed import Observed
from cnnjax.measures.units import Units, read_numbered, see_activated, write_numbered
from cnnjax.networks import models

DEAD, UNITS = "dead ", "units "  # of a layer: how many


def finish(found: Mapping[str, np.ndarray], spec: DataSpec) -> dict[str, Any]:
    """The share of dead units of all layers together, and by layer, from how many there are."""
    dead, units = read_numbered(DEAD, found), read_numbered(UNITS, found)
    if not units:
        return {}
    by_layer = {name: dead[name] / units[name] for name in units}
    share = sum(dead.values()) / sum(units.values())
    return {"dead_units": share, "dead_units_by_layer": by_layer}


@register.measure("dead_units", finish=finish)
def measure_dead_units(
    model: models.Model, params: models.Params, stats: models.Stats, observed: Observed, key: Array
) -> dict[str, Array]:
    """The share of units that are 0 for all validation images, a map of a channel being one."""

    def find_alive(batch: Batches) -> Units:
        found = see_activated(model, params, stats, observed.prepare(batch.images))
        real = batch.mask > 0

        def find(units: Array) -> Array:
            spoken = (units != 0) & real.reshape(-1, *[1] * (units.ndim - 1))
            return spoken.any(axis=tuple(range(units.ndim - 1)))

        return jax.tree.map(find, found)

    alive = jax.tree.map(lambda own: own.any(axis=0), lax.map(find_alive, observed.validation))
    dead = {name: (~own).sum() for name, own in alive.items()}
    units = {name: jnp.asarray(own.size) for name, own in alive.items()}
    return {**write_numbered(DEAD, dead), **write_numbered(UNITS, units)}
