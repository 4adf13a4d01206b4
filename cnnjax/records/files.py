"""What leases ask of files, and no more: of those of a folder, or of objects in a store.

A place is a name such as claims/KEY/1, below the folder or the store's root.
"""

import contextlib
import errno
import os
import pathlib
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

_T = TypeVar("_T")
LENGTH = 1024  # of a file in bytes, whatever is in it: it is overwritten in place


class Files(Protocol):
    """Files that several processes read and write; of what is written each sees all, or none."""

    def list_names(self, place: str) -> list[str]:
        """What is in a folder; nothing where there is none. Raises OSError on what is no folder."""
        ...

    def read(self, place: str) -> bytes | None:
        """The beginning of a file; None where there is none, or it cannot be read."""
        ...

    def write(self, place: str, content: bytes) -> None:
        """Writes a file over what is there. Raises OSError, naming the path, where it cannot."""
        ...

    def create(self, place: str, content: bytes, like: str) -> bool:
        """Whether a file could be created: of those who try at once one can.

        `like` is a file of the same content that is there. Raises FileNotFoundError where it is
        not, and OSError, naming the path, where none can be created.
        """
        ...

    def remove(self, place: str) -> None:
        """Removes a file, or an empty folder, if that is possible."""
        ...


class FolderFiles(NamedTuple):
    """Files of a folder of this machine, or of one that several see, as by NFS."""

    folder: pathlib.Path

    def list_names(self, place: str) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return os.listdir(self.folder / place)
        return []

    def read(self, place: str) -> bytes | None:
        try:
            with (self.folder / place).open("rb") as file:
                return file.read(LENGTH)
        except OSError:
            return None

    def write(self, place: str, content: bytes) -> None:
        path = self.folder / place
        _in_folder(path.parent, lambda: _write(path, content, os.O_CREAT))

    def create(self, place: str, content: bytes, like: str) -> bool:
        """As a link to a file that is whole, so that it is there whole."""
        path = self.folder / place

        def create() -> bool:
            try:
                os.link(self.folder / like, path)
            except FileExistsError:
                return False
            except FileNotFoundError:
                raise
            except OSError:  # no links here: what is not yet whole, others cannot read
                try:
                    _write(path, content, os.O_CREAT | os.O_EXCL)
                except FileExistsError:
                    return False
            return True

        return _in_folder(path.parent, create)

    def remove(self, place: str) -> None:
        discard(self.folder / place)


def discard(path: pathlib.Path) -> None:
    """Removes a file or an empty folder if that is possible."""
    with contextlib.suppress(OSError):
        path.rmdir() if path.is_dir() else path.unlink()


def _in_folder(folder: pathlib.Path, act: Callable[[], _T]) -> _T:
    """Acts in a folder, made if need be: others remove it whenever it is empty."""
    for _ in range(20):
        with contextlib.suppress(FileNotFoundError):
            return act()
        with contextlib.suppress(FileNotFoundError, FileExistsError):  # gone again before a look
            folder.mkdir(parents=True, exist_ok=True)
    return act()


def _write(path: pathlib.Path, content: bytes, flags: int) -> None:
    """Writes a file by one call, from its first byte. Raises OSError with the path."""
    handle = os.open(path, os.O_WRONLY | flags, 0o644)
    try:
        if os.write(handle, content) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        if os.fstat(handle).st_size < len(content):  # a new file that did not become whole
            discard(path)
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
    finally:
        os.close(handle)
