"""Many runs as few programs: lanes that share structure compile once and train together.

A lane is one Config with its seed; a group is the lanes of one structure.
"""

import collections
import concurrent.futures
import datetime
import itertools
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax

from cnnjax.config.config import Config, structure_of
from cnnjax.config.errors import ConfigError, HostLost, RunError
from cnnjax.config.mesh import AUTO
from cnnjax.data.dataset import Dataset
from cnnjax.records.predictions import Predictions, pack
from cnnjax.sweep import checkpoints, final, leftovers, multihost, placement
from cnnjax.sweep.checkpoints import Checkpoints
from cnnjax.sweep.final import Final
from cnnjax.sweep.group import is_due
from cnnjax.sweep.observer import QUIET, Observer
from cnnjax.sweep.placed import Shared
from cnnjax.sweep.results import describe_segment
from cnnjax.sweep.session import Session, open_session

PATIENCE = 2.0  # seconds that a measurement may still take when someone asked to stop


class Interrupted(Exception):
    """The caller asked to stop; everything yielded so far is complete."""


Begun = Mapping[Config, checkpoints.Saved]  # lanes, and as what they were saved
Queue = collections.deque[tuple[int, Config]]  # lanes, and after how many steps they go on


class Group(NamedTuple):
    """Lanes that share a program."""

    structure: Config
    lanes: tuple[Config, ...]
    at_most: int | None = None  # lanes at once, where more of them did not fit the memory


class Ready(NamedTuple):
    """A group that can be trained."""

    session: Session
    queue: Queue  # by steps


class Wave(NamedTuple):
    """How a lane was trained, with the others of its wave: for its record, and in no address."""

    started: str  # UTC
    seconds: float  # of training and evaluation by this launch, without compiling
    strategy: dict[str, int]  # lanes in the wave, devices and how they were shared, chunk


class Result(NamedTuple):
    """One finished lane."""

    config: Config
    scores: dict[str, Any]
    metrics: list[dict[str, Any]]  # one a evaluation
    examples_per_second: float | None  # of its whole wave, without compilation; None if resumed
    compile_seconds: float  # of the whole group
    wave: Wave
    predictions: Predictions | None = None  # on the test images; None where it failed
    final: Final | None = None  # the network, where it is to be kept


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
) -> Iterator[Result | Failure]:  # fmt: skip
    """Trains every config and yields it when it is done; a group that fails yields a Failure.

    Groups compile concurrently while earlier ones train; a group whose states do not fit the memory
    goes in waves through one compiled program. The observer hears of each segment how many training
    examples it saw, and for what share of its time no data were there. Lanes go on where they were
    saved, if they were. With `keep` each result has its "final" network, or that which did "best"
    on validation images. Lanes that cannot be claimed are left out without a word: others train
    them. All train on the `mesh` of --mesh. Raises Interrupted soon after the observer asked to
    stop.
    """
    shared, names = Shared(), dataset.class_names

    def make_ready(group: Group) -> Ready:
        steps = dict.fromkeys(group.lanes, 0)
        if saving:  # others may train these lanes now: their files are only counted
            steps = {lane: checkpoints.find_step(saving.folder_of(lane)) for lane in group.lanes}
        every = saving.steps_of(group.structure) if saving else 0
        session = open_session(
            group.structure, group.lanes, dataset, shared, every, group.at_most, mesh
        )
        lanes = sorted(steps, key=steps.__getitem__)
        return Ready(session, Queue([(steps[lane], lane) for lane in lanes]))

    def fill_wave(queue: Queue, size: int) -> tuple[Begun, list[Config]]:
        """Lanes off the queue that are ours: a wave after the same steps, and what is not."""
        wave, moved, step = {}, [], queue[0][0]
        while queue and queue[0][0] == step and len(wave) < size:
            _, lane = queue.popleft()
            if claim(lane):
                saved = checkpoints.NOTHING
                if saving:
                    folder = saving.folder_of(lane)
                    saved = checkpoints.find_newest(folder, observer.on_note, keep == "best")
                if saved.step == step:
                    wave[lane] = saved
                else:  # trained by another launch meanwhile, or a file was damaged
                    moved.append(lane)
        return wave, moved

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
                        own, moved = fill_wave(queue, session.wave)
                        left = dict.fromkeys([*own, *(lane for _, lane in queue)])
                        if moved:
                            waiting.append(group._replace(lanes=tuple(moved)))
                        for result in _run_wave(session, own, observer, saving, keep, names):
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


def _run_wave(
    session: Session, begun: Begun, observer: Observer, saving: Checkpoints | None,
    keep: str, names: Sequence[str],
) -> Iterator[Result]:  # fmt: skip
    """Trains lanes that are all after the same number of steps, from where they were saved."""
    if not begun:
        return
    started, begin = datetime.datetime.now(datetime.UTC), time.perf_counter()
    structure, lanes, seconds = session.structure, list(begun), 0.0
    folders = [saving.folder_of(lane) for lane in lanes] if saving else []
    clock = checkpoints.Clock(saving, structure) if saving else None
    curves = [list(saved.lines) for saved in begun.values()]
    best = [saved.best if keep == "best" else None for saved in begun.values()]
    start = step = next(iter(begun.values())).step
    states = checkpoints.restore([*begun.values()], session, lanes)

    def save() -> None:
        if clock and states is not None:
            checkpoints.save(folders, step, session.fetch(states), curves, best)
            if step > start:
                observer.on_saved(step)
            clock.start(step)

    def look() -> bool:
        """Whether someone asked to stop what is being measured; saved it is then, or when late."""
        stopping = observer.should_stop()
        if clock and (stopping or clock.is_late(step)):
            save()
        return stopping

    segments = session.train(lanes, states, start)
    if states is not None and any(_is_lacking(structure, start, curve) for curve in curves):
        segments = itertools.chain([session.evaluate(states, start)], segments)
    for segment in segments:
        trained = (segment.step - step) * structure.batch_size * len(lanes)
        states, seconds, step = segment.states, seconds + segment.seconds, segment.step
        if segment.validation is not None:
            scores = _read(segment.validation, look)
            told = session.fetch(states, ["sums", "diverged_at"])
            lines = describe_segment(segment._replace(states=told, validation=scores), len(lanes))
            for lane, curve, line in zip(lanes, curves, lines, strict=True):
                if _is_lacking(structure, step, curve):
                    curve.append(line)
                    observer.on_lines(lane, curve)
            if keep == "best":
                best = final.renew(session, best, curves, states)
        if trained:
            observer.on_examples(trained)
            observer.on_waiting(segment.waiting / segment.seconds)
        stopping = step < structure.steps and observer.should_stop()
        if clock and (stopping or clock.is_due(step)):
            save()
        if stopping:
            raise Interrupted
    assert states is not None
    if multihost.is_many() and look():  # nobody listens while all of them measure
        raise Interrupted
    trained = (step - start) * structure.batch_size * len(lanes)
    kept: Sequence[Final | None] = [None] * len(lanes)
    if keep != "none":
        kept = final.keep(session, states, best, names)
    finished = session.finish(lanes, states, curves, lambda values: _read(values, look))
    rate = trained / seconds if trained else None
    whole = time.perf_counter() - begin
    wave = Wave(started.isoformat(timespec="seconds"), whole, _describe(session, len(lanes)))
    for config, curve, own, network in zip(lanes, curves, finished, kept, strict=True):
        answers = None if own.answers is None else pack(*own.answers)
        yield Result(config, own.scores, curve, rate, session.seconds, wave, answers, network)


def _is_lacking(structure: Config, step: int, curve: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a lane after so many steps was to be evaluated and was not: it was stopped there."""
    return is_due(structure, step) and (not curve or curve[-1]["step"] < step)


def _read(values: Any, look: Callable[[], bool]) -> Any:
    """Arrays that devices are at work on, in NumPy; until they are there it will `look` about.

    Raises Interrupted where that says that someone asked to stop, and they are not there soon.
    """
    begin, patient_until = time.monotonic(), math.inf
    while not all(leaf.is_ready() for leaf in jax.tree.leaves(values)):
        if patient_until == math.inf and look():
            patient_until = time.monotonic() + PATIENCE
        if time.monotonic() >= patient_until:
            raise Interrupted
        time.sleep(min(max((time.monotonic() - begin) / 10, 1e-4), 0.1))
    return jax.device_get(values)


def _describe(session: Session, num_lanes: int) -> dict[str, int]:
    """How a wave shares the devices: each batch of a lane may be shared by several of them."""
    devices = session.mesh.shape
    return {
        "lanes": num_lanes,
        "devices": session.mesh.size,
        "devices_a_lane": devices["data"],
        "chunk": session.least // devices["run"],
    }
