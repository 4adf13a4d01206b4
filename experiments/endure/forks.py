"""Scripts started in children of one process that has imported what they need.

It saves each of them the seconds that imports take, so that hundreds can be tried.
"""

import contextlib
import importlib
import os
import pathlib
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from experiments import script

SECONDS = 120  # longer is a wait
WAITED = "waited"  # what is said of a script that did not end
NEEDED = (
    "cnnjax.api", "cnnjax.report.page", "cnnjax.report.run", "cnnjax.report.progress",
    "cnnjax.measures.examine", "cnnjax.records.check", "cnnjax.report.terminal",
    "tensorflow_datasets", "jax.experimental.serialize_executable", "experiments.claims",
)  # fmt: skip


class Ended(NamedTuple):
    """A script that has ended."""

    status: int
    out: str
    errors: str

    @property
    def fault(self) -> str:
        """What is wrong with the way in which it ended; empty where it ended as scripts should."""
        said = self.errors + self.out
        if "Traceback" in said or self.status not in (0, 1, 2, 75):
            return f"status {self.status}: {said.strip()[-300:]}"
        lines = [line for line in self.errors.splitlines() if line.startswith("error: ")]
        if len(lines) != (self.status in (1, 2)) and "damaged" not in self.out:
            return f"status {self.status} with {len(lines)} errors: {self.errors.strip()[-300:]}"
        return ""


def start(
    module: str, flags: Sequence[str], setting: Mapping[str, str] = {},
    before: Callable[[], None] = lambda: None,
) -> Ended:  # fmt: skip
    """Runs the script of a module to its end in a child, under more of an environment.

    `before` is called in the child, and may replace what the script calls.
    """
    main = importlib.import_module(module).main
    for name in NEEDED:
        importlib.import_module(name)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if not child:
            os.dup2(out.fileno(), 1)
            os.dup2(errors.fileno(), 2)
            os.environ.update(setting)
            sys.argv = [f"{module}.py", *flags]
            _run(lambda argv, stop: main(argv, stop), before)
        status = _wait(child)
        texts = []
        for file in (out, errors):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return Ended(status, *texts)


def _run(main: Callable[[Sequence[str], script.Stop], int], before: Callable[[], None]) -> None:
    """In the child: runs the script and ends the process, whatever happens."""
    status = 1
    try:
        before()
        script.run(main, "nothing is lost")
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _wait(child: int) -> int:
    """The exit status of a child, which is killed where it does not end."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -signal.SIGKILL


def fail_sync(number: int, code: int) -> Callable[[], None]:
    """What makes the disk refuse the content of each file from the `number`-th on in a script."""

    def before() -> None:
        count, real = 0, os.fsync

        def fsync(handle: int) -> None:
            nonlocal count
            is_file = not pathlib.Path(f"/proc/self/fd/{handle}").is_dir()
            count += is_file
            if is_file and count >= number:
                raise OSError(code, os.strerror(code))
            real(handle)

        os.fsync = fsync

    return before


def count_syncs(path: pathlib.Path) -> Callable[[], None]:
    """What leaves in a file a byte for each file whose content a script sends to the disk."""

    def before() -> None:
        real = os.fsync

        def fsync(handle: int) -> None:
            if not pathlib.Path(f"/proc/self/fd/{handle}").is_dir():
                with path.open("ab") as file:
                    file.write(b".")
            real(handle)

        os.fsync = fsync

    return before


def end_at(word: str, number: int) -> Callable[[], None]:
    """What ends a script, as a kill does, before the `number`-th file with `word` in its path."""

    def before() -> None:
        count, real = 0, os.replace

        def replace(old: str, new: str) -> None:
            nonlocal count
            count += word in os.fspath(new)
            if count >= number:
                os._exit(75)
            real(old, new)

        os.replace = replace

    return before


def jump(seconds: float) -> Callable[[], None]:
    """What makes the clock of a script go wrong by so much, more at each look."""

    def before() -> None:
        real, looks = time.time, 0

        def now() -> float:
            nonlocal looks
            looks += 1
            return real() + seconds * looks

        time.time = now
        time.time_ns = lambda: int(1e9 * now())

    return before
