"""Does damage on purpose, part by part, and prints what became of it."""

import importlib
import importlib.util
import re
import signal
import time
from collections.abc import Sequence

from absl import flags as absl_flags

from cnnjax.config import flags, words
from cnnjax.config.knobs import printable
from experiments import script

DESCRIPTION = """
python -m experiments.endure [--full] [--part=NAME] [--trials=FIRST-LAST] [--seed=0]

Kills, interrupts and damages runs, their files and their inputs, each as a user would meet it, and
compares what becomes of them with runs that nobody disturbed. Prints a line of figures a part, and
each fault in a line. Without --full it does about a tenth, in minutes.

Exit status: 0 nothing was lost, 1 there are faults, 2 the command line is wrong, 75 interrupted.
"""

PARTS = {  # in this order: what needs no JAX, then what starts processes of its own
    "inputs": "data and files of flags that are damaged or hostile",
    "commands": "command lines of every script",
    "kills": "sweeps and single runs that are killed, interrupted and shared",
    "launches": "six launches of one sweep, three of them killed",
    "ray": "a sweep on a Ray cluster that loses a worker and a node",
    "slurm": "a sweep on a Slurm cluster that loses a worker, turns and a node",
    "hosts": "one program on several hosts, of which one is lost",
    "files": "disks that are full, read-only or flip bits",
    "configs": "configurations that a plan accepts, trained",
    "memory": "memory and open files of a long sweep",
}


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Runs what is asked for; gives the exit status."""
    values = absl_flags.FlagValues()
    said = "; ".join(f"{name}: {about}" for name, about in PARTS.items())
    absl_flags.DEFINE_boolean("full", False, "All of it, in hours.", flag_values=values)
    absl_flags.DEFINE_enum(
        "part", None, list(PARTS), f"One part alone. {said}.",
        flag_values=values,
    )  # fmt: skip
    absl_flags.DEFINE_integer(
        "seed", 0, "What is drawn: other moments, other damage.", 0, flag_values=values
    )
    absl_flags.DEFINE_string(
        "trials", None, "With --part=files: these of its trials alone, such as 245-372.",
        flag_values=values,
    )  # fmt: skip
    absl_flags.DEFINE_boolean("slurm", False, "The same as --part=slurm.", flag_values=values)
    if others := flags.parse(values, argv, DESCRIPTION):
        flags.refuse(f"unexpected {others[0]!r}: all is given by flags")
    if values.slurm and values.part:
        flags.refuse("--slurm is a part, and --part another: give one of the two")
    part = "slurm" if values.slurm else values.part
    trials = parse_trials(values.trials, values.part)
    for number in (signal.SIGINT, signal.SIGTERM):  # parts tidy up behind themselves
        signal.signal(number, signal.default_int_handler)
    wanted, faults = [part] if part else list(PARTS), 0
    try:
        for name in wanted:
            faults += print_part(name, values.full, values.seed, *trials)
    except KeyboardInterrupt:
        return script.INTERRUPTED
    words.say(words.count(faults, "fault"))
    return script.FAILED if faults else script.DONE


def parse_trials(text: str | None, part: str | None) -> list[range]:
    """The numbers asked for, if any. Ends the program with status 2 where they are none."""
    if text is None:
        return []
    if part != "files":
        flags.refuse("--trials goes with --part=files")
    found = re.fullmatch(r"([1-9]\d{0,5})-(\d{1,6})", text)
    if found is None or int(found[1]) > int(found[2]):
        flags.refuse(f"--trials={text} is not allowed: give the first and the last, as 245-372")
    return [range(int(found[1]), int(found[2]) + 1)]


def name_module(part: str) -> str:
    """The module of a part, which has `run(full, seed)` that gives a `tally.Tally`.

    That of files also takes a range of trials.
    """
    return f"experiments.endure.{part}"


def print_part(name: str, full: bool, seed: int, *trials: range) -> int:
    """Runs a part and prints its figures, then its faults; gives how many these are."""
    begun = time.monotonic()
    found = importlib.import_module(name_module(name)).run(full, seed, *trials)
    words.say(printable(f"{found.part}: {found.figures} ({time.monotonic() - begun:.0f} s)"))
    for fault in found.faults:
        words.say(printable(f"  fault: {fault}"))
    return len(found.faults)


if __name__ == "__main__":
    script.run(main, "nothing of it is kept")
