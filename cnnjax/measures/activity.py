"""How much of each layer answers to an image."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from cnnjax.config import register
from cnnjax.data.batches import Batches
from cnnjax.data.spec import DataSpec
from cnnjax.measures.observed import Observed
from cnnjax.measures.units import see_activated
from cnnjax.networks import models

LAYER, UNITS = "active ", "units "  # of a layer: the share that answers, and how many there are


def finish(found: Mapping[str, np.ndarray], spec: DataSpec) -> dict[str, Any]:
    """The share of all units together, and by layer."""
    by_layer = {key.removeprefix(LAYER): float(found[key]) for key in found
                if key.startswith(LAYER)}  # fmt: skip
    if not by_layer:
        return {}
    sizes = [float(found[UNITS + name]) for name in by_layer]
    mean = float(np.average([*by_layer.values()], weights=sizes))
    return {"active_units": mean, "active_units_by_layer": by_layer}


@register.measure("activity", finish=finish)
def measure_activity(
    model: models.Model, params: models.Params, stats: models.Stats, observed: Observed, key: Array
) -> dict[str, Array]:
    """The share of units that are not 0 for an image, on average over validation images; each cell
    of a map is one. Nothing of a network that uses no non-linearity of ours.
    """  # fmt: skip
    sizes: dict[str, int] = {}

    def count(batch: Batches) -> dict[str, Array]:
        seen = see_activated(model, params, stats, observed.prepare(batch.images))
        shares = {}
        for name, units in seen.items():
            flat = (units != 0).reshape(len(units), -1)
            sizes[name] = flat.shape[1]
            shares[name] = (flat.astype(jnp.float32).mean(axis=1) * batch.mask).sum()
        return shares

    total = observed.validation.mask.sum()
    shares = {name: own.sum() / total for name, own in lax.map(count, observed.validation).items()}
    return {LAYER + name: own for name, own in shares.items()} | {
        UNITS + name: jnp.asarray(sizes[name]) for name in shares
    }
