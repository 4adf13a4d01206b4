"""A store that many machines share: gs://, s3:// or whatever else fsspec opens.

Work is done in a copy of it on this machine, by the same code as in any folder of runs. What is
finished there is sent; what others finished is fetched where it is asked for. A record is a pure
function of its address and a checkpoint has one holder, so that no file is ever two. Every function
here does nothing in a folder that this process did not open as such a copy: no file names a store.
"""

import contextlib
import functools
import hashlib
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from typing import Any, NamedTuple, TypeVar

import platformdirs

from cnnjax.config import installed
from cnnjax.config.errors import ConfigError
from cnnjax.records import atomic, leases

EXTRAS = {"gs": "gcs", "gcs": "gcs", "s3": "s3", "s3a": "s3"}  # by the name before ://
BEAT_SECONDS, STALE_SECONDS = 10.0, 60.0  # stores of objects charge for each write
THREADS = 16  # that fetch at once
_T = TypeVar("_T")


class Shared(NamedTuple):
    """A store, and the copy of it here."""

    fs: Any  # fsspec.AbstractFileSystem
    root: str  # in it
    url: str
    copy: pathlib.Path

    def place_of(self, path: pathlib.Path) -> str:
        """Where a path of the copy is in the store."""
        below = path.relative_to(self.copy).as_posix()
        return self.root if below == "." else f"{self.root}/{below}"


_opened: dict[pathlib.Path, Shared] = {}


def is_url(text: str) -> bool:
    """Whether a text names a store rather than a folder of this machine."""
    return "://" in text


def open_runs(text: str, copies: pathlib.Path | None = None) -> pathlib.Path:
    """The folder of runs that a text names; of a store the copy here, made if need be.

    Copies lie in the user's cache. Raises ConfigError where the store cannot be opened.
    """
    if not is_url(text):
        return pathlib.Path(text)
    url = text.rstrip("/")
    copies = copies or pathlib.Path(platformdirs.user_cache_dir("cnnjax")) / "stores"
    name = hashlib.sha256(url.encode()).hexdigest()[:12]
    copy = copies / f"{url.rpartition('/')[2]}-{name}"
    _opened[copy] = Shared(*_connect(url), url, copy)
    return copy


@functools.cache
def _connect(url: str) -> tuple[Any, str]:
    """The file system of a store and its root in it. Raises ConfigError where there is none."""
    import fsspec

    protocol = url.partition("://")[0]
    try:
        fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except ImportError:
        extra = EXTRAS.get(protocol)
        more = f": {installed.how_to_add(extra)}" if extra else ""
        raise ConfigError(f"{protocol}:// needs a package that is missing{more}") from None
    except ValueError as error:
        raise ConfigError(f"{url} cannot be opened: {error}") from None
    return fs, root.rstrip("/")


def find(path: pathlib.Path) -> Shared | None:
    """The store of whose copy a path is; None for a folder that is no copy."""
    folders = (path, *path.parents) if _opened else ()
    return next((_opened[folder] for folder in folders if folder in _opened), None)


def name_of(path: pathlib.Path) -> str:
    """A path as its user knows it: in a copy, where it is in the store."""
    shared = find(path)
    if shared is None:
        return os.fspath(path)
    below = path.relative_to(shared.copy).as_posix()
    return shared.url if below == "." else f"{shared.url}/{below}"


def _asking(shared: Shared, act: Callable[[], _T]) -> _T:
    """Acts on the store. Raises OSError in one line, whatever its library raises."""
    try:
        return act()
    except FileNotFoundError:
        raise
    except Exception as error:  # of each library its own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise OSError(f"{shared.url}: {reason}") from error


def _list(shared: Shared, place: str) -> list[str]:
    """The names in a folder of the store; none where there is none."""
    try:
        found = _asking(shared, lambda: shared.fs.ls(place, detail=False, refresh=True))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted({name.rstrip("/").rpartition("/")[2] for name in found} - {""})


def push(path: pathlib.Path, last: str = "", new: bool = False) -> None:
    """Sends a file, or all of a folder, a file of the name `last` when the others are there; or
    what is `new` of it.
    """  # fmt: skip
    shared = find(path)
    if shared is None or not path.exists():
        return
    files = [own for own in path.rglob("*") if own.is_file()] if path.is_dir() else [path]
    for own in sorted(files, key=lambda own: (own.name == last, own)):
        place = shared.place_of(own)
        if new and _asking(shared, functools.partial(shared.fs.exists, place)):
            continue
        if not own.name.startswith("."):
            _asking(shared, functools.partial(_send, shared, place, own.read_bytes()))


def _send(shared: Shared, place: str, content: bytes, mode: str = "overwrite") -> None:
    shared.fs.makedirs(place.rpartition("/")[0], exist_ok=True)
    shared.fs.pipe_file(place, content, mode=mode)


def pull(folder: pathlib.Path, last: str = "") -> None:
    """Fetches the files of a folder that are not here, that of the name `last` after the others."""
    if shared := find(folder):
        names = _list(shared, shared.place_of(folder))
        for name in sorted(names, key=lambda name: name == last):
            _fetch(shared, folder / name)


def pull_folders(folder: pathlib.Path, last: str, names: Iterable[str] | None = None) -> None:
    """Fetches the folders in a folder, all or some, of which `last` is not here yet."""
    shared = find(folder)
    if shared is None:
        return

    def lacks(name: str) -> bool:
        return not (folder / name / last).exists()

    asked = None if names is None else {*filter(lacks, names)}
    if asked == set():
        return
    there = filter(lacks, _list(shared, shared.place_of(folder)))
    wanted = [folder / name for name in there if asked is None or name in asked]
    with futures.ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda own: pull(own, last), wanted))


def _fetch(shared: Shared, path: pathlib.Path) -> None:
    if path.exists():
        return
    try:
        content = _asking(shared, lambda: shared.fs.cat_file(shared.place_of(path)))
    except (FileNotFoundError, IsADirectoryError):  # a folder, or gone meanwhile
        return
    atomic.write_bytes(path, content)


def remove(path: pathlib.Path) -> None:
    """Removes from the store a file or a folder that has been removed here, if it is there."""
    if shared := find(path):
        with contextlib.suppress(FileNotFoundError):
            _asking(shared, lambda: shared.fs.rm(shared.place_of(path), recursive=True))


class ObjectFiles(NamedTuple):
    """Files of leases as objects of a store, below a folder of its copy, in which they are not."""

    shared: Shared
    folder: pathlib.Path

    def _place(self, place: str) -> str:
        return f"{self.shared.place_of(self.folder)}/{place}".rstrip("/")

    def list_names(self, place: str) -> list[str]:
        return _list(self.shared, self._place(place))

    def read(self, place: str) -> bytes | None:
        try:
            return _asking(self.shared, lambda: self.shared.fs.cat_file(self._place(place)))
        except OSError:
            return None

    def write(self, place: str, content: bytes) -> None:
        _asking(self.shared, lambda: _send(self.shared, self._place(place), content))

    def create(self, place: str, content: bytes, like: str) -> bool:
        """On the store's own condition: that there is no object of this name."""

        def create() -> bool:
            try:
                _send(self.shared, self._place(place), content, mode="create")
            except FileExistsError:
                return False
            return True

        return _asking(self.shared, create)

    def remove(self, place: str) -> None:
        """A folder goes with its last object, where a store has folders at all."""
        own = self._place(place)
        for act in (self.shared.fs.rm_file, self.shared.fs.rmdir):
            with contextlib.suppress(Exception):  # what is not there, or not empty: each its own
                act(own)
                return


@contextlib.contextmanager
def open_leases(runs: pathlib.Path) -> Iterator[leases.Leases]:
    """The leases of a folder of runs, or of the store of which it is a copy."""
    folder, shared = runs / leases.FOLDER, find(runs)
    if shared is None:
        with leases.open_leases(folder) as held:
            yield held
        return
    files = ObjectFiles(shared, folder)
    with leases.open_leases(files, STALE_SECONDS, BEAT_SECONDS) as held:
        yield held
