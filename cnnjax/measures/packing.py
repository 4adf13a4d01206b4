"""Values of single images as text of a record; what that of a failed run says. Imports no JAX."""

import base64
import functools
import zlib

import numpy as np

# What a failed run still says.
FACTS = (
    "failed", "initial_loss", "diverged_at", "num_test_examples", "num_train_examples",
    "num_pool_examples", "drawn_by_seed",
)  # fmt: skip


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


@functools.lru_cache(2_048)  # an arm is read for each comparison that it is part of
def unpack_values(text: str) -> np.ndarray:
    """The values of `pack_values`, read-only."""
    name, _, packed = text.partition(":")
    return np.frombuffer(zlib.decompress(base64.b64decode(packed)), np.dtype(name))
