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
        self._opened: list[tuple[Key, Session]] = []
        self._shared: dict[str, Shared] = {}
        self._lock = threading.Lock()

    def open(
        self, structure: Config, lanes: Sequence[Config], dataset: Dataset, every: int,
        at_most: int | None, mesh: str,
    ) -> Session:  # fmt: skip
        """One that is open and fits the number of lanes, or a new one, as `open_session` does."""
        key = Key(structure, dataset.fingerprint, dataset.feed, every, mesh)
        with self._lock:
            alike = [own for known, own in self._opened if known == key]
            found = next((own for own in alike if fits(own, len(lanes))), None)
            shared = self._shared.setdefault(key.data, Shared())
        # Many hosts open what they train together: none of them knows what another has kept.
        alone = at_most is None and not multihost.is_many()
        if found is not None and alone:
            self._keep(key, found)
            return found._replace(seconds=0.0)
        session = open_session(structure, lanes, dataset, shared, every, at_most, mesh)
        if alone:
            self._keep(key, session)
        return session

    def _keep(self, key: Key, session: Session) -> None:
        """The session is the newest; those that are too many are let go, and their data."""
        with self._lock:
            others = [(known, own) for known, own in self._opened
                      if own.executables is not session.executables]  # fmt: skip
            self._opened = [*others, (key, session)][-MOST:]
            left = {known.data for known, _ in self._opened}
            self._shared = {data: own for data, own in self._shared.items() if data in left}


def fits(session: Session, num_lanes: int) -> bool:
    """Whether so many lanes, in waves of the session's, leave few of its places empty."""
    waves = -(-num_lanes // session.wave)
    least = -(-num_lanes // session.least) * session.least
    return waves * session.wave <= max(WASTE * num_lanes, least)
