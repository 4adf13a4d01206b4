"""The comparisons of cnnjax.study.compare on a table of anyone's runs. Imports no JAX."""

import math
import pathlib
from collections.abc import Sequence
from typing import Any, get_args

from absl import flags as absl_flags

from cnnjax.config import flags
from cnnjax.config.knobs import ConfigError
from cnnjax.records.atomic import write_json
from cnnjax.study.rule import Relation
from experiments import script

DESCRIPTION = """
python -m experiments.judge FILE [--name=value ...]

Compares the arms of any experiment, made with whatever tool, from a table with one line a run: its
arm, its seed and a score (CSV, with semicolons or tabs, or '-' for standard input). Scores are
paired by seed, so every arm needs the same seeds, once each (else --incomplete, --unpaired). Every
pair of arms is compared, or --a with all others, or --a with --b. Gives the mean difference with
its interval, and a verdict on the statement "a relation b". With one line a run and test image
(column `image`), or --images=FILE.npz, the interval is over seeds and images. It reads what a
study writes too: runs/STUDY/records.csv. An empty score, nan or "failed" is a run that failed.

Exit status: 0 done, 2 the command line or the file is wrong.
"""
TEXTS = (
    ("arm", "arm", "Column that names what was compared."),
    ("seed", "seed", "Column that pairs the runs: the seed, or a fold or subject they share."),
    ("metric", "test_accuracy", "Column of the score, a number a run."),
    ("image", "image", "Column of the test image, where a line is a run and image; '' for none."),
    ("cluster", None, "Column of what an image was taken from (a patient), if images share it."),
    ("images", None, "An .npz file in place of the table: right [runs, images], arm, seed [runs]"
     " and, if images come in clusters, cluster [images]."),
    ("delimiter", "auto", "auto, comma, semicolon, tab, bar, or the sign itself."),
    ("a", None, "Compare this arm alone with the others; none for every pair."),
    ("b", None, "Compare --a with this arm only."),
    ("json", None, "File to write the comparisons to, with the keys of verdicts.json."),
)  # fmt: skip
NUMBERS = (
    ("margin", "Smallest difference that matters, in the unit of the metric; none for 0.005 where"
     " all scores lie in [0, 1], 0.5 where they are written with %, and no margin elsewhere."),
    ("threshold", "What a - b is said to be above (--relation='>') or below ('<'), in place of 0."),
    ("resolution", "Least difference that scores can have (of a share of T images 1 / T); none for"
     " the last digit written."),
)  # fmt: skip
CHOICES = (
    ("relation", "!=", get_args(Relation), "What is said of a against b."),
    ("incomplete", "refuse", ("refuse", "drop"), "What becomes of seeds that some arms lack."),
    ("family", "bonferroni", ("bonferroni", "benjamini-hochberg"),
     "How several comparisons share 5%: errors among all, or among what is found."),
)  # fmt: skip

# What is not read where another flag is given, and why.
UNREAD = {
    "threshold": (("margin",), "a threshold is judged without a margin"),
    "images": (("arm", "seed", "image", "delimiter"), "arrays have no columns"),
    "unpaired": (("seed", "incomplete"), "such runs share no seeds"),
}


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Judges a file; gives the exit status."""
    values = absl_flags.FlagValues()
    define_flags(values)
    positional = flags.parse(values, argv, DESCRIPTION)
    check_flags(values, positional)

    from cnnjax.report import comparisons  # SciPy takes a while to import
    from cnnjax.study.compare import Asked, judge_table

    given: dict[str, Any] = {name: values[name].value for name in Asked._fields}
    found = judge_table(next(iter(positional), None), Asked(**given), values.images)
    if values.json:
        write_rows(pathlib.Path(values.json), found.rows)
    comparisons.print_rows(found.rows, found.scores, found.notes, values.unpaired)
    return script.DONE


def define_flags(values: absl_flags.FlagValues) -> None:
    """Defines what `--help` lists."""
    for name, default, meaning in TEXTS:
        absl_flags.DEFINE_string(name, default, meaning, flag_values=values)
    for name, meaning in NUMBERS:
        absl_flags.DEFINE_float(
            name, None, meaning, flag_values=values,
            lower_bound=None if name == "threshold" else 0.0,
        )  # fmt: skip
    for name, default, choices, meaning in CHOICES:
        absl_flags.DEFINE_enum(name, default, choices, meaning, flag_values=values)
    absl_flags.DEFINE_boolean(
        "unpaired", False, "Whether runs share no seeds: Welch's t, any number of runs an arm.",
        flag_values=values,
    )  # fmt: skip


def check_flags(values: absl_flags.FlagValues, positional: Sequence[str]) -> None:
    """Ends the program where flags contradict each other."""
    if len(positional) + (values.images is not None) != 1:
        flags.refuse(
            f"one file at a time, not {' '.join([*positional, *filter(None, [values.images])])}"
            if positional else
            "no file: give a CSV file of runs, such as runs/pooling/records.csv"
        )  # fmt: skip
    for name, _ in NUMBERS:
        value = values[name].value
        if value is not None and not math.isfinite(value):
            allowed = "a number" if name == "threshold" else "a number >= 0"
            flags.refuse(f"--{name}={value}: give {allowed} in the unit of the metric")
    if values.threshold is not None and values.relation not in ("<", ">"):
        flags.refuse(f"--threshold goes with --relation='>' or '<', not {values.relation}")
    for given, (others, reason) in UNREAD.items():
        value = values[given].value
        for name in others if value is not None and value is not False else ():
            if values[name].present:
                flags.refuse(f"--{name} does nothing with --{given}: {reason}")
    if values.unpaired and values.images:
        flags.refuse("--unpaired goes with one score a run, not with --images")


def write_rows(path: pathlib.Path, rows: list[dict[str, Any]]) -> None:
    """Writes the comparisons as JSON. Raises ConfigError where that cannot be."""
    try:
        write_json(path, rows)
    except OSError as error:
        raise ConfigError(f"--json={path} cannot be written: {error.strerror}") from None


if __name__ == "__main__":
    script.run(main, "nothing was written")
