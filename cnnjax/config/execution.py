"""Knobs of how a run is computed. Imports no JAX."""

import dataclasses
from typing import Literal

from cnnjax.config.knobs import structure


@dataclasses.dataclass(frozen=True)
class Execution:
    """How a run is computed."""

    dtype: Literal["float32", "bfloat16"] = structure(
        "float32",
        "Precision of the network's arithmetic; parameters and loss are float32. A CPU rounds"
        " float32 to bfloat16 around every product.",
    )
    precision: Literal["highest", "high", "default"] = structure(
        "highest",
        "Precision of every product and convolution in JAX's words: highest is that of --dtype;"
        " default lets a TPU multiply float32 in bfloat16 and a GPU in TF32, high is between. A"
        " CPU always has the highest.",
    )
    lanes_strategy: Literal["auto", "map", "vmap"] = structure(
        "auto",
        "How runs of one program share a device: one after the other (map), in step (vmap, in"
        " chunks that follow from the other knobs), or the platform's faster one. The last bits"
        " of a run depend on it, and with vmap on the number of devices.",
    )
