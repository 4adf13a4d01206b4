"""What every script does around its work: exit statuses, polite stopping, what lanes say."""

import contextlib
import errno
import io
import math
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from absl import flags as absl_flags

from cnnjax.config import explain, flags, machine, numeric, plugins, words
from cnnjax.config.errors import HostLost
from cnnjax.config.explain import Choice
from cnnjax.config.knobs import ConfigError, RunError, printable
from cnnjax.config.mesh import AUTO
from cnnjax.records.origin import MIXABLE
from cnnjax.study.options import KEEPS, MINUTES
from experiments import endings

if TYPE_CHECKING:
    from cnnjax.sweep.observer import Observer

WARNING = "warning: "
DONE, FAILED, INTERRUPTED = 0, 1, 75  # exit statuses; 2 is for a wrong command line
SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAVING_SECONDS = 10  # a stretch of training and its checkpoint take less


class Saved(NamedTuple):
    """When runs in training are saved."""

    checkpoint_every: int | None  # steps; 0 for at every evaluation, None for by time alone
    checkpoint_minutes: float | None  # None for by steps alone


class Stop:
    """Turns Ctrl-C and SIGTERM into a request where someone promised to listen for one.

    Elsewhere, and at the second request, the process ends at once with status 75: every file is
    written whole or not at all, so there is nothing to tidy up.
    """

    def __init__(self, go_on: str):
        self.go_on = go_on
        self.signalled = False
        self.listening = False
        self.deadline = math.inf  # on the monotonic clock
        self.twice_seconds = 0.0  # a second signal so soon is the first
        self.since = -math.inf
        for number in SIGNALS:
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: object) -> None:
        again = time.monotonic() - self.since < self.twice_seconds
        if not again and (not self.listening or self.signalled):
            self.end()
        self.signalled, self.since = True, time.monotonic()

    @property
    def requested(self) -> bool:
        """Whether someone asked to stop, or the time is over."""
        return self.signalled or time.monotonic() >= self.deadline

    def limit(self, minutes: float) -> None:
        """Within so many minutes from now it is requested, in time to save what is in training."""
        self.deadline = time.monotonic() + max(60 * minutes - SAVING_SECONDS, 0)

    def end(self) -> NoReturn:
        """Ends the process with status 75, saying how to go on."""
        message = f"interrupted: {self.go_on}; run the same command again to go on"
        words.say(message, sys.stderr)
        endings.end_others(INTERRUPTED)
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
    found only where values meet data or network) ends with one line and status 2, and so does an
    error in a plug-in, unless --traceback asks for all of it; what the system refused (RunError,
    OSError: a full disk, a folder that is a file) with one line and status 1.
    """
    stop = Stop(go_on)
    _open_streams()
    try:
        status = _run(main, stop)
    except SystemExit as ended:
        endings.end_others(ended.code if isinstance(ended.code, int) else FAILED)
        raise
    except BaseException as error:
        endings.end_others(FAILED, error)
        raise
    if status == INTERRUPTED:
        stop.end()
    endings.end_others(status)
    for number in SIGNALS:  # all is done: while Python goes it would fall back on their default
        signal.signal(number, signal.SIG_IGN)
    sys.exit(status)


def _run(main: Callable[[Sequence[str], Stop], int], stop: Stop) -> int:
    warnings.formatwarning = lambda message, *_: f"{WARNING}{printable(str(message))}\n"
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # whatever a path or a terminal's encoding holds
            stream.reconfigure(errors="backslashreplace")
    try:
        machine.check_addresses()
        status = main(sys.argv, stop)
    except ConfigError as error:
        if "--traceback" in sys.argv:
            traceback.print_exception(error)
        flags.refuse(plugins.locate(error) or str(error))
    except BrokenPipeError:  # whoever read it has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = DONE
    except KeyboardInterrupt:  # ours are signals: code from outside raised it
        status = INTERRUPTED
    except HostLost as error:
        endings.end_lost(str(error))
    except (RunError, OSError) as error:
        words.say(f"error: {words.shorten(printable(str(error)))}", sys.stderr)
        status = FAILED
    except Exception as error:
        where, short = plugins.locate(error), machine.explain_shortage(error)
        if "--traceback" in sys.argv or where is None and short is None:
            raise
        if where is not None:
            flags.refuse(where)
        words.say(f"error: {words.shorten(printable(str(short)))}", sys.stderr)
        status = FAILED
    return status


def _open_streams() -> None:
    """Opens what was closed by whoever started the script, so that no file of ours takes its place.

    It is written into by libraries in C++, whatever lies there.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8"))


def define_quiet(values: absl_flags.FlagValues) -> None:
    """Defines --quiet."""
    absl_flags.DEFINE_boolean(
        "quiet", False,
        "Print no progress bar, notes and tables: only warnings, failures and where results are.",
        flag_values=values,
    )  # fmt: skip


@contextlib.contextmanager
def observe(stop: Stop, quiet: bool = False) -> Iterator["Observer"]:
    """Within, lanes train under a progress bar, and a first signal makes them stop politely.

    Notes go to stderr. Both are left out where it is to be `quiet`.
    """
    from cnnjax.report import progress
    from cnnjax.sweep import multihost
    from cnnjax.sweep.observer import Observer

    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(progress.open_bar(quiet))

        def on_start(num_lanes: int, num_examples: int) -> None:
            stack.enter_context(stop.listen())
            bar.on_start(num_lanes, num_examples)

        yield Observer(
            on_start, bar.on_examples, bar.on_waiting, bar.on_record,
            open_notes(quiet), lambda: stop.requested or multihost.is_asked(),
        )  # fmt: skip


def define_saving(values: absl_flags.FlagValues) -> None:
    """Defines --checkpoint_minutes, --checkpoint_every and --time_limit."""
    numeric.define_number(
        values, "checkpoint_minutes", None,
        f"Minutes between checkpoints of what is in training, {MINUTES:g} by default; fractions"
        " too, inf for none.",
    )  # fmt: skip
    numeric.define_integer(
        values, "checkpoint_every", None,
        "Steps between checkpoints, and none by time unless that is given too; 0 for at every"
        " evaluation.",
        0,
    )  # fmt: skip
    numeric.define_number(
        values, "time_limit", None,
        "Minutes after which the command saves and ends as if it were interrupted; more than"
        f" {SAVING_SECONDS} seconds.",
    )  # fmt: skip


def read_saving(values: absl_flags.FlagValues) -> Saved:
    """When runs in training are to be saved."""
    every, minutes = values.checkpoint_every, values.checkpoint_minutes
    if values.time_limit is not None and 60 * values.time_limit <= SAVING_SECONDS:
        flags.refuse(
            f"--time_limit={values.time_limit:g} minutes leave no time to train: saving may take"
            f" {SAVING_SECONDS} seconds"
        )
    if minutes is None and every is None:
        minutes = MINUTES
    return Saved(every, None if minutes == math.inf else minutes)


def define_mesh(values: absl_flags.FlagValues) -> None:
    """Defines --mesh."""
    absl_flags.DEFINE_string(
        "mesh", AUTO,
        "Devices for lanes (run) and for each batch (data), such as run:4,data:2; auto for what the"
        " sizes of the networks suggest. With data the last bits of a run are others.",
        flag_values=values,
    )  # fmt: skip


def define_mix(values: absl_flags.FlagValues, help: str) -> None:
    """Defines --mix."""
    absl_flags.DEFINE_enum("mix", None, list(MIXABLE), help, flag_values=values)


def read_mix(values: absl_flags.FlagValues) -> tuple[str, ...]:
    """In what runs may be unlike."""
    return (values.mix,) if values.mix else ()


def define_keep(values: absl_flags.FlagValues, default: str, where: str) -> None:
    """Defines --keep; `where` says where the weights lie."""
    absl_flags.DEFINE_enum(
        "keep", default, KEEPS,
        f"Weights that stay of a finished run {where}: final; best, after the evaluation of the"
        " highest validation accuracy, in best.safetensors; or none.",
        flag_values=values,
    )  # fmt: skip


def define_keep_of(values: absl_flags.FlagValues) -> None:
    """Defines --keep of a run that is opened."""
    absl_flags.DEFINE_enum(
        "keep", None, [own for own in KEEPS if own != "none"],
        "Which of the weights that it kept; the last where they are there.", flag_values=values,
    )  # fmt: skip


def print_note(text: str) -> None:
    """On stderr, what a person should know, or must where it says that it is a warning."""
    said = text if text.startswith(WARNING) else f"note: {text}"
    words.say(printable(said), sys.stderr)


def open_notes(quiet: bool) -> Callable[[str], None]:
    """What prints notes as they come, of a quiet script warnings alone."""
    return lambda text: None if quiet and not text.startswith(WARNING) else print_note(text)


def tell_unwritten(error: OSError) -> None:
    """Warns that a report is not written where its folder is only read; else raises the error."""
    if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
        raise error
    print_note(f"{WARNING}no report is written: {error}")


def print_choices(choices: Sequence[Choice]) -> None:
    """Prints the values in force that are not the plain default, by whence they are."""
    for line in explain.describe_choices(choices):
        words.say(line)
