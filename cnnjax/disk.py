"""Files that are written whole or not at all, and folders that can be written."""

import atexit
import contextlib
import functools
import os
import pathlib
import shutil
import tempfile


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a file whole or not at all, making its folder if need be."""
    write_bytes(path, text.encode())


def write_bytes(path: pathlib.Path, content: bytes) -> None:
    """Writes a file whole or not at all, making its folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)  # mkstemp's own mode hides the file from colleagues
        os.replace(temporary, path)
    except BaseException:
        pathlib.Path(temporary).unlink(missing_ok=True)
        raise


@functools.cache
def find_writable(wanted: pathlib.Path) -> pathlib.Path:
    """The folder, made if need be; where it cannot be written, one that this process leaves empty.

    For caches: what they hold can be had again.
    """
    with contextlib.suppress(OSError):
        if wanted.is_absolute():  # a home that is not known stands as ~
            wanted.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=wanted):
                return wanted
    instead = pathlib.Path(tempfile.mkdtemp(prefix="cnnjax-"))
    atexit.register(shutil.rmtree, instead, ignore_errors=True)
    return instead
