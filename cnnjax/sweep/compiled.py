"""JAX's compilation cache, in which what is damaged makes room for what replaces it.

JAX writes an entry in place and never over one that is there: what a kill, a full disk or anything
else left half would be compiled anew at each run for ever, with a warning each time.
"""

import contextlib
import functools
import pathlib
import re
import warnings
import zlib
from collections.abc import Callable
from typing import Any

from cnnjax.records.atomic import read_bytes

_FAILED = re.compile(
    r"Error (reading|writing) persistent compilation cache entry for '(.+?)': (.*)", re.DOTALL
)


def mend_cache() -> None:
    """From now on an entry that JAX cannot read is deleted when it says so; then it writes another.

    An entry that it could not write is, too, and that nothing is kept is said once.
    """
    warnings.filterwarnings("always", "Error (reading|writing) persistent compilation cache entry")
    if getattr(warnings.showwarning, "func", None) is not _show:
        warnings.showwarning = functools.partial(_show, warnings.showwarning)


def _show(before: Callable[..., None], message: Any, *arguments: Any, **named: Any) -> None:
    found = _FAILED.match(str(message))
    if found is None:
        before(message, *arguments, **named)
        return
    import jax

    doing, module, reason = found.groups()
    folder = jax.config.values["jax_compilation_cache_dir"]
    _discard(pathlib.Path(folder or ""), module)
    if doing == "writing":
        _say(folder, reason)


def _discard(folder: pathlib.Path, module: str) -> None:
    """Deletes those entries of a program that are not whole.

    Another process may be writing one: it goes on, and what it writes is compiled anew once.
    """
    for path in folder.glob("*-cache"):
        if path.name.startswith(f"{module}-") and not _is_whole(path):
            with contextlib.suppress(OSError):
                path.unlink()


def _is_whole(path: pathlib.Path) -> bool:
    """Whether an entry is as JAX compressed it; one that it compressed otherwise is not."""
    try:
        zlib.decompress(read_bytes(path))
    except (OSError, zlib.error):
        return False
    return True


@functools.cache
def _say(folder: str, reason: str) -> None:
    warnings.warn(
        f"compiled programs cannot be kept in {folder}, and take as long again: {reason}",
        stacklevel=3,
    )
