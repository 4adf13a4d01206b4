"""What every script does around its work: exit statuses, polite stopping, the progress bar."""

import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

from cnnjax.config import flags
from cnnjax.config.knobs import ConfigError, RunError, printable

WAITING = 0.1  # share of the time waited for data that is worth a word
DONE, FAILED, INTERRUPTED = 0, 1, 75  # exit statuses; 2 is for a wrong command line


class Stop:
    """Turns Ctrl-C and SIGTERM into a request where someone promised to listen for one.

    Elsewhere, and at the second request, the process ends at once with status 75: every file is
    written whole or not at all, so there is nothing to tidy up.
    """

    def __init__(self, go_on: str):
        self.go_on = go_on
        self.requested = False
        self.listening = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: object) -> None:
        if not self.listening or self.requested:
            self.end()
        self.requested = True

    def end(self) -> NoReturn:
        """Ends the process with status 75, saying how to go on."""
        message = f"interrupted: {self.go_on}; run the same command again to go on"
        print(message, file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(INTERRUPTED)  # a compilation in another thread must not keep us waiting

    @contextlib.contextmanager
    def listen(self) -> Iterator[Callable[[], bool]]:
        """Within, a first signal only makes the function given here return True."""
        self.listening = True
        try:
            yield lambda: self.requested
        finally:
            self.listening = False


def run(main: Callable[[Sequence[str], Stop], int], go_on: str) -> None:
    """Runs `main(argv, stop)` and ends the process with its exit status.

    An interruption ends with status 75 and says how to go on. A wrong request (ConfigError,
    found only where values meet data or network) ends with one line and status 2; what the
    system refused (RunError, OSError: a full disk, a folder that is a file) with one line and
    status 1.
    """
    stop = Stop(go_on)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # whatever a path or a terminal's encoding holds
            stream.reconfigure(errors="backslashreplace")
    try:
        status = main(sys.argv, stop)
    except ConfigError as error:
        flags.refuse(str(error))
    except (RunError, OSError) as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        status = FAILED
    if status == INTERRUPTED:
        stop.end()
    sys.exit(status)


class Bar(NamedTuple):
    """What a progress bar is told."""

    on_examples: Callable[[int], None]  # training examples seen
    on_lane: Callable[[Any], None]  # a lane that is done
    on_waiting: Callable[[float], None]  # share of the time in which no data were there


@contextlib.contextmanager
def progress_bar(total_lanes: int, total_examples: int) -> Iterator[Bar]:
    """A bar on stderr, silent unless that is a terminal.

    Says when training waits for data, which the device could have used.
    """
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    bar = progress.Progress(
        progress.TextColumn("training"),
        progress.BarColumn(),
        progress.TextColumn("{task.fields[done]}/{task.fields[lanes]} lanes"),
        progress.TextColumn("{task.fields[rate]} examples/s{task.fields[waiting]}"),
        progress.TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    done = 0
    task = bar.add_task("", total=total_examples, done=0, lanes=total_lanes, rate="–", waiting="")

    def on_examples(count: int) -> None:
        bar.advance(task, count)
        speed = bar.tasks[task].finished_speed or bar.tasks[task].speed
        bar.update(task, rate=f"{speed:,.0f}" if speed else "–")

    def on_lane(_: object) -> None:
        nonlocal done
        done += 1
        bar.update(task, done=done)

    def on_waiting(share: float) -> None:
        bar.update(task, waiting=f", {share:.0%} waiting for data" if share > WAITING else "")

    with bar:
        yield Bar(on_examples, on_lane, on_waiting)
