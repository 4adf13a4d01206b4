"""Leases: who works on what, for several launches on one folder, of one machine or many.

Nothing but files that are created exclusively, so that it holds on a network file system and in a
store of objects as well:

    claims/KEY/1, 2, ...    a claim by generation: the highest is in force; it names its holder
    holders/NAME            a holder's heartbeat: one count for all its claims

A claim whose holder's count stood still while an observer watched for so many seconds is stale, and
so is one whose process was on this machine and is no more. It is taken over by the next generation.

A holder that is suspended and taken over asks `still_ours`. One that is suspended so long between
two neighbouring lines here may remove the claim of another: a key is then worked on twice, so that
what is done under a lease must be right even then.
"""

import contextlib
import pathlib
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from cnnjax.config.errors import ConfigError
from cnnjax.records import holder as holder_lib
from cnnjax.records.files import Files, FolderFiles
from cnnjax.records.holder import Holder
from cnnjax.records.watch import Watch

FOLDER = "leases"  # in a folder of runs
CLAIMS, HOLDERS = "claims", "holders"  # in that
BEAT_SECONDS = 2.0
STALE_SECONDS = 30.0
KEY = re.compile(r"\w[\w.-]*", re.ASCII)


class Leases:
    """The leases of one process in one folder or store; see `open_leases`.

    Nothing is written before the first claim. Every method that writes raises OSError naming the
    path where it cannot. One thread claims; another may beat.
    """

    def __init__(
        self, folder: pathlib.Path | Files, stale_seconds: float = STALE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        is_gone: Callable[[Holder], bool] = holder_lib.is_gone, beat_seconds: float = BEAT_SECONDS,
    ):  # fmt: skip
        self.me = holder_lib.make_holder()
        self._files = FolderFiles(folder) if isinstance(folder, pathlib.Path) else folder
        self._heartbeat = _place_of(self.me)
        self._stale_seconds, self._is_gone = stale_seconds, is_gone
        self._watch = Watch(2 * beat_seconds, clock)
        self._held: dict[str, int] = {}  # generations by key
        self._count, self._lock = 0, threading.Lock()

    def beat(self) -> None:
        """Goes on watching; renews the heartbeat where a claim depends on it.

        The file is overwritten in place, which a full disk allows; a count that is read halfway is
        another count all the same.
        """
        self._watch.tick()
        if self._held:
            self._renew()

    def claim(self, key: str) -> bool:
        """Whether the key is ours now: it was free, or stale, or ours already.

        Of those who claim it at once one gets it, or none: then ask again. Raises ValueError where
        the key is no plain name.
        """
        if not KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key: letters, digits, '_', '-' and '.' are")
        generation, before = self._find(key)
        if before is not None and before.name == self.me.name:
            self._held[key] = generation
            return True
        if generation and not self._is_stale(key, before):
            return False
        old, own = (f"{CLAIMS}/{key}/{number}" for number in (generation, generation + 1))
        if not self._held:
            self._renew()  # it was not while we held nothing, and whoever saw it then counts on
        if not self._create(own):
            return False
        # Who looked long ago may create a generation that was there since, or skip one. Everyone
        # creates before he looks again, so that of two one sees the other and withdraws.
        found = self._read(old)
        same = found is None or before is not None and found.name == before.name
        if not same or self._find(key)[0] > generation + 1 or not self._is_own(own):
            self._remove(own)
            return False
        self._held[key] = generation + 1
        self._files.remove(old)
        if before is not None:
            self._files.remove(_place_of(before))
        return True

    def still_ours(self, key: str) -> bool:
        """Whether we hold the key: False where it was taken over from us, too."""
        return key in self._held and self._is_own(f"{CLAIMS}/{key}/{self._held[key]}")

    def release(self, key: str) -> None:
        """Lets the key go; does nothing where it is not ours."""
        if key in self._held:
            self._remove(f"{CLAIMS}/{key}/{self._held[key]}")
            del self._held[key]

    def are_any(self) -> bool:
        """Whether anyone holds anything."""
        return bool(self._files.list_names(CLAIMS))

    def held_by_others(self, keys: Iterable[str]) -> dict[str, str]:
        """Those keys that others hold, each with who does in words; stale claims are left out."""
        return {key: describe_holder(holder) for key, holder in self.find_others(keys).items()}

    def find_others(self, keys: Iterable[str]) -> dict[str, Holder | None]:
        """Those keys that others hold, each with who does; None where a claim is damaged."""
        held: dict[str, Holder | None] = {}
        claimed = {*self._files.list_names(CLAIMS)}
        for key in (key for key in keys if key in claimed):
            generation, holder = self._find(key)
            ours = holder is not None and holder.name == self.me.name
            if generation and not ours and not self._is_stale(key, holder):
                held[key] = holder
        return held

    def is_alive(self, key: str) -> bool:
        """Whether another's claim is known to be no leftover: he was seen to live."""
        _, holder = self._find(key)
        if holder is None or holder.name == self.me.name or self._is_gone(holder):
            return False
        return holder_lib.is_here(holder) or self._watch.has_moved(holder.name)

    def close(self) -> None:
        """Releases every claim, and removes what ended processes left behind."""
        with contextlib.suppress(OSError):
            for key in list(self._held):
                self.release(key)
            for key in self._files.list_names(CLAIMS):
                _, holder = self._find(key)
                if holder is not None and self._is_gone(holder) and self.claim(key):
                    self.release(key)
                self._files.remove(f"{CLAIMS}/{key}")
        self._files.remove(self._heartbeat)
        with contextlib.suppress(OSError):
            for name in self._files.list_names(HOLDERS):
                holder = self._read(f"{HOLDERS}/{name}")
                if holder is not None and self._is_gone(holder):
                    self._files.remove(f"{HOLDERS}/{name}")
        for folder in (CLAIMS, HOLDERS, ""):
            self._files.remove(folder)

    def _renew(self) -> None:
        with self._lock:
            self._count += 1
            content = holder_lib.dump(self.me._replace(count=self._count))
            self._files.write(self._heartbeat, content)

    def _read(self, place: str) -> Holder | None:
        content = self._files.read(place)
        return None if content is None else holder_lib.parse(content)

    def _is_stale(self, key: str, holder: Holder | None) -> bool:
        """Looks at the heartbeat; without one, or in a damaged claim, it counts as still."""
        count = None
        if holder is not None:
            if self._is_gone(holder):
                return True
            heartbeat = self._read(_place_of(holder))
            count = heartbeat.count if heartbeat is not None else None
        name = f"{key}/" if holder is None else holder.name
        return self._watch.look(name, count) >= self._stale_seconds

    def _find(self, key: str) -> tuple[int, Holder | None]:
        """Generation and holder of the claim in force; 0 where there is none."""
        names = self._files.list_names(f"{CLAIMS}/{key}")
        generation = max((int(name) for name in names if name.isdecimal()), default=0)
        holder = self._read(f"{CLAIMS}/{key}/{generation}") if generation else None
        if holder is not None or not generation:
            self._watch.forget(f"{key}/")
        return generation, holder

    def _is_own(self, place: str) -> bool:
        holder = self._read(place)
        return holder is not None and holder.name == self.me.name

    def _create(self, place: str) -> bool:
        """Whether a claim was created, whole."""
        content = holder_lib.dump(self.me)
        try:
            return self._files.create(place, content, self._heartbeat)
        except FileNotFoundError:
            self._renew()  # whoever took us for dead has removed it
            return self._files.create(place, content, self._heartbeat)

    def _remove(self, place: str) -> None:
        """Removes a claim if it is ours, and the key's folder with the last."""
        if self._is_own(place):
            self._files.remove(place)
        self._files.remove(place.rpartition("/")[0])


def describe_holder(holder: Holder | None) -> str:
    """Who holds a key, in words; None where its claim is damaged."""
    return str(holder or "an unknown process")


def _place_of(holder: Holder) -> str:
    return f"{HOLDERS}/{holder.name}"


@contextlib.contextmanager
def open_leases(
    folder: pathlib.Path | Files, stale_seconds: float = STALE_SECONDS,
    beat_seconds: float = BEAT_SECONDS,
) -> Iterator[Leases]:  # fmt: skip
    """The leases in a folder, which the first claim makes; at the end all of ours are released.

    Within, a thread renews the heartbeat.
    """
    leases = Leases(folder, stale_seconds, beat_seconds=beat_seconds)
    done = threading.Event()

    def keep_beating() -> None:
        while not done.wait(beat_seconds):
            with contextlib.suppress(OSError):  # the next may succeed; whoever writes hears of it
                leases.beat()

    thread = threading.Thread(target=keep_beating, name="leases", daemon=True)
    thread.start()
    try:
        yield leases
    finally:
        done.set()
        thread.join()
        leases.close()


@contextlib.contextmanager
def claim_folder(
    path: pathlib.Path, say: Callable[[str], None] = lambda text: None,
    stale_seconds: float = STALE_SECONDS,
) -> Iterator[Callable[[], bool]]:  # fmt: skip
    """Within, a folder is this process's alone; gives what tells whether it still is.

    Whether the holder on another machine lives is watched for, which is said. Raises ConfigError
    where another holds the folder.
    """
    key = "folder"
    with open_leases(path / "leases", stale_seconds) as leases:
        said = ""
        while not leases.claim(key):
            holder = leases.held_by_others([key]).get(key, "")
            if holder and leases.is_alive(key):
                raise ConfigError(
                    f"{path} is in use by {holder}: end it or wait for it, or name another folder"
                )
            if holder and not said:
                said = f"watching for {stale_seconds:g} seconds whether {holder} still uses {path}"
                say(said)
            time.sleep(0.1)
        yield lambda: leases.still_ours(key)
