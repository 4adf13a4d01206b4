"""How much of each layer answers to an image."""

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

LAYER, UNITS = "active ", "units "  # of a layer: the share that answers, and how many there are


def finish(found: Mapping[str, np.ndarray], spec: DataSpec) -> dict[str, Any]:
    """The share of all units together, and by layer."""
    by_layer, sizes = read_numbered(LAYER, found), read_numbered(UNITS, found)
    if not by_layer:
        return {}
    mean = float(np.average([*by_layer.values()], weights=[*sizes.values()]))
    return {"active_units": mean, "active_units_by_layer": by_layer}


@register.measure("activity", finish=finish)
def measure_activity(
    model: models.Model, params: models.Params, stats: models.Stats, observed: Observed, key: Array
) -> dict[str, Array]:
    """The share of units that are not 0 for a validation image, each cell of a map being one.

    Nothing of a network that uses no non-linearity of ours.
    """
    sizes: dict[str, Array] = {}

    def count(batch: Batches) -> Units:
        seen = see_activated(model, params, stats, observed.prepare(batch.images))
        sizes.update({name: jnp.asarray(own[0].size) for name, own in seen.items()})

        def find(units: Array) -> Array:
            active = (units != 0).reshape(len(units), -1).astype(jnp.float32)
            return (active.mean(axis=1) * batch.mask).sum()

        return jax.tree.map(find, seen)

    total = observed.validation.mask.sum()
    shares = jax.tree.map(lambda own: own.sum() / total, lax.map(count, observed.validation))
    return {**write_numbered(LAYER, shares), **write_numbered(UNITS, sizes)}
