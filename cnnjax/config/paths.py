"""Paths as people write them. Imports no JAX."""

import contextlib
import os
import pathlib


def expand(path: str | os.PathLike[str]) -> pathlib.Path:
    """A path with the home folder for its ~; as it is written where there is no such user."""
    with contextlib.suppress(ValueError):  # a zero byte, which no path has
        path = os.path.expanduser(path)
    return pathlib.Path(path)
