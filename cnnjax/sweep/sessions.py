"""Sessions that stay open for lanes that are wanted later: a search compiles its program once."""

import threading
from collections.abc import Sequence
from typing import NamedTuple

from cnnjax.config.config import Config
from cnnjax.data.dataset import Dataset
from cnnjax.sweep import multihost
from cnnjax.sweep.placed import Shared
from cnnjax.sweep.session import Session, open_session

MOST = 4  # compiled programs wait in memory: few
WASTE = 1.5  # more places than lanes by which a program is still worth not compiling another


class Key(NamedTuple):
    """What a session is of, whatever its lanes."""

    structure: Config
    data: str
    feed: str
    every: int
    mesh: str


class Sessions:
    """The newest sessions, and the data that they share."""

    def __init__(self):
        self._opened: list[tuple[Key, Session, bool]] = []  # and whether it is as wide as can be
        self._shared: dict[str, Shared] = {}
        self._lock = threading.Lock()

    def open(
        self, structure: Config, lanes: Sequence[Config], dataset: Dataset, every: int,
        at_most: int | None, mesh: str,
    ) -> Session:  # fmt: skip
        """One that is open and fits the number of lanes, or a new one, as `open_session` does."""
        key = Key(structure, dataset.fingerprint, dataset.feed, every, mesh)
        with self._lock:
            alike = [(own, widest) for known, own, widest in self._opened if known == key]
            found = next((own for own in alike if fits(*own, len(lanes))), None)
            shared = self._shared.setdefault(key.data, Shared())
        # Many hosts open what they train together: none of them knows what another has kept.
        alone = not multihost.is_many()
        if found is not None and at_most is None and alone:
            self._keep(key, *found)
            return found[0]._replace(seconds=0.0)
        session = open_session(structure, lanes, dataset, shared, every, at_most, mesh)
        if alone:
            self._keep(key, session, session.wave < len(lanes))
        return session

    def drop(self, session: Session) -> None:
        """Forgets one whose lanes did not fit the memory after all."""
        with self._lock:
            self._opened = [own for own in self._opened if own[1].executables
                            is not session.executables]  # fmt: skip

    def _keep(self, key: Key, session: Session, widest: bool) -> None:
        """The session is the newest; those that are too many are let go, and their data."""
        self.drop(session)
        with self._lock:
            self._opened = [*self._opened, (key, session, widest)][-MOST:]
            left = {known.data for known, _, _ in self._opened}
            self._shared = {data: own for data, own in self._shared.items() if data in left}


def fits(session: Session, widest: bool, num_lanes: int) -> bool:
    """Whether so many lanes, in waves of the session's, are few waves with few empty places.

    Of one that is as wide as the memory allows there may be many.
    """
    waves = -(-num_lanes // session.wave)
    least = -(-num_lanes // session.least) * session.least
    return (widest or waves <= 2) and waves * session.wave <= max(WASTE * num_lanes, least)
