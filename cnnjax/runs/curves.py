"""A run's learning curve as other tools open it: event files for TensorBoard, and its speed."""

import contextlib
import csv
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from cnnjax.config import installed
from cnnjax.config.errors import ConfigError
from cnnjax.records import export
from cnnjax.runs import result
from cnnjax.sweep.observer import Observer

SPEED, EVENTS = "speed.csv", "tensorboard"  # a file and a folder of a run's
RATE, TIME = "images_per_second", "time"  # columns of the former; seconds since 1970

Line = Mapping[str, Any]


def import_tensorboard() -> Any:
    """The package tensorboardX. Raises ConfigError without it."""
    try:
        import tensorboardX  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ConfigError(
            "--tensorboard needs tensorboardX, which is not installed:"
            f" {installed.how_to_add(EVENTS)}; or read metrics.csv"
        ) from None
    return tensorboardX


@contextlib.contextmanager
def follow(workdir: pathlib.Path, observer: Observer, tensorboard: bool) -> Iterator[Observer]:
    """Within, an observer that also writes the learning curve of a run into its folder.

    How fast it trained is in a file of its own, for no two runs are as fast.
    """
    speeds = read_speeds(workdir)
    images, seconds = 0, 0.0

    def on_trained(num_images: int, time_of: float) -> None:
        nonlocal images, seconds
        observer.on_trained(num_images, time_of)
        images, seconds = images + num_images, seconds + time_of

    with contextlib.ExitStack() as stack:
        tell = stack.enter_context(open_events(workdir / EVENTS)) if tensorboard else None

        def on_lines(lane: Any, lines: Sequence[Line]) -> None:
            nonlocal images, seconds
            result.write_lines(workdir, lines)
            if seconds:
                own = {"step": lines[-1]["step"], RATE: images / seconds, TIME: time.time()}
                speeds[own["step"]] = own
                images, seconds = 0, 0.0
            rows = [speeds[line["step"]] for line in lines if line["step"] in speeds]
            export.write_csv(workdir / SPEED, rows)
            if tell:
                tell(lines, speeds)
            observer.on_lines(lane, lines)

        yield observer._replace(on_lines=on_lines, on_trained=on_trained)


def write_finished(
    workdir: pathlib.Path, lines: Sequence[Line], tensorboard: bool, say: Callable[[str], None]
) -> None:
    """Writes of a finished run what shows its learning curve: event files anew, where asked for.

    Nothing is lost where that cannot be, as in a folder that is only read: it is said.
    """
    try:
        result.mend_csv(workdir, lines)
        if tensorboard:
            with open_events(workdir / EVENTS) as tell:
                tell(lines, read_speeds(workdir))
    except OSError as error:
        say(f"warning: the curve of a finished run is not written anew: {error}")


def read_speeds(workdir: pathlib.Path) -> dict[int, dict[str, Any]]:
    """How fast a run trained up to each evaluation, by its step; none where that is not known."""
    try:
        with (workdir / SPEED).open(newline="", encoding="utf-8") as file:
            rows = [*csv.DictReader(file)]
        found = [{"step": int(row["step"]), **_read_numbers(row)} for row in rows]
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return {}
    return {row["step"]: row for row in found}


def _read_numbers(row: Mapping[str, str]) -> dict[str, float]:
    return {name: float(row[name]) for name in (RATE, TIME)}


@contextlib.contextmanager
def open_events(
    folder: pathlib.Path,
) -> Iterator[Callable[[Sequence[Line], Mapping[int, Line]], None]]:
    """Within, what writes those points of a curve that are not there yet into an event file.

    It takes all lines so far and all speeds. The first time it replaces the event files that are
    there: a run that goes on has each point once, and a TensorBoard that looks on forgets those of
    before. Raises ConfigError without tensorboardX.
    """
    tensorboard = import_tensorboard()
    written: set[int] = set()
    writer = None

    def tell(lines: Sequence[Line], speeds: Mapping[int, Line]) -> None:
        nonlocal writer
        if writer is None:
            for path in folder.glob("events.out.tfevents.*"):
                path.unlink()
            writer = tensorboard.SummaryWriter(str(folder), purge_step=0)
        for line in lines:
            step = line["step"]
            if step in written:
                continue
            speed = dict(speeds.get(step, {}))
            at = speed.pop(TIME, None)
            for name, value in {**line, **speed}.items():
                if name != "step" and value is not None:
                    writer.add_scalar(name, value, step, at)
            written.add(step)
        writer.flush()

    try:
        yield tell
    finally:
        if writer is not None:
            writer.close()
