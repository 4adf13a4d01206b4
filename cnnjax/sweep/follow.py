"""What every process but the first of a program on many hosts does: as it is told."""

from collections.abc import Callable, Iterator
from typing import Any

import jax

from cnnjax.config.config import from_json, structure_of
from cnnjax.config.datasets import Where
from cnnjax.config.errors import ConfigError, HostLost
from cnnjax.data import load
from cnnjax.data.dataset import Feed
from cnnjax.records import plugins
from cnnjax.records.provenance import program_version
from cnnjax.sweep import backend, group, multihost
from cnnjax.sweep.channel import Crew, Said
from cnnjax.sweep.placed import Shared
from cnnjax.sweep.session import open_session
from cnnjax.sweep.start import load as load_start

OTHERWISE = "the same files, packages and settings must be on every host"


def agree(crew: Crew) -> None:
    """Raises ConfigError on process 0, before anything is compiled, where hosts are unlike."""
    own = {
        "program": program_version(), "plugins": plugins.hash_loaded(),
        "devices": jax.local_device_count(), **backend.describe(),
    }  # fmt: skip
    if not crew.leads:
        crew.tell({"do": "describe", "machine": own})
        return
    for line in crew.lines.values():
        there = line.hear()["machine"]
        if unlike := [name for name in own if there[name] != own[name]]:
            raise ConfigError(
                f"{line.name} differs from process 0 in {', '.join(unlike)}: {OTHERWISE}"
            )


def follow(where: Where, on_note: Callable[[str], None]) -> int:
    """Does with its own devices what process 0 says, until it says how the program ends.

    Gives that exit status. Raises HostLost where process 0 ended, or a device failed.
    """
    follower = Follower(where, on_note)
    while (said := multihost.hear())["do"] != "end":
        try:
            step = STEPS[said.pop("do")]
            lanes = [from_json(values) for values in said.pop("lanes")]
            step(follower, lanes, **said)
        except Exception as error:
            raise HostLost(f"what devices did together broke off: {error}") from error
    return said["status"]


class Follower:
    """A session as it is on another host, and its lanes; each method is one of Session's."""

    def __init__(self, where: Where, on_note: Callable[[str], None]):
        self.where, self.on_note = where, on_note
        self.session: Any = None
        self.states: Any = None
        self.segments: Iterator[group.Segment] = iter(())
        self.known: dict[str, tuple[Any, Shared]] = {}  # data sets by fingerprint, one at a time

    def open(
        self, lanes: list, asked: Said, data: str, feed: Feed, start: str | None = None
    ) -> None:
        self.session = self.states = None  # their memory is free
        self.segments = iter(())
        with multihost.busy("open"):
            multihost.answer(self._try_to_open(lanes, asked, data, feed, start))

    def _try_to_open(
        self, lanes: list, asked: Said, data: str, feed: Feed, start: str | None
    ) -> str | None:
        """Why it cannot be; None where it is open."""
        try:
            if data not in self.known:
                self.known.clear()
                dataset = load.load_dataset(lanes[0], self.where, feed=feed, say=self.on_note)
                if dataset.fingerprint != data:
                    raise ConfigError(f"{lanes[0].dataset} holds other data here than on process 0")
                self.known[data] = (dataset, Shared())
            dataset, shared = self.known[data]
            own = load_start(lanes[0], dataset.image_shape, dataset.num_classes)
            if (own and own.sha256) != start:
                raise ConfigError(
                    f"{lanes[0].init_from} holds other weights here than on process 0"
                )
            self.session = open_session(structure_of(lanes[0]), lanes, dataset, shared, **asked)
        except Exception as error:
            return str(error) or type(error).__name__
        return None

    def init(self, lanes: list) -> None:
        self.states = None
        self.states = self.session.init(lanes)

    def restore(self, lanes: list) -> None:
        self.states = self.session.restore(self.states, None)

    def train(self, lanes: list, starts: list[int], fresh: bool) -> None:
        states, self.states = None if fresh else self.states, None
        self.segments = self.session.train(lanes, states, starts)

    def segment(self, lanes: list) -> None:
        self.states = next(self.segments).states

    def evaluate(self, lanes: list, step: int) -> None:
        self.session.evaluate(self.states, step)

    def fetch(self, lanes: list, names: list[str]) -> None:
        self.session.fetch(self.states, names)

    def measure_start(self, lanes: list) -> None:
        self.session.measure_start(lanes)

    def examine(self, lanes: list) -> None:
        self.session.examine(lanes, self.states)


STEPS = {name: step for name, step in vars(Follower).items() if not name.startswith("_")}
