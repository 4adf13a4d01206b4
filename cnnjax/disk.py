"""Files that are written whole or not at all."""

import os
import pathlib
import tempfile


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a file whole or not at all, making its folder if need be.

    It is UTF-8, in which a byte of a path that is none is written as an escape.
    """
    write_bytes(path, text.encode(errors="backslashreplace"))


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
