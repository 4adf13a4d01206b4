"""A batch in pieces that fit a CPU's cache, summed on one device or on two to the same bits; and
a batch that several devices share, summed in float32.
"""

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


def divide(num_pieces: int, batch_size: int, num_devices: int) -> int:
    """Pieces for so many devices that share a batch: as many for each, and no larger than before.

    Stays 1 where each device takes its share whole.
    """
    if num_pieces == 1:
        return 1
    share = batch_size // num_devices
    own = next(n for n in range(1, share + 1) if not share % n and n * num_devices >= num_pieces)
    return own * num_devices


def sum_over_batch(
    function: Callable[[Any, Any], tuple[Any, Any]], batch: Any, num_pieces: int, axis: str | None
) -> tuple[Any, Any]:
    """The sums over a batch that `function(index, part)` gives of its parts, and what else it does.

    That is None where it is cut into pieces. With a mesh `axis` each device takes its share, and
    the sums are those of all, in the precision that they have: of gradients that of the parameters.
    """
    if num_pieces > 1:
        pieces = jax.tree.map(lambda leaf: leaf.reshape(num_pieces, -1, *leaf.shape[1:]), batch)
        numbered = (jnp.arange(num_pieces), pieces)
        return sum_over_pieces(lambda piece: function(*piece)[0], numbered, axis), None
    if axis is None:
        return function(0, batch)
    index = lax.axis_index(axis)
    sums, kept = function(index, _take_share(batch, axis))
    return lax.psum(sums, axis), kept


def gather_batch(shares: Any, indices: jax.Array, axis: str) -> Any:
    """The examples `indices` [batch] of arrays that are dealt out one by one to a mesh `axis`.

    They follow one another, as in a stream: each device has its share of them, and gets all.
    """
    number = lax.axis_size(axis)
    first, size = indices[0] // number, len(indices) // number

    def gather(own: jax.Array) -> jax.Array:
        dealt = lax.all_gather(lax.dynamic_slice_in_dim(own, first, size), axis, axis=1)
        return dealt.reshape(-1, *own.shape[1:])

    return jax.tree.map(gather, shares)


def _take_share(whole: Any, axis: str) -> Any:
    """The part of a tree of arrays that is this device's, of as many as a mesh axis has."""
    number, index = lax.axis_size(axis), lax.axis_index(axis)
    return jax.tree.map(lambda leaf: leaf.reshape(number, -1, *leaf.shape[1:])[index], whole)


def sum_over_pieces(function: Callable[[Any], Any], pieces: Any, axis: str | None) -> Any:
    """The sum of `function` over a tree of arrays that lead with the pieces, an even number.

    With a mesh `axis` of devices, whose number divides them, each takes its share: `SHARDS` devices
    give the bits of one.
    """
    # Both ways end in an operation that XLA fuses nothing into: what it fuses, it rounds anew.
    add_shard = functools.partial(_add_up, function)
    if axis is None:
        shards = jax.tree.map(lambda leaf: leaf.reshape(SHARDS, -1, *leaf.shape[1:]), pieces)
        return _add_up(add_shard, shards)
    return lax.psum(add_shard(_take_share(pieces, axis)), axis)


def _add_up(function: Callable[[Any], Any], parts: Any) -> Any:
    """The sum of `function` over a tree of arrays that lead with the parts, one by one."""
    first = jax.tree.map(lambda leaf: leaf[0], parts)
    zero = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(function, first)
    )

    def add(total: Any, part: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, function(part)), None

    return lax.scan(add, zero, parts)[0]
