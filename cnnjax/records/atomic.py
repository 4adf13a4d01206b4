"""Files written whole or not at all, and folders that can be written and any library takes."""

import atexit
import contextlib
import fcntl
import functools
import json
import math
import os
import pathlib
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

from cnnjax.config import paths
from cnnjax.config.errors import ConfigError


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a file whole or not at all, making its folder if need be.

    It is UTF-8, in which a byte of a path that is none is written as an escape.
    """
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_bytes(path: pathlib.Path, content: bytes) -> None:
    """Writes a file whole or not at all, making its folder if need be.

    It is on the disk when this returns, and so is its name, whatever becomes of the machine.
    """
    with open_new(path) as file:
        file.write(content)


@contextlib.contextmanager
def open_new(path: pathlib.Path) -> Iterator[IO[bytes]]:
    """A file that takes its place, whole, where the block ends well; as `write_bytes`."""
    _make_folder(path.parent)
    handle, temporary = _open_temporary(path)
    # Of closing it, too; and with it the name, until it is another.
    with _named(path), os.fdopen(handle, "wb") as file:
        try:
            yield file
            os.chmod(temporary, 0o644)  # as colleagues can read it, whatever the umask
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            pathlib.Path(temporary).unlink(missing_ok=True)
            raise
    sync_folder(path.parent)


@contextlib.contextmanager
def _named(path: pathlib.Path) -> Iterator[None]:
    """Within, an error of the system that names no file, as that of a full disk, names this one."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = os.fspath(path)
        raise


def _open_temporary(path: pathlib.Path) -> tuple[int, str]:
    """An empty file beside a path, and its name, that no other writes.

    It is what a writer left that was killed, so that nothing stays of one; where another is at
    work, or nothing can be locked, it has a name of its own.
    """
    shared = os.fspath(path.with_name(f".{path.name}.new"))
    with contextlib.suppress(OSError), contextlib.ExitStack() as closing:
        handle = os.open(shared, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        closing.callback(os.close, handle)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), os.stat(shared)):  # not renamed before the lock
            os.ftruncate(handle, 0)
            closing.pop_all()
            return handle, shared
    return tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")


def _make_folder(folder: pathlib.Path) -> None:
    """Makes a folder and those above it, each with its name on the disk."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def read_bytes(path: pathlib.Path) -> bytes:
    """What a file holds. A pipe or a device in its place has nothing: it is not waited for."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        return file.read() if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""


def sync_tree(folder: pathlib.Path) -> None:
    """Sends to the disk what libraries wrote below a folder, files and names."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with _named(path), path.open("rb") as file:
                os.fsync(file.fileno())
        elif path.is_dir():
            sync_folder(path)
    sync_folder(folder)


def sync_folder(folder: pathlib.Path) -> None:
    """Sends to the disk the names in a folder."""
    with contextlib.suppress(OSError):  # some systems open no folder, some file systems sync none
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def set_aside(path: pathlib.Path, reason: object, instead: str, say: Callable[[str], None]) -> None:
    """Renames a file that is damaged, so that another can take its place, and says so.

    It takes the place of one that was set aside before, also where either is a folder.
    """
    aside = path.with_name(f"{path.name}.damaged")
    if _is_folder(aside):
        shutil.rmtree(aside)
    elif _is_folder(path):
        aside.unlink(missing_ok=True)
    path.replace(aside)
    say(f"warning: {reason}: it is set aside as {aside.name}, and {instead}")


def _is_folder(path: pathlib.Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def require_writable(folder: pathlib.Path) -> None:
    """Raises OSError, naming the folder, where no file can be made in it; makes it if need be."""
    _make_folder(folder)
    with tempfile.TemporaryFile(dir=folder):
        pass


def open_folder(path: str | os.PathLike[str], name: str) -> pathlib.Path:
    """The path of a folder to write into. Raises ConfigError, with the flag's name, of a file."""
    folder = paths.expand(path)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--{name}={folder} is a file: give a folder")
    return folder


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


def spare_matplotlib() -> None:
    """Gives matplotlib a temporary folder where it could write none of its own, and would warn."""
    if "MPLCONFIGDIR" in os.environ:
        wanted = [pathlib.Path(os.environ["MPLCONFIGDIR"])]
    else:
        folders = {"XDG_CONFIG_HOME": "~/.config", "XDG_CACHE_HOME": "~/.cache"}
        wanted = [
            pathlib.Path(os.environ.get(name) or os.path.expanduser(usual)) / "matplotlib"
            for name, usual in folders.items()
        ]
    for folder in wanted:
        found = find_writable(folder.absolute())
        if found != folder.absolute():
            os.environ["MPLCONFIGDIR"] = os.fspath(found)


@functools.cache
def as_utf8(folder: pathlib.Path) -> pathlib.Path:
    """The folder by a path of UTF-8, as libraries in C++ want it: itself, or a link to it.

    The link lies in a temporary folder and goes when the process ends; a folder that needs one is
    made if it is missing.
    """
    try:
        os.fspath(folder.absolute()).encode()
    except UnicodeEncodeError:
        folder.mkdir(parents=True, exist_ok=True)
        place = pathlib.Path(tempfile.mkdtemp(prefix="cnnjax-"))
        atexit.register(shutil.rmtree, place, ignore_errors=True)
        (place / "folder").symlink_to(folder.absolute())
        return place / "folder"
    return folder


def write_json(path: pathlib.Path, value: object) -> None:
    """Writes JSON whole or not at all; numbers that JSON lacks (NaN, infinity) become null."""
    write_text(path, json.dumps(_finite(value), indent=1, allow_nan=False) + "\n")


def dump_line(value: object) -> str:
    """JSON on one line; numbers that JSON lacks (NaN, infinity) become null."""
    return json.dumps(_finite(value), allow_nan=False)


def parse_json(text: str | bytes) -> Any:
    """What JSON says. Raises ValueError on any other text, one that nests without end too."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it nests too deeply") from None


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
