"""One wave: lanes of a session that train at once, from where each was saved to its end."""

import datetime
import functools
import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax

from cnnjax.config.config import Config
from cnnjax.records.predictions import Predictions, pack
from cnnjax.sweep import checkpoints, final, judged, multihost
from cnnjax.sweep.best import has_run_out
from cnnjax.sweep.checkpoints import Checkpoints
from cnnjax.sweep.final import Final
from cnnjax.sweep.group import Segment, is_due
from cnnjax.sweep.observer import Observer
from cnnjax.sweep.results import describe_lane
from cnnjax.sweep.session import Session

PATIENCE = 2.0  # seconds that a measurement may still take when someone asked to stop


class Interrupted(Exception):
    """The caller asked to stop; everything yielded so far is complete."""


Begun = Mapping[Config, checkpoints.Saved]  # lanes, and as what they were saved


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


def needs_best(structure: Config, keep: str) -> bool:
    """Whether the network after the best evaluation so far is to be known."""
    return keep == "best" or structure.patience > 0


def run_wave(
    session: Session, begun: Begun, observer: Observer, saving: Checkpoints | None,
    keep: str, names: Sequence[str],
) -> Iterator[Result]:  # fmt: skip
    """Trains lanes with the same rest before them (`Session.rest_of`), from where they were saved.

    Where one stops before the last step of its schedule, its state there stays saved.
    """
    if not begun:
        return
    started, begin = datetime.datetime.now(datetime.UTC), time.perf_counter()
    structure, lanes, seconds = session.structure, list(begun), 0.0
    folders = [saving.folder_of(lane) for lane in lanes] if saving else []
    clock = checkpoints.Clock(saving, structure) if saving else None
    curves = [list(saved.lines) for saved in begun.values()]
    seeks_best = needs_best(structure, keep)
    best = [saved.best if seeks_best else None for saved in begun.values()]
    starts, taken = [saved.step for saved in begun.values()], 0
    left = lanes[0].last_step - starts[0]
    stays = any(lane.stop_at for lane in lanes)
    # An evaluation that the whole run has not is in no checkpoint, which that may go on from.
    is_apart, sealed = any(not is_due(structure, lane.last_step) for lane in lanes), False
    states = checkpoints.restore([*begun.values()], session, lanes)

    def save() -> None:
        if clock and states is not None and not sealed:
            steps = [start + taken for start in starts]
            checkpoints.save(folders, steps, session.fetch(states), curves, best)
            if taken:
                observer.on_saved(max(steps))
            clock.start(taken)

    def look() -> bool:
        """Whether someone asked to stop what is being measured; saved it is then, or when late."""
        stopping = observer.should_stop()
        if clock and (stopping or clock.is_late(taken)):
            save()
        return stopping

    def are_out() -> bool:
        return all(has_run_out(curve, structure.patience) for curve in curves)

    number, segments = len(session.cut(lanes, starts)), session.train(lanes, states, starts)
    segments = _take_each(segments, number, observer)
    if are_out():
        segments = iter(())
    elif states is not None and any(map(_is_lacking, lanes, starts, curves)):
        segments = itertools.chain([session.evaluate(states, starts[0])], segments)
    for segment in segments:
        trained = (segment.step - starts[0] - taken) * structure.batch_size * len(lanes)
        states, seconds, taken = segment.states, seconds + segment.seconds, segment.step - starts[0]
        steps = [start + taken for start in starts]
        if trained:
            observer.on_trained(trained, segment.seconds)
        if is_apart and taken == left:
            save()
            sealed = True
        if segment.validation is not None:
            scores = _read(segment.validation, look)
            told = session.fetch(states, ["sums", "diverged_at", "last"])
            read = segment._replace(states=told, validation=scores)
            for at, (lane, step, curve) in enumerate(zip(lanes, steps, curves, strict=True)):
                if _is_lacking(lane, step, curve):
                    curve.append(describe_lane(read, at, step))
                    observer.on_lines(lane, curve)
            if seeks_best:
                best = judged.renew(session, best, curves, states, steps)
        if trained:
            observer.on_examples(trained)
            observer.on_waiting(segment.waiting / segment.seconds)
        ended = taken == left or are_out()
        stopping = not ended and observer.should_stop()
        if clock and (stopping or ended and stays or clock.is_due(taken, steps)):
            save()
        if stopping:
            raise Interrupted
        if ended:
            break
    assert states is not None
    if multihost.is_many() and look():  # nobody listens while all of them measure
        raise Interrupted
    kept: Sequence[Final | None] = [None] * len(lanes)
    if keep != "none":
        kept = final.keep(session, states, best, [curve[-1]["step"] for curve in curves], names)
    finished = session.finish(lanes, states, curves, lambda values: _read(values, look), best)
    rate = taken * structure.batch_size * len(lanes) / seconds if taken else None
    whole = time.perf_counter() - begin
    wave = Wave(started.isoformat(timespec="seconds"), whole, _describe(session, len(lanes)))
    for config, curve, own, network in zip(lanes, curves, finished, kept, strict=True):
        answers = None if own.answers is None else pack(*own.answers)
        yield Result(config, own.scores, curve, rate, session.seconds, wave, answers, network)


def _take_each(segments: Iterator[Segment], number: int, observer: Observer) -> Iterator[Segment]:
    """The segments, each taken by the observer."""
    for place in range(number):
        yield observer.take(place, number, functools.partial(next, segments))


def _is_lacking(lane: Config, step: int, curve: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a lane after so many steps was to be evaluated and was not: it was stopped there."""
    if not step or has_run_out(curve, lane.patience) or not is_due(lane, step, lane.last_step):
        return False
    return not curve or curve[-1]["step"] < step


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
