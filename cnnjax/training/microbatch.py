"""A batch in pieces that fit a CPU's cache, summed on one device or on two to the same bits."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from cnnjax.config.config import Config
from cnnjax.networks import cost

SHARDS = 2  # parts of a batch that may lie on different devices; their sum has no order
CACHE_BYTES = 3 * 2**20  # outputs of all layers for one piece; measured on 32 MiB of shared cache


def count_pieces(structure: Config, image_shape: tuple[int, int, int], num_classes: int) -> int:
    """Pieces of a training batch for a CPU: 1, or a multiple of `SHARDS`.

    A piece should fit the cache, and hold no less than the parameters, whose gradients are read
    and written once a piece. Batch normalisation needs its batch whole.
    """
    if structure.norm == "batch":
        return 1
    measured = cost.measure(structure, image_shape, num_classes)
    if measured.mixes_batch:
        return 1
    enough = max(CACHE_BYTES, 4 * measured.parameters)
    size = structure.batch_size
    while size % 2 == 0 and size * measured.activation_bytes > enough:
        size //= 2
    return structure.batch_size // size


def sum_over_pieces(function: Callable[[Any], Any], pieces: Any, axis: str | None) -> Any:
    """The sum of `function` over a tree of arrays that lead with the pieces, an even number.

    With `axis`, a mesh axis of `SHARDS` devices, each of them takes its share.
    """
    # Both ways end in an operation that XLA fuses nothing into: what it fuses, it rounds anew.
    add_shard = functools.partial(_add_up, function)
    shards = jax.tree.map(lambda leaf: leaf.reshape(SHARDS, -1, *leaf.shape[1:]), pieces)
    if axis is None:
        return _add_up(add_shard, shards)
    own = jax.tree.map(lambda leaf: leaf[lax.axis_index(axis)], shards)
    return lax.psum(add_shard(own), axis)


def _add_up(function: Callable[[Any], Any], parts: Any) -> Any:
    """The sum of `function` over a tree of arrays that lead with the parts, one by one."""
    first = jax.tree.map(lambda leaf: leaf[0], parts)
    zero = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(function, first)
    )

    def add(total: Any, part: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, function(part)), None

    return lax.scan(add, zero, parts)[0]
