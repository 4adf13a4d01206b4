"""What several measures compute with."""

import jax
import jax.numpy as jnp
from jax import Array


def divide(part: Array, whole: Array) -> Array:
    """A share; 0 of what is nothing or less."""
    return jnp.where(whole > 0, part / jnp.where(whole > 0, whole, 1.0), 0.0)


# One by one: on a CPU threads that factorise several matrices wait for each other, maybe for ever.


@jax.custom_batching.sequential_vmap
def factorise(matrix: Array) -> tuple[Array, Array, Array]:
    """Singular vectors and values of a matrix [n, p]: [n, k], [k] and [k, p], k being the less."""
    left, values, right = jnp.linalg.svd(matrix, full_matrices=False)
    return left, values, right


@jax.custom_batching.sequential_vmap
def find_eigenvalues(matrix: Array) -> Array:
    """Those of a symmetric matrix [n, n], the least first [n]."""
    return jnp.linalg.eigvalsh(matrix)
