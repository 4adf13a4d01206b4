"""Arithmetic in fewer bits than float32."""

import jax
import jax.numpy as jnp
from jax import Array, lax


def round_to(dtype: str, values: Array) -> Array:
    """`values` in float32 or bfloat16.

    A CPU has no arithmetic in bfloat16, and is several times slower where XLA imitates it: there
    they are float32 rounded to bfloat16's 8 bits.
    """
    if dtype == "bfloat16" and jax.default_backend() == "cpu":
        return lax.reduce_precision(values, exponent_bits=8, mantissa_bits=7)
    return values.astype(jnp.dtype(dtype))
