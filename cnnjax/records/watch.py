"""Whose count stands still, by the watch of whoever looks: clocks of two machines never meet."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple


class _Seen(NamedTuple):
    """What was seen of a count."""

    count: int | None
    since: float  # on this watch
    moved: bool = False


class Watch:
    """Counts of others, looked at for as long as this process itself does not stand still.

    A gap between two ticks counts as `most` seconds at most: where a whole machine slept, nobody
    has watched. No time of day is read.
    """

    def __init__(self, most: float, clock: Callable[[], float] = time.monotonic):
        self._most, self._clock = most, clock
        self._now, self._ticked = 0.0, clock()
        self._seen: dict[str, _Seen] = {}
        self._lock = threading.Lock()

    def tick(self) -> float:
        """Seconds that were watched so far."""
        with self._lock:
            now = self._clock()
            self._now += min(now - self._ticked, self._most)
            self._ticked = now
            return self._now

    def look(self, name: str, count: int | None) -> float:
        """Seconds for which a count was seen to stand still, 0 at the first look.

        One that cannot be read (None) has not moved.
        """
        now, seen = self.tick(), self._seen.get(name)
        if seen is None or count not in (None, seen.count):
            self._seen[name] = _Seen(count, now, seen is not None)
            return 0.0
        return now - seen.since

    def has_moved(self, name: str) -> bool:
        """Whether a count was seen to move."""
        seen = self._seen.get(name)
        return seen is not None and seen.moved

    def forget(self, name: str) -> None:
        """The next look will be the first."""
        self._seen.pop(name, None)
