"""Damaged and hostile inputs of every kind, and what becomes of each.

    python -m experiments.endure.inputs

Each must end in one line that names the file, at once, or be read as what it is; a crash, a wait
and data other than the file's own are faults. Imports no JAX.
"""

import contextlib
import io
import os
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import flags as absl_flags

from cnnjax.config.config import Config
from cnnjax.config.datasets import Where
from cnnjax.config.knobs import ConfigError, RunError, printable
from experiments.endure import arrays, flagfiles, folders, idx, prepared
from experiments.endure.damage import Built, Case
from experiments.endure.tally import Tally

LONGEST = 3000  # characters of a message
SECONDS = 20  # longer is a wait
MEBIBYTES = 512  # more than the inputs have: asked for by a header alone


class Late(BaseException):
    """Too much time has passed; no reader takes it for an error of its own."""


class Outcome(NamedTuple):
    """What became of an input."""

    case: Case
    found: str  # refused or read, as it should be; else a fault
    said: str  # the message, or what is wrong
    seconds: float

    @property
    def is_fault(self) -> bool:
        return self.found.startswith("fault")


def list_cases() -> list[Case]:
    """All inputs, the quick ones first."""
    kinds = (arrays, idx, folders, flagfiles, prepared)
    return [case for kind in kinds for case in kind.list_cases()]


def try_case(case: Case, folder: Path) -> Outcome:
    """Writes the input of a case into an empty folder, reads it, and judges what happened."""
    built = case.build(folder)
    before, start = _peak(), time.monotonic()
    try:
        with _in_time():
            found, said = read_flags(built) if case.kind == "flagfile" else read_data(built)
    except (ConfigError, RunError, OSError) as error:
        found, said = "refused", str(error)
    except Late:
        found, said = "fault: wait", f"more than {SECONDS} s"
    except Exception as error:
        found, said = "fault: crash", f"{type(error).__name__}: {error}"
    seconds, grown = time.monotonic() - start, _peak() - before
    if found == "refused":
        found = judge_refusal(built, said)
    if grown > MEBIBYTES and not found.startswith("fault"):
        found, said = "fault: memory", f"{grown} MiB: {said}"
    return Outcome(case, found, said, seconds)


def judge_refusal(built: Built, said: str) -> str:
    """Whether it was right to refuse an input in these words."""
    if built.truth is not None and not built.may_refuse:
        return "fault: refused"
    said, named = printable(said.replace(built.value, built.named)), printable(built.named)
    plain = "\\x0a" not in said.replace(named, "") and "Traceback" not in said
    return "refused" if plain and len(said) < LONGEST and named in said else "fault: unclear"


def read_data(built: Built) -> tuple[str, str]:
    """Loads a data set as a run does, and compares it with what there is to read."""
    from cnnjax.data import load

    dataset = load.load_dataset(Config(dataset=built.value), Where(built.where or None))
    own = {"train": dataset.sample, "validation": dataset.validation, "test": dataset.test}
    if built.truth is None:
        return "fault: read", "it cannot be whole"
    if built.noted and not any(built.noted in note for note in dataset.notes):
        return "fault: unclear", f"no note of {built.noted!r} among {dataset.notes}"
    for split, (images, labels) in built.truth.items():
        if list_examples(*own[split]) != list_examples(images, labels):
            return "fault: wrong data", f"{split} is not what the file holds"
    return "read", "; ".join(dataset.notes)


def list_examples(images: np.ndarray, labels: np.ndarray) -> list[tuple[int, bytes]]:
    """Examples in an order that does not depend on how they lie, grey as a colour."""
    colours = (*images.shape[:-1], max(images.shape[-1], 3))
    images = np.broadcast_to(images, colours).astype(np.float32)
    return sorted(
        (int(label), image.tobytes()) for image, label in zip(images, labels, strict=True)
    )


def read_flags(built: Built) -> tuple[str, str]:
    """Reads a file of flags as a script does."""
    from cnnjax.config import flags

    values, stderr = absl_flags.FlagValues(), io.StringIO()
    flags.define_config(values, Config())
    with contextlib.redirect_stderr(stderr), contextlib.redirect_stdout(io.StringIO()):
        try:
            more = flags.parse(values, ["script", f"--flagfile={built.value}"], "")
        except SystemExit as stopped:
            if stopped.code != 2:
                return "fault: crash", f"exit status {stopped.code}"
            return "refused", stderr.getvalue().removeprefix("error: ").removesuffix("\n")
    if more:  # every script refuses it
        return "refused", f"{more[0]}: every choice is a flag"
    return ("read", "") if built.truth is not None else ("fault: read", "it holds no flags")


@contextlib.contextmanager
def _in_time() -> Iterator[None]:
    """Raises Late within, where it takes too long."""

    def stop(number: int, frame: Any) -> None:
        raise Late

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _peak() -> int:
    """The most memory that this process ever had, in MiB."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size // (2**20 if sys.platform == "darwin" else 2**10)


def try_all(cases: Iterable[Case]) -> Iterator[Outcome]:
    """What becomes of each, with caches of its own."""
    kept = os.environ.get("XDG_CACHE_HOME")
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_CACHE_HOME"] = os.path.join(place, "cache")
        try:
            for number, case in enumerate(cases):
                folder = Path(place, str(number))
                folder.mkdir()
                yield try_case(case, folder)
        finally:
            os.environ.pop("XDG_CACHE_HOME")
            os.environ.update({"XDG_CACHE_HOME": kept} if kept else {})


def count(outcomes: Sequence[Outcome]) -> Mapping[str, Counter[str]]:
    """How many inputs of each kind ended how."""
    found: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.case.kind, Counter())[outcome.found] += 1
    return found


def run(full: bool, seed: int) -> Tally:
    """Tries all inputs, or every tenth."""
    cases = list_cases()
    outcomes = list(try_all(cases if full else cases[seed % 10 :: 10]))
    total = sum(count(outcomes).values(), Counter[str]())
    figures = f"{len(outcomes)} inputs, {', '.join(f'{n} {what}' for what, n in total.items())}"
    faults = [f"{own.found}: {own.case.kind}: {own.case.name}: {own.said}"
              for own in outcomes if own.is_fault]  # fmt: skip
    return Tally("inputs", figures, tuple(faults))


def main() -> int:
    """Tries all inputs, prints what became of them, and gives the exit status."""
    wanted, outcomes = sys.argv[1:], []
    cases = [c for c in list_cases() if all(word in f"{c.kind}: {c.name}" for word in wanted)]
    for outcome in try_all(cases):
        outcomes.append(outcome)
        if outcome.is_fault or wanted:
            print(printable(f"{outcome.found}: {outcome.case.kind}: {outcome.case.name}:"
                            f" {outcome.said}"))  # fmt: skip
    for kind, found in count(outcomes).items():
        print(f"{kind}: {found.total()} inputs: {', '.join(f'{n} {w}' for w, n in found.items())}")
    seconds = sum(outcome.seconds for outcome in outcomes)
    slowest = max(outcomes, key=lambda outcome: outcome.seconds)
    print(f"{len(outcomes)} inputs in {seconds:.1f} s, the slowest {slowest.case.name}:"
          f" {slowest.seconds:.1f} s")  # fmt: skip
    return int(any(outcome.is_fault for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
