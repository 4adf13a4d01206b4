"""Values of single images from the text in a record. Imports no JAX."""

import base64
import functools
import zlib

import numpy as np


@functools.lru_cache(2_048)  # an arm is read for each comparison that it is part of
def unpack_values(text: str) -> np.ndarray:
    """The values of `measures.packing.pack_values`, read-only."""
    name, _, packed = text.partition(":")
    return np.frombuffer(zlib.decompress(base64.b64decode(packed)), np.dtype(name))
