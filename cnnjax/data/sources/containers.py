"""Arrays in files of others: .npz, .npy, .mat and IDX, whole and as their headers say, or refused.

A header is believed only where the file has as many bytes as it declares: nothing is allocated for
what is not there. Nothing is unpickled, and nothing in an archive is written anywhere.
"""

import gzip
import math
import os
import pathlib
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from cnnjax.config import machine
from cnnjax.config.knobs import RunError

IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
DEFLATED = 1032  # bytes that one byte of deflated data holds at most
LONGEST = 300  # characters of a reader's message
ARCHIVE_END = 2**16 + 22  # bytes in which a zip file's last record begins
NPY_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0,
               (2, 0): np.lib.format.read_array_header_2_0}  # fmt: skip


def open_container(path: pathlib.Path) -> tuple[list[str], Callable[[str], np.ndarray]]:
    """The names of the arrays in a file or folder, and what reads one of them.

    Raises FileNotFoundError, and of as many types as there are readers where it is not whole.
    """
    if path.suffix == ".npy" and path.is_file():
        path = path.parent
    if path.is_dir():
        keys = sorted(file.stem for file in path.glob("[!.]*.npy"))
        return keys, lambda key: read_npy_file(path / f"{key}.npy")
    check_file(path)
    if path.suffix == ".mat":
        return open_mat(path)
    with open(path, "rb") as file:
        if file.read(6) == np.lib.format.MAGIC_PREFIX:
            raise ValueError("it is one array: give a folder of .npy files, or a .npz file")
    with zipfile.ZipFile(path) as archive:
        entries = [(name.removesuffix(".npy"), name) for name in archive.namelist()]
    check_directory(path, len(entries))
    names = dict(entries)

    def load(key: str) -> np.ndarray:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(names[key])
            if info.file_size > DEFLATED * max(os.path.getsize(path), 1):
                raise ValueError(f"{key} has {info.file_size:,} bytes, more than the file can hold")
            with archive.open(info) as file:
                read_shape(file, info.file_size)
            with archive.open(info) as file:
                return read_npy(file)

    return [key for key, _ in entries], load


def check_directory(path: pathlib.Path, found: int) -> None:
    """Raises ValueError where an archive says at its end that it has other than `found` entries.

    A length in its directory that is damaged hides the entries behind it, and Python says nothing.
    """
    with open(path, "rb") as file:
        file.seek(-min(ARCHIVE_END, os.path.getsize(path)), os.SEEK_END)
        end = file.read()
    (said,) = struct.unpack_from("<H", end, end.rfind(b"PK\5\6") + 10)
    if said not in (found, 2**16 - 1):  # the latter stands for more
        raise ValueError(f"it says that it has {said} entries, and {found} are found")


def open_mat(path: pathlib.Path) -> tuple[list[str], Callable[[str], np.ndarray]]:
    """As `open_container`, of a .mat file."""
    from scipy import io  # takes a while

    try:
        shapes = {key: shape for key, shape, _ in io.whosmat(path, appendmat=False)}
    except NotImplementedError:  # SciPy raises it of files of v7.3 and of no others
        raise ValueError("a .mat file of v7.3 is HDF5: save it with -v7") from None

    def load(key: str) -> np.ndarray:
        check_size(math.prod(shapes[key]))
        return io.loadmat(path, appendmat=False, variable_names=[key])[key]

    return list(shapes), load


def check_file(path: pathlib.Path) -> None:
    """Raises ValueError where a path is no file: a pipe would be waited for, a device endless."""
    path.stat()  # raises FileNotFoundError
    if not path.is_file():
        raise ValueError(f"{path.name} is no file")


def check_size(size: int) -> None:
    """Raises ValueError where an array of so many bytes is more than this machine's memory."""
    if size > machine.find_memory():
        raise ValueError(
            f"it holds {size / 2**30:,.0f} GiB, more than this machine's memory of"
            f" {machine.find_memory() / 2**30:,.0f}"
        )


def read_npy_file(path: pathlib.Path) -> np.ndarray:
    """The array of a .npy file. Raises OSError or ValueError where it is not whole."""
    check_file(path)
    with open(path, "rb") as file:
        try:
            read_shape(file, os.path.getsize(path))
            file.seek(0)
            return read_npy(file)
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from None


def read_shape(file: IO[bytes], size: int) -> None:
    """Raises ValueError where the array's header declares other than the `size` bytes there are."""
    version: Any = np.lib.format.read_magic(file)
    if version not in NPY_HEADERS:
        raise ValueError(f"it is .npy of version {'.'.join(map(str, version))}: save it by np.save")
    shape, _, dtype = NPY_HEADERS[version](file)
    if dtype.hasobject:
        return  # NumPy refuses to unpickle
    declared, there = math.prod(shape) * dtype.itemsize, size - file.tell()
    if min(shape, default=0) < 0 or declared != there:
        raise ValueError(f"{shape} of {dtype} are {declared:,} bytes, and it has {there:,}")
    check_size(declared)


def read_npy(file: IO[bytes]) -> np.ndarray:
    """The array that a file holds and nothing else. Raises ValueError where it is not whole."""
    array = np.lib.format.read_array(file, allow_pickle=False)
    if file.read(1):  # of an archive its end is where the checksum is compared
        raise ValueError("it holds more than the array of its header")
    return array


def explain(error: Exception) -> str:
    """Why a file of arrays cannot be read, and what to do where that is known."""
    why = " ".join(str(error).split())[:LONGEST] or type(error).__name__
    return f"{why}: save text by labels.astype(str)" if "allow_pickle" in why else why


def read_idx(path: pathlib.Path) -> np.ndarray:
    """The array of an IDX file, gzipped or not. Raises RunError, naming it, where it is not whole.

    Of a gzipped file no more is unpacked than its header declares.
    """
    packed = path.suffix == ".gz"
    try:
        with gzip.open(path) if packed else open(path, "rb") as file:
            zero, kind, rank = struct.unpack(">HBB", file.read(4))
            shape = struct.unpack(f">{rank}I", file.read(4 * rank))
            size = math.prod(shape) * np.dtype(IDX_TYPES[kind]).itemsize
            most = os.path.getsize(path) * (DEFLATED if packed else 1)
            if zero or size > most:
                raise ValueError(f"no {size:,} bytes for shape {shape}")
            check_size(size)
            raw = file.read(size + 1)  # one more: at the end the checksum is compared
            if len(raw) != size:
                than = "more" if len(raw) > size else f"{len(raw):,}"
                raise ValueError(f"{than} bytes than the {size:,} of shape {shape}")
            return np.frombuffer(raw, IDX_TYPES[kind]).reshape(shape)
    except KeyError as error:
        raise RunError(f"{path} is not a whole IDX file: there is no type {error}") from None
    except (OSError, EOFError, struct.error, zlib.error, ValueError) as error:
        raise RunError(f"{path} is not a whole IDX file: {error}") from None
