"""What programs that are done with leave in memory, given back: a sweep may have hundreds."""

import contextlib
import ctypes
import gc
import itertools

import jax

EVERY = 12  # groups; each leaves 2 MiB of traces, and clearing costs half a second of tracing
_ended = itertools.count(1)  # JAX's caches are the process's, and so is what fills them


def give_back() -> None:
    """Call where a group has ended.

    A compiler frees hundreds of MiB in pieces that the allocator keeps; JAX keeps what it traced of
    its own functions for the shapes of each group. Neither changes a number. A function that the
    caller compiled by `jax.jit` is compiled once more when it is called next.
    """
    if next(_ended) % EVERY == 0:
        jax.clear_caches()
        gc.collect()
    with contextlib.suppress(AttributeError, OSError, TypeError):  # an allocator of another kind
        ctypes.CDLL(None).malloc_trim(0)
