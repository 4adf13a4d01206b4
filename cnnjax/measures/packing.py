"""Values of single images as text of a record, which `records.packed` reads. Imports no JAX."""

import base64
import zlib

import numpy as np


def pack_values(values: np.ndarray) -> str:
    """One value an image [n] as text: their type, then their bytes, compressed, in base64.

    Fractions are kept to three digits or so, as float16, where they are small.
    """
    values = np.asarray(values)
    if values.dtype.kind == "f":
        small = np.abs(values).max(initial=0) < 8  # false for NaN
        values = values.astype(np.float16 if small else np.float32)
    elif values.dtype.kind == "b" or values.max(initial=0) < 256:
        values = values.astype(np.uint8)
    raw = zlib.compress(np.ascontiguousarray(values).tobytes())
    return f"{values.dtype.name}:{base64.b64encode(raw).decode()}"
