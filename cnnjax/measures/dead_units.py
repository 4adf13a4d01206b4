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
from cnnjax.measures.units import see_activated
from cnnjax.networks import models

DEAD, UNITS = "dead ", "units "  # of a layer: how many


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
        found = see_activated(model, params, stats, observed.prepare(batch.images))
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
