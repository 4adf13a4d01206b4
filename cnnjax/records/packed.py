"""Values of single images from the text in a record. Imports no JAX."""

import base64
import functools
import zlib

import numpy as np

MOST = 2**28  # bytes: a text that unpacks to more is none of ours


@functools.lru_cache(2_048)  # an arm is read for each comparison that it is part of
def unpack_values(text: str) -> np.ndarray:
    """The values of `measures.packing.pack_values`, read-only.

    Raises ValueError, zlib.error or TypeError where it is none, before it takes the memory.
    """
    name, _, packed = text.partition(":")
    unpacking = zlib.decompressobj()
    content = unpacking.decompress(base64.b64decode(packed), MOST)
    if not unpacking.eof:
        raise ValueError(f"it is cut, or unpacks to more than {MOST} bytes")
    return np.frombuffer(content, np.dtype(name))
