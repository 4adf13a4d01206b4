"""Checkpoints of lanes in training: one file of a lane and a step, of all that the lane is.

That is its state, in the writer of weights, and its learning curve so far, in the header: neither
can be newer than the other. Batches and all other draws follow from seed and step. A lane is saved
by itself: it can go on alone, in another wave, on other devices.
"""

import json
import math
import pathlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from cnnjax.config.config import Config
from cnnjax.config.errors import ConfigError
from cnnjax.records import atomic, shared, weights
from cnnjax.study.options import MINUTES
from cnnjax.sweep.best import find_best
from cnnjax.sweep.judged import Network
from cnnjax.sweep.session import Session
from cnnjax.training import program

KEEP = 2  # should the newest be unreadable, there is one before it
FORM = 1  # of what is in such a file
BEST = "best"  # in it, what is no part of the state


class Checkpoints(NamedTuple):
    """Where lanes are saved while they train, and how often."""

    folder_of: Callable[[Config], pathlib.Path]
    every: int | None = None  # steps; 0 for at every evaluation, None for by time alone
    minutes: float | None = MINUTES  # None for by steps alone

    def steps_of(self, structure: Config) -> int:
        """Steps between two checkpoints, 0 for none but by time."""
        return self.every or (structure.eval_every if self.every == 0 else 0)


class Clock:
    """When a wave of lanes is to be saved."""

    def __init__(self, saving: Checkpoints, structure: Config):
        minutes = math.inf if saving.minutes is None else saving.minutes
        self.every, self.seconds = saving.steps_of(structure), 60 * minutes
        self.saved, self.taken = time.monotonic(), 0

    def is_due(self, taken: int, steps: Iterable[int]) -> bool:
        """Whether lanes are to be saved now, after so many `steps`, of which here were `taken`."""
        due = self.every > 0 and any(step % self.every == 0 for step in steps)
        return due or self.is_late(taken)

    def is_late(self, taken: int) -> bool:
        """Whether lanes after so many steps were not saved, for as long as they may be without."""
        return taken != self.taken and time.monotonic() - self.saved >= self.seconds

    def start(self, taken: int) -> None:
        """The time runs anew, for they are saved after so many steps."""
        self.saved, self.taken = time.monotonic(), taken


class Saved(NamedTuple):
    """A lane as it was saved."""

    step: int
    path: pathlib.Path | None  # None for a lane before its first step
    lines: list[dict[str, Any]]  # its learning curve
    best: Network | None = None  # after the best evaluation so far, where it is to be kept


NOTHING = Saved(0, None, [])


def list_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """The checkpoints of a folder, newest first."""
    return sorted(folder.glob("step-*.safetensors"), reverse=True)


def _name(step: int) -> str:
    return f"step-{step:012}.safetensors"


def find_step(folder: pathlib.Path, last: float = math.inf) -> int:
    """After how many steps the newest checkpoint of a folder was saved, by its name, among those
    after no more than the `last`; 0 if none.
    """  # fmt: skip
    steps = [path.stem.removeprefix("step-") for path in list_files(folder)]
    found = (int(step) for step in steps if step.isdecimal())
    return next((step for step in found if step <= last), 0)


def find_newest(
    folder: pathlib.Path, on_note: Callable[[str], None] = lambda text: None, best: bool = False,
    lane: Config | None = None,
) -> Saved:  # fmt: skip
    """The newest checkpoint of a folder that is whole; those that are not are set aside, and said.

    A file that was written under another form than this one is none, and one without the best
    weights where they are asked for. Files from beyond the end of the `lane` that is to go on are
    left alone: they are of one that goes further.
    """
    shared.pull(folder)
    patience, last = (lane.patience, _name(lane.last_step)) if lane else (0, None)
    for path in list_files(folder):
        if last is not None and path.name > last:
            continue
        try:
            tree, about = weights.load(path)
            if (about.get("form"), _name(about.get("step", 0))) == (FORM, path.name):
                found = _read_best(tree.get(BEST, {}), about)
                lines = [json.loads(line) for line in about["lines"]]
                if not best or (found.step if found else 0) == find_best(lines, patience):
                    return Saved(about["step"], path, lines, found)
                reason = f"{path} has not the best weights so far, which --keep=best asks for"
            else:
                reason = f"{path} is of another form than {FORM}, or was renamed"
        except (ConfigError, OSError) as error:
            reason = str(error)
        atomic.set_aside(path, reason, "what was before it is used", on_note)
    return NOTHING


def _read_best(tree: Mapping[str, Any], about: Mapping[str, Any]) -> Network | None:
    if "best" not in about:
        return None
    return Network(tree.get("params", {}), tree.get("stats", {}), about["best"])


def save(
    folders: Iterable[pathlib.Path], steps: Iterable[int], states: program.State,
    curves: Iterable[Sequence[Mapping[str, Any]]], bests: Iterable[Network | None],
) -> None:  # fmt: skip
    """Saves each lane of a wave after its `steps`, in NumPy; the newest two of each stay.

    So do those from beyond.
    """
    leaves, waves = _name_leaves(states), zip(folders, steps, curves, bests, strict=True)
    for lane, (folder, step, lines, best) in enumerate(waves):
        # As text, in which the keys of a line keep their order.
        about = {"form": FORM, "step": step, "lines": [atomic.dump_line(line) for line in lines]}
        own = {name: leaf[lane] for name, leaf in leaves.items()}
        if best is not None:
            own[BEST] = {"params": best.params, "stats": best.stats}
            about["best"] = best.step
        weights.save(folder / _name(step), own, about)
        shared.push(folder / _name(step))
        older = [path for path in list_files(folder) if path.name <= _name(step)]
        for path in older[KEEP:]:
            path.unlink(missing_ok=True)
            shared.remove(path)


def restore(
    saved: Sequence[Saved], session: Session, lanes: Sequence[Config]
) -> program.State | None:
    """The lanes of a wave as they were saved, on the devices; None where all are to begin.

    Raises ConfigError where a file is not whole any more, or of another network.
    """
    if all(own.path is None for own in saved):
        return None
    begun = session.init(lanes)
    wanted = _name_leaves(begun)
    some_begin = any(own.path is None for own in saved)
    fresh = _name_leaves(session.fetch(begun)) if some_begin else {}
    found = [
        _read(own.path, wanted) if own.path else {name: leaf[lane] for name, leaf in fresh.items()}
        for lane, own in enumerate(saved)
    ]
    found += [found[-1]] * (len(begun.step) - len(found))
    stacked = [np.stack([own[name] for own in found]) for name in wanted]
    return session.restore(begun, jax.tree.unflatten(jax.tree.structure(begun), stacked))


def _read(path: pathlib.Path, wanted: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
    found = {name: own for name, own in weights.load(path).tree.items() if name != BEST}
    shapes = {name: (leaf.shape[1:], leaf.dtype) for name, leaf in wanted.items()}
    if {name: (leaf.shape, leaf.dtype) for name, leaf in found.items()} != shapes:
        raise ConfigError(f"{path} is a checkpoint of another network or optimizer: delete it")
    return found


def _name_leaves(states: program.State) -> dict[str, Any]:
    """The arrays of states by their places, such as params.conv_1.kernel."""
    leaves, _ = jax.tree.flatten_with_path(states)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}
