"""Many runs as few programs: lanes that share structure compile once and train together.

A lane is one Config with its seed; a group is the lanes of one structure.
"""

import collections
import concurrent.futures
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import jax

from cnnjax.config.config import Config, structure_of
from cnnjax.config.errors import ConfigError, HostLost, RunError
from cnnjax.config.mesh import AUTO
from cnnjax.data.dataset import Dataset
from cnnjax.sweep import checkpoints, leftovers, multihost, placement, waves
from cnnjax.sweep.checkpoints import Checkpoints
from cnnjax.sweep.observer import QUIET, Observer
from cnnjax.sweep.session import Session
from cnnjax.sweep.sessions import Sessions
from cnnjax.sweep.waves import Begun, run_wave
from cnnjax.sweep.waves import Interrupted as Interrupted
from cnnjax.sweep.waves import Result as Result
from cnnjax.sweep.waves import Wave as Wave

Queue = collections.deque[tuple[tuple[int, ...], Config]]  # lanes, and the rest before them


class Group(NamedTuple):
    """Lanes that share a program."""

    structure: Config
    lanes: tuple[Config, ...]
    at_most: int | None = None  # lanes at once, where more of them did not fit the memory


class Ready(NamedTuple):
    """A group that can be trained."""

    session: Session
    queue: Queue  # those of one rest one after the other


class Failure(NamedTuple):
    """A group that could not be compiled or trained."""

    group: Group
    error: Exception


def group_lanes(configs: Iterable[Config]) -> list[Group]:
    """The configs grouped by structure, in order of first appearance."""
    lanes: dict[Config, list[Config]] = {}
    for config in configs:
        lanes.setdefault(structure_of(config), []).append(config)
    return [Group(structure, tuple(members)) for structure, members in lanes.items()]


def run_lanes(
    configs: Sequence[Config], dataset: Dataset, observer: Observer = QUIET,
    saving: Checkpoints | None = None, keep: str = "none",
    claim: Callable[[Config], bool] = lambda lane: True, mesh: str = AUTO,
    sessions: Sessions | None = None,
) -> Iterator[Result | Failure]:  # fmt: skip
    """Trains every config and yields it when it is done; a group that fails yields a Failure.

    Groups compile concurrently while earlier ones train; a group whose states do not fit the memory
    goes in waves through one compiled program. The observer hears of each segment how many training
    examples it saw, and for what share of its time no data were there. Lanes go on where they were
    saved, if they were. With `keep` each result has its "final" network, or that which did "best"
    on validation images. Lanes that cannot be claimed are left out without a word: others train
    them. All train on the `mesh` of --mesh, in `sessions` that were opened before where they fit.
    Raises Interrupted soon after the observer asked to stop.
    """
    opened, names = sessions or Sessions(), dataset.class_names

    def make_ready(group: Group) -> Ready:
        steps = dict.fromkeys(group.lanes, 0)
        if saving:  # others may train these lanes now: their files are only counted
            steps = {
                lane: checkpoints.find_step(saving.folder_of(lane), lane.last_step)
                for lane in group.lanes
            }
        every = saving.steps_of(group.structure) if saving else 0
        session = opened.open(group.structure, group.lanes, dataset, every, group.at_most, mesh)
        rests = [(session.rest_of(lane, step), lane) for lane, step in steps.items()]
        return Ready(session, Queue(sorted(rests, key=lambda own: (own[0][1], *own[0]))))

    def fill_wave(session: Session, queue: Queue) -> Begun:
        """Lanes off the queue that are ours, and all have the same rest before them.

        One that was trained by another launch meanwhile, or has a damaged file, is put back.
        """
        wave, rest = {}, queue[0][0]
        while queue and queue[0][0] == rest and len(wave) < session.wave:
            _, lane = queue.popleft()
            if claim(lane):
                saved = checkpoints.NOTHING
                if saving:
                    best = waves.needs_best(lane, keep)
                    folder = saving.folder_of(lane)
                    saved = checkpoints.find_newest(folder, observer.on_note, best, lane)
                found = session.rest_of(lane, saved.step)
                if found == rest:
                    wave[lane] = saved
                else:
                    queue.append((found, lane))
        return wave

    waiting = group_lanes(configs)[::-1]
    workers = len(jax.local_devices()) if jax.default_backend() == "cpu" else os.cpu_count() or 1
    ahead = 0 if multihost.is_many() else workers  # many hosts do one thing after the other
    pool = concurrent.futures.ThreadPoolExecutor(workers)
    pending: dict[concurrent.futures.Future[Ready], Group] = {}
    try:
        while waiting or pending:
            while waiting and len(pending) <= ahead:  # compiled programs wait in memory: few
                group = waiting.pop()
                pending[pool.submit(make_ready, group)] = group
            done, _ = concurrent.futures.wait(pending, 0.1, concurrent.futures.FIRST_COMPLETED)
            if observer.should_stop():
                raise Interrupted
            for future in done:
                group = pending.pop(future)
                left, session = dict.fromkeys(group.lanes), None
                try:
                    session, queue = future.result()
                    while queue:
                        if observer.should_stop():
                            raise Interrupted
                        own = fill_wave(session, queue)
                        left = dict.fromkeys([*own, *(lane for _, lane in queue)])
                        for result in run_wave(session, own, observer, saving, keep, names):
                            yield result
                            del left[result.config]
                except (Interrupted, OSError, HostLost):
                    raise
                except Exception as error:  # one bad group must not end a sweep overnight
                    if session and multihost.is_many():
                        if isinstance(error, (ConfigError, RunError)):  # here, between two steps
                            raise
                        raise HostLost(f"what devices did together broke off: {error}") from error
                    broken = group._replace(lanes=tuple(left))
                    if session:
                        opened.drop(session)
                    if not session or not _is_out_of_memory(error):
                        yield Failure(broken, error)
                    elif session.wave // 2 >= session.least:
                        waiting.append(broken._replace(at_most=session.wave // 2))
                    else:
                        refused = placement.refuse(session.least, group.structure, error)
                        yield Failure(broken, refused)
                leftovers.give_back()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _is_out_of_memory(error: Exception) -> bool:
    """Whether fewer lanes at once may fit: XLA's own refusal, or that of arrays on the host."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)
