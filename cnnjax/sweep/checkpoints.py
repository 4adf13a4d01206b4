"""Checkpoints of lanes in training, by Orbax, each in a folder of its own beside its curve.

A lane is saved by itself: it can go on alone or in another wave.
"""

import json
import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from cnnjax.config.config import Config
from cnnjax.records import atomic
from cnnjax.records.atomic import dump_line, write_text
from cnnjax.sweep import group
from cnnjax.sweep.session import Progress, Session
from cnnjax.training import program

if TYPE_CHECKING:  # it takes a second, so where lanes are saved alone
    from orbax.checkpoint import CheckpointManager

KEEP = 2  # should the newest be unreadable, there is one before it


class Checkpoints(NamedTuple):
    """Where lanes are saved while they train, and how often."""

    folder_of: Callable[[Config], pathlib.Path]
    every: int = 0  # steps; 0 for at every evaluation

    def steps_of(self, structure: Config) -> int:
        """Steps between two checkpoints; 0 for none but at the end."""
        return self.every or structure.eval_every


def open_manager(folder: pathlib.Path) -> "CheckpointManager":
    """The checkpoints of a lane, in `folder/checkpoints`."""
    from orbax import checkpoint as ocp

    options = ocp.CheckpointManagerOptions(max_to_keep=KEEP, enable_async_checkpointing=False)
    return ocp.CheckpointManager(atomic.as_utf8(folder).absolute() / "checkpoints", options=options)


def find_newest(folder: pathlib.Path) -> int:
    """The newest step of a lane that is saved; 0 where none is."""
    saved = (folder / "checkpoints").glob("*")
    return max((int(path.name) for path in saved if path.name.isdigit()), default=0)


def save(managers: Sequence["CheckpointManager"], segment: group.Segment) -> None:
    """Saves each lane after a segment, by its own manager; done when this returns."""
    from orbax import checkpoint as ocp

    host = jax.device_get(Progress(segment.states, segment.train))
    for lane, manager in enumerate(managers):
        own = jax.tree.map(lambda leaf, at=lane: np.asarray(leaf[at : at + 1]), host)
        manager.save(segment.step, args=ocp.args.StandardSave(own))
        manager.wait_until_finished()


def restore(
    managers: Sequence["CheckpointManager"], step: int, session: Session, lanes: Sequence[Config]
) -> Progress | None:
    """The lanes as they were saved after `step` steps, on the devices; None for their beginning."""
    if not step:
        return None
    from orbax import checkpoint as ocp

    begun = session.init(lanes)
    like = _describe_lane(begun, session.data.spec.num_classes)
    saved = [manager.restore(step, args=ocp.args.StandardRestore(like)) for manager in managers]
    filled = [*saved, *[saved[-1]] * (len(begun.step) - len(saved))]
    stacked: Any = jax.tree.map(lambda *leaves: np.concatenate(leaves), *filled)
    states, train = jax.device_put(stacked, begun.step.sharding)
    return Progress(states, None if group.is_due(session.structure, step) else train)


def _describe_lane(states: program.State, num_classes: int) -> Progress:
    """One lane as it is saved, without its values."""
    shapes = ((1,), (1,), (1,), (1, num_classes))  # loss, correct, count, targets
    sums: list[Any] = [np.zeros(shape, np.float32) for shape in shapes]
    train = program.TrainScores(*sums, np.zeros(1, np.int32))  # pyright: ignore[reportCallIssue]
    return Progress(jax.tree.map(lambda leaf: np.empty_like(leaf[:1]), states), train)


def load_metrics(folder: pathlib.Path, last_step: int) -> list[dict[str, Any]]:
    """The lines of a lane's metrics.jsonl up to `last_step`, but for one that was cut short."""
    path, lines = folder / "metrics.jsonl", []
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            break  # a run that was killed while it wrote
        if line["step"] <= last_step:
            lines.append(line)
    return lines


def write_metrics(
    folders: Iterable[pathlib.Path], curves: Iterable[Sequence[dict[str, Any]]]
) -> None:
    """Writes the metrics.jsonl of lanes anew, whole or not at all: one JSON object a line."""
    for folder, lines in zip(folders, curves, strict=True):
        text = "".join(dump_line(line) + "\n" for line in lines)
        write_text(folder / "metrics.jsonl", text)
