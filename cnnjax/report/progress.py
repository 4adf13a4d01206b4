"""How far training is, as a bar for a terminal. Imports no JAX."""

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

LEAST = 80  # columns of a terminal that has room for all
WAITING = 0.1  # share of the time waited for data that is worth a word


class Bar(NamedTuple):
    """What a progress bar is told."""

    on_start: Callable[[int, int], None]  # lanes that begin, and all their training examples
    on_examples: Callable[[int], None]  # training examples seen
    on_waiting: Callable[[float], None]  # share of the time in which no data were there
    on_record: Callable[[object], None]  # a lane that is done


@contextlib.contextmanager
def open_bar(quiet: bool = False) -> Iterator[Bar]:
    """A bar on stderr from the first lane on, silent where it is to be or that is no terminal.

    Says when training waits for data, which the device could have used.
    """
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    lanes_done = progress.TextColumn("{task.fields[done]}/{task.fields[lanes]} lanes")
    rate = "{task.fields[rate]} examples/s"
    if console.width < LEAST:  # words would be cut short
        columns = [progress.BarColumn(10), lanes_done, progress.TextColumn(rate)]
    else:
        columns = [
            progress.TextColumn("training"),
            progress.BarColumn(),
            lanes_done,
            progress.TextColumn(rate + "{task.fields[waiting]}"),
            progress.TimeRemainingColumn(),
        ]
    bar = progress.Progress(
        *columns,
        console=console,
        disable=quiet or not console.is_terminal,
        transient=True,
    )
    done = lanes = examples = 0
    task = bar.add_task("", total=0, done=0, lanes=0, rate="–", waiting="")

    def on_start(more_lanes: int, more_examples: int) -> None:
        nonlocal lanes, examples
        lanes, examples = lanes + more_lanes, examples + more_examples
        bar.update(task, lanes=lanes, total=examples)
        bar.start()

    def on_examples(count: int) -> None:
        bar.advance(task, count)
        speed = bar.tasks[task].finished_speed or bar.tasks[task].speed
        bar.update(task, rate=f"{speed:,.0f}" if speed else "–")

    def on_record(_: object) -> None:
        nonlocal done
        done += 1
        bar.update(task, done=done)

    def on_waiting(share: float) -> None:
        bar.update(task, waiting=f", {share:.0%} waiting for data" if share > WAITING else "")

    try:
        yield Bar(on_start, on_examples, on_waiting, on_record)
    finally:
        bar.stop()
