"""Slices of TPUs by the names under which they are rented, and the compiler for them. No JAX."""

import importlib.util
import os
import sys
from typing import NamedTuple

from cnnjax.config import hints, installed
from cnnjax.config.errors import ConfigError

GIB, GB = 2**30, 10**9
# Nobody must look for hardware, or ask a cloud's metadata server for it. No chip is used, so
# others may compile beside us.
SETTINGS = {
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
}


class Slice(NamedTuple):
    """Chips that are rented together."""

    name: str
    topology: str  # as the compiler names it: kind and shape
    chips: int
    chip_bytes: int  # of high-bandwidth memory, of each chip


# Shapes by their number of chips. The compiler knew them all on 2026-11-26 (libtpu 0.0.42.1).
FLAT = {
    1: "1x1", 4: "2x2", 8: "2x4", 16: "4x4", 32: "4x8", 64: "8x8", 128: "8x16", 256: "16x16",
}  # fmt: skip
DEEP = {4: "2x2x1", 8: "2x2x2", 16: "2x2x4", 32: "2x4x4", 64: "4x4x4"}
# Prefix of a name, kind, what the number behind it counts of each chip (its cores where 2), bytes
# of memory a chip, shapes. From the clouds' pages on each type, as they stood on 2026-11-25: v5e
# and v6e are given in GB there, the others in GiB.
KINDS = (
    ("v4", "v4", 2, 32 * GIB, DEEP),
    ("v5litepod", "v5e", 1, 16 * GB, FLAT),
    ("v5e", "v5e", 1, 16 * GB, FLAT),
    ("v5p", "v5p", 2, 95 * GIB, DEEP),
    ("v6e", "v6e", 1, 32 * GB, FLAT),
    ("tpu7x", "tpu7x", 2, 192 * GIB, {1: "1x1x1", **DEEP}),
)
SLICES = {
    own.name: own
    for prefix, kind, counted, chip_bytes, shapes in KINDS
    for chips, shape in shapes.items()
    for own in [Slice(f"{prefix}-{counted * chips}", f"{kind}:{shape}", chips, chip_bytes)]
}


def find_slice(name: str) -> Slice:
    """The slice of a name. Raises ConfigError, with the name that is meant, where there is none."""
    if name in SLICES:
        return SLICES[name]
    prefix, _, number = name.partition("-")
    alike = [own for own in SLICES if own.partition("-")[0] == prefix]
    if alike and number.isdecimal():
        nearest = min(alike, key=lambda own: abs(int(own.partition("-")[2]) - int(number)))
        hint = f"did you mean {nearest}? There are {', '.join(alike)}"
    else:
        kinds = ", ".join(prefix for prefix, *_ in KINDS)
        hint = hints.suggest(name, SLICES, f"give a slice of TPUs, such as v6e-8 (of {kinds})")
    raise ConfigError(f"--accelerator={name} is not known: {hint}")


def is_compiler_installed() -> bool:
    """Whether the TPU compiler is there."""
    return importlib.util.find_spec("libtpu") is not None


def require_compiler(flag: str) -> None:
    """Raises ConfigError, with the way to it, where the TPU compiler is not there."""
    if not is_compiler_installed():
        how = installed.how_to_add("tpu")
        raise ConfigError(f"{flag} was not checked: the TPU compiler is not installed; {how}")


def leave_hardware_alone() -> None:
    """From now on this process looks for no TPU. Call before JAX starts its devices."""
    os.environ.update(SETTINGS)
    if "jax" in sys.modules:  # a plug-in has imported it, and it reads variables no more
        sys.modules["jax"].config.update("jax_platforms", "cpu")
