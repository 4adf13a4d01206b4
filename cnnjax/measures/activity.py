"""How much of each layer answers to an image."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

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
    sizes: dict[str, int] = {}

    def count(batch: Batches) -> dict[str, Array]:
        seen = see_activated(model, params, stats, observed.prepare(batch.images))
        shares: Units = OrderedDict()
        for name, units in seen.items():
            flat = (units != 0).reshape(len(units), -1)
            sizes[name] = flat.shape[1]
            shares[name] = (flat.astype(jnp.float32).mean(axis=1) * batch.mask).sum()
        return shares

    total = observed.validation.mask.sum()
    shares = {name: own.sum() / total for name, own in lax.map(count, observed.validation).items()}
    units = {name: jnp.asarray(sizes[name]) for name in shares}
    return {**write_numbered(LAYER, shares), **write_numbered(UNITS, units)}
