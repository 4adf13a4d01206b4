"""Checkpoints of a run in training, by Orbax, and the files beside them in its folder."""

import json
import pathlib
from typing import Any

import jax
from orbax import checkpoint as ocp

from cnnjax.records import atomic
from cnnjax.records.atomic import dump_line, write_text
from cnnjax.training.program import State

KEEP = 2  # should the newest be unreadable, there is one before it


def open_manager(workdir: pathlib.Path) -> ocp.CheckpointManager:
    """The checkpoints of a run, in `workdir/checkpoints`."""
    options = ocp.CheckpointManagerOptions(max_to_keep=KEEP, enable_async_checkpointing=False)
    folder = atomic.as_utf8(workdir).absolute() / "checkpoints"
    return ocp.CheckpointManager(folder, options=options)


def save(manager: ocp.CheckpointManager, step: int, states: State) -> None:
    """Saves the state after `step` steps; done when this returns."""
    manager.save(step, args=ocp.args.StandardSave(states))
    manager.wait_until_finished()


def restore(manager: ocp.CheckpointManager, states: State) -> tuple[int, State] | None:
    """The newest step saved and its state, or None; `states` gives shapes and sharding."""
    step = manager.latest_step()
    if step is None:
        return None
    like = jax.tree.map(ocp.utils.to_shape_dtype_struct, states)
    restored: Any = manager.restore(step, args=ocp.args.StandardRestore(like))
    return step, restored


def load_metrics(path: pathlib.Path, last_step: int) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl up to `last_step`, leaving out one that was cut short."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            break  # a run that was killed while it wrote
        if line["step"] <= last_step:
            lines.append(line)
    return lines


def write_metrics(path: pathlib.Path, lines: list[dict[str, Any]]) -> None:
    """Writes metrics.jsonl anew, whole or not at all: one JSON object a line."""
    write_text(path, "".join(dump_line(line) + "\n" for line in lines))
