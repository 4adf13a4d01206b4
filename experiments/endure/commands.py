"""Command lines of every script, right and wrong, in one process: each must end in a line or two.

    python -m experiments.endure.commands [NUMBER] [SEED]

Hypothesis draws flags and values (draws.py). A command line is to end with status 0, or with 2 (1
where the system refused) and one line that says why: a traceback, a wait and an end of the process
are faults. Scripts with --plan are given that, or --judge_only, so that nothing trains; others end
where their work would begin.
"""

import ast
import contextlib
import faulthandler
import importlib.util
import io
import math
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from absl import flags as absl_flags

from cnnjax.config import flags, words
from experiments import script
from experiments.endure import child, places
from experiments.endure.tally import Tally

FULL, TENTH, SECONDS = 2000, 200, 10  # command lines; of the CPU, more is a wait
LATE, NEVER = 60, 600  # seconds of the CPU after which one is stopped; by the clock the process
LONGEST = words.MOST_SAID + 100  # characters of a line on stderr
# With what each begins; the last is said of each study without its records, beside others.
MARKS = ("error: ", "note: ", "warning: ", "not judged: ")
ROOT = Path(__file__).parents[2]
# Where the work of a script without --plan begins.
WORK = (
    "cnnjax.sweep.backend.configure_jax", "cnnjax.data.load.load_dataset",
    "experiments.checks.__main__.print_known_answers", "experiments.checks.tpu.compile_all",
    "experiments.endure.__main__.print_part",
)  # fmt: skip
RECORDS = ("--grid=learning_rate=0.1,0.01", "--seeds=2", "--steps=1", "--widths=2", "--hidden=")
BY_ALL = "experiments.claims.known_answers.run_checks"  # what `launch.py all` does besides


class Script(NamedTuple):
    """A script, and what it may be given."""

    name: str  # of its module
    main: Callable[[Sequence[str], script.Stop], int]
    flags: tuple[absl_flags.Flag, ...]


class Outcome(NamedTuple):
    """What became of a command line."""

    status: int | None  # None where it raised what no script answers
    said: str  # on stderr
    crash: BaseException | None
    seconds: float  # of the CPU


class Late(BaseException):
    """Too much time has passed; nobody takes it for an error of its own."""


class Begun(BaseException):
    """A script would begin its work."""


class Silent(script.Stop):
    """One that leaves signals and the process alone."""

    def __init__(self, go_on: str):
        self.signalled = self.listening = False
        self.deadline = math.inf

    def end(self) -> Any:
        """Ends the script alone."""
        raise SystemExit(script.INTERRUPTED)


def list_scripts() -> list[Script]:
    """Every script of the project with a command line, with its flags."""
    paths = [ROOT / "launch.py", *sorted((ROOT / "experiments").rglob("*.py"))]
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths if _is_script(path)
    ]
    return [_open(name) for name in names]


def _is_script(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    begun = [node for node in tree.body if isinstance(node, ast.If)]  # where it is __main__
    calls = (own for node in begun for own in ast.walk(node) if isinstance(own, ast.Call))
    return any(ast.unparse(call).startswith("script.run(main, ") for call in calls)


def _open(name: str) -> Script:
    """The script of a module, asked for its flags and stopped there."""
    module, found = importlib.import_module(name), []

    def keep(values: absl_flags.FlagValues, *others: Any) -> Any:
        found.append(values)
        raise Begun

    with mock.patch.object(flags, "parse", keep), contextlib.suppress(Begun):
        module.main([name], Silent(""))
    (values,) = found
    for own in ("plugin", "flagfile", "help"):
        if own not in values:
            absl_flags.DEFINE_string(own, None, "", flag_values=values)
    return Script(name, module.main, tuple(values[own] for own in values))


def _is_there(work: str) -> bool:
    """Whether there is the module of such a function."""
    return importlib.util.find_spec(work.rpartition(".")[0]) is not None


def call(one: Script, argv: Sequence[str]) -> Outcome:
    """Runs a script as from a shell, with its streams caught."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    crash, status, start = None, None, time.process_time()
    with contextlib.ExitStack() as stack:
        planned = any(flag.name == "plan" for flag in one.flags)
        for work in filter(_is_there, (BY_ALL, *(() if planned else WORK))):
            stack.enter_context(mock.patch(work, side_effect=Begun))
        stack.enter_context(mock.patch.object(script, "Stop", Silent))
        stack.enter_context(mock.patch.object(sys, "argv", [one.name, *argv]))
        stack.enter_context(mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO())))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        try:
            with _in_time():
                script.run(one.main, "")
        except SystemExit as ended:
            status = int(ended.code or 0)
        except Begun:
            status = 0
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            crash = error
    seconds = time.process_time() - start
    for stream in (out, err):
        stream.flush()
    said = err.buffer.getvalue().decode(errors="backslashreplace")  # pyright: ignore[reportAttributeAccessIssue]
    return Outcome(status, said, crash, seconds)


@contextlib.contextmanager
def _in_time() -> Iterator[None]:
    """Raises Late within, where it takes too long; where nobody hears of it the process ends."""

    def stop(number: int, frame: Any) -> None:
        raise Late

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LATE)
    faulthandler.dump_traceback_later(NEVER, exit=True, file=2)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def judge(outcome: Outcome) -> str:
    """What is wrong with the end of a command line, in a line; empty where nothing is."""
    if isinstance(outcome.crash, Late):
        return f"more than {LATE} s"
    if outcome.crash is not None:
        return child.describe(outcome.crash)
    lines = outcome.said.splitlines()
    if outcome.status not in (script.DONE, script.FAILED, 2):
        return f"status {outcome.status}"
    if "Traceback" in outcome.said:
        return "a traceback is printed"
    odd = [line for line in lines if not line.startswith(MARKS)]
    if odd:
        return f"says {odd[0][:80]!r}"
    errors = [line for line in lines if line.startswith("error: ")]
    reasons = errors or [line for line in lines if line.startswith("not judged: ")]
    if len(errors) > 1 or (errors and not outcome.status) or (outcome.status and not reasons):
        return f"status {outcome.status} with {len(errors)} errors"
    if any(len(line) > LONGEST for line in lines):
        return "a line without end"
    if outcome.seconds > SECONDS:
        return f"takes {outcome.seconds:.0f} s"
    return ""


def shrink(argv: Sequence[str], fails: Callable[[Sequence[str]], bool]) -> list[str]:
    """As few of the arguments as still fail, and those that are long shorter."""
    kept, place = list(argv), 0
    while place < len(kept):
        tried = kept[:place] + kept[place + 1 :]
        if fails(tried):
            kept = tried
        else:
            place += 1
    for place, text in enumerate(kept):
        for size in (20, 200, 2000):
            tried = [*kept[:place], text[:size], *kept[place + 1 :]]
            if size < len(text) and fails(tried):
                kept = tried
                break
    return kept


def try_all(number: int, seed: int, say: child.Say) -> None:
    """Draws and tries so many command lines in the current folder, and says what becomes of each.

    A fault is said once for each kind and script, by as few arguments as show it.
    """
    from experiments.endure import draws

    scripts = {one.name: one for one in list_scripts()}
    known: set[tuple[str, str]] = set()

    def attempt(name: str, argv: list[str]) -> None:
        one = scripts[name]
        say({"begun": [name, *argv]})
        outcome = call(one, argv)
        wrong = judge(outcome)
        said = outcome.said.strip().rpartition("\n")[2][:LONGEST]
        say({"seconds": outcome.seconds, "status": outcome.status, "said": said})
        kind = wrong.partition(": ")[0]
        if wrong and (name, kind) not in known:
            known.add((name, kind))
            least = shrink(argv, lambda own: judge(call(one, own)).partition(": ")[0] == kind)
            say({"fault": wrong, "argv": [name, *least]})

    draws.for_each(number, seed, {name: one.flags for name, one in scripts.items()}, attempt)


def run(full: bool, seed: int) -> Tally:
    """Tries them in a process of their own, which a fault may end."""
    return child.run("commands", FULL if full else TENTH, seed, "command lines")


def main(argv: Sequence[str]) -> int:
    """Tries them here, a line of JSON on stdout for what becomes of each."""
    number, seed = (int(text) for text in (*argv[1:], *(str(TENTH), "0")[len(argv) - 1 :]))
    return child.serve(lambda say: _main(number, seed, say))


def _main(number: int, seed: int, say: child.Say) -> None:
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as place, mock.patch.dict(os.environ):
        os.environ.update(XDG_CACHE_HOME=os.path.join(place, "cache"), COLUMNS="100")
        folder = Path(place, "some", "where")
        folder.mkdir(parents=True)
        places.prepare(folder)
        os.chdir(folder)
        (ablate,) = (one for one in list_scripts() if one.name == "experiments.ablate")
        assert not call(ablate, RECORDS).status  # so that there are records
        try_all(number, seed, say)
        os.chdir(ROOT)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
