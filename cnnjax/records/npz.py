"""Arrays of an .npz file of anyone's, none of which is unpickled or larger than it may be."""

import io
import pathlib
import zipfile

import numpy as np

from cnnjax.config import machine


def read_npz(source: pathlib.Path | bytes) -> dict[str, np.ndarray]:
    """Every array of a file, or of its content, by name.

    Raises OSError where it cannot be read, and ValueError where it is none, or would fill the
    memory: a small file may unpack to a thousand times its size.
    """
    raw = source if isinstance(source, bytes) else source.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > machine.find_memory() // 4:
            raise ValueError(f"it unpacks to {size / 2**30:,.1f} GiB, more than there is room for")
        with np.load(io.BytesIO(raw), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except OSError:
        raise
    except Exception as error:  # of as many types as there are readers of its parts
        raise ValueError(f"{type(error).__name__}: {error}") from None
