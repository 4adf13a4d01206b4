"""Arithmetic in fewer bits than float32, and whose arithmetic it is."""

import jax.numpy as jnp
from jax import Array, lax


def is_cpu(platform: str) -> bool:
    """Whether a program is for a CPU; `platform` is the JAX back end that it is for.

    It is never guessed from this host, which may trace a program for another.
    """
    return platform == "cpu"


def round_to(dtype: str, values: Array, platform: str) -> Array:
    """`values` in float32 or bfloat16, as `platform` has it.

    A CPU has no arithmetic in bfloat16, and is several times slower where XLA imitates it: there
    they are float32 rounded to bfloat16's 8 bits.
    """
    if dtype == "bfloat16" and is_cpu(platform):
        return lax.reduce_precision(values, exponent_bits=8, mantissa_bits=7)
    return values.astype(jnp.dtype(dtype))


def widen(values: Array) -> Array:
    """In float32 at least: sums over many values, and random draws, are beyond bfloat16."""
    return values.astype(jnp.float32) if values.dtype == jnp.bfloat16 else values
