"""The comparisons of cnnjax.study.decision on a table of anyone's runs. Imports no JAX."""

import itertools
import math
import pathlib
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from absl import flags as absl_flags

from cnnjax.config import flags
from cnnjax.config.knobs import ConfigError
from cnnjax.records.atomic import write_json
from cnnjax.study import decision
from cnnjax.study.rule import Relation
from experiments import gather_runs, read_runs, script, show_verdicts
from experiments.gather_runs import Scores

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
    scores, pairs = read_scores(values, *positional)
    margin, note = choose_margin(values, scores)
    if values.resolution is not None:
        scores = scores._replace(resolution=values.resolution)
    rows = compare_arms(values, scores, pairs, margin)
    if values.json:
        write_rows(pathlib.Path(values.json), rows)
    show_verdicts.print_rows(rows, scores, [note, *scores.notes], values.unpaired)
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


def read_scores(
    values: absl_flags.FlagValues, path: str | None = None
) -> tuple[Scores, list[tuple[str, str]]]:
    """The scores of the arms to compare, and the pairs. Raises ConfigError on a bad file."""
    errors: list[str] = []
    if path is None:
        found, clusters = gather_runs.read_arrays(values.images, values.cluster, errors)
        pairs = choose_pairs(list(found), values.a, values.b)
        compared = {name for pair in pairs for name in pair}
        own = {name: seeds for name, seeds in found.items() if name in compared}
        scores = gather_runs.gather_arrays(own, clusters, values.incomplete, errors)
        read_runs.refuse_all(values.images, errors)
        return scores, pairs
    columns = read_runs.Columns(
        values.arm, None if values.unpaired else values.seed, values.metric,
        values.image or None, values.cluster,
    )  # fmt: skip
    delimiter = read_runs.read_delimiter(values.delimiter)
    text = read_runs.read_text(path)
    path = "standard input" if path == "-" else path
    runs = read_runs.read_runs(path, text, columns, delimiter, errors)
    by_image = any(run.image for run in runs)
    if by_image and values.unpaired:
        flags.refuse(
            f"--unpaired goes with one score a run: {path} has a column {values.image} (--image="
            " passes it over)"
        )
    if values.cluster and not by_image:
        flags.refuse(f"--cluster goes with images: {path} has no column {values.image or 'image'}")
    pairs = choose_pairs(list(dict.fromkeys(run.arm for run in runs)), values.a, values.b)
    compared = {name for pair in pairs for name in pair}
    own = [run for run in runs if run.arm in compared]
    scores = gather_runs.gather(own, columns, values.incomplete, errors)
    read_runs.refuse_all(path, errors)
    return scores, pairs


def choose_margin(values: absl_flags.FlagValues, scores: Scores) -> tuple[float | None, str]:
    """The margin, None where no equivalence is judged, and one line that says why."""
    if values.threshold is not None:
        return None, "a threshold is judged without a margin"
    if values.margin is not None:
        return values.margin, "the margin is --margin"
    if scores.percent:
        return 0.5, "margin: 0.5 points, as the scores are percentages (--margin sets another)"
    known = np.concatenate(list(scores.arms.values()))
    known = known[np.isfinite(known)]
    if not len(known):
        return None, "no equivalence is judged: every run failed"
    if known.min() >= 0 and known.max() <= 1:
        return 0.005, "margin: 0.005, as all scores lie in [0, 1] (--margin sets another)"
    if values.relation == "=":
        raise ConfigError("the scores do not all lie in [0, 1]: '=' needs --margin, in their unit")
    return None, "no equivalence is judged: scores outside [0, 1] need --margin, in their unit"


def choose_pairs(names: Sequence[str], a: str | None, b: str | None) -> list[tuple[str, str]]:
    """Which arms to compare, in the order of the file. Raises ConfigError where there are none."""
    if len(names) < 2:
        raise ConfigError(
            f"only one arm, {names[0]}: a comparison needs two (--arm names a column)"
        )
    for flag, name in (("a", a), ("b", b)):
        if name is not None and name not in names:
            raise ConfigError(f"--{flag}: {flags.describe_unknown('arm', name, names)}")
    if a is None:
        if b is not None:
            raise ConfigError("--b goes with --a")
        return list(itertools.combinations(names, 2))
    if a == b:
        raise ConfigError(f"--a and --b are both {a}: give two arms")
    return [(a, other) for other in names if other != a and b in (None, other)]


def compare_arms(
    values: absl_flags.FlagValues,
    scores: Scores,
    pairs: Sequence[tuple[str, str]],
    margin: float | None,
) -> list[dict[str, Any]]:
    """One object a pair, with those keys of verdicts.json that mean something here."""
    questions = [
        decision.Question(
            scores.arms[a], scores.arms[b], values.relation, margin or 0.0, values.threshold,
            resolution=scores.resolution,
            images=None if scores.images is None else scores.images[a] - scores.images[b],
            clusters=scores.clusters, unpaired=values.unpaired,
        )
        for a, b in pairs
    ]  # fmt: skip
    answers = decision.judge(questions, values.family)
    common = {"metric": values.metric, "adjustment": values.family}
    return [
        {**common, "a": a, "b": b, **answer, "margin": margin}
        for (a, b), answer in zip(pairs, answers, strict=True)
    ]


def write_rows(path: pathlib.Path, rows: list[dict[str, Any]]) -> None:
    """Writes the comparisons as JSON. Raises ConfigError where that cannot be."""
    try:
        write_json(path, rows)
    except OSError as error:
        raise ConfigError(f"--json={path} cannot be written: {error.strerror}") from None


if __name__ == "__main__":
    script.run(main, "nothing was written")
