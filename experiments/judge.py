"""The paired comparisons of cnnjax.stats on a CSV file of anyone's runs. Imports no JAX."""

import csv
import itertools
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args

import numpy as np
from absl import flags as absl_flags

from cnnjax import decision, flags, stats
from cnnjax.knobs import ConfigError, normalise_number
from experiments import script

DESCRIPTION = """
python -m experiments.judge FILE.csv [--name=value ...]

Compares the arms of any experiment, made with whatever tool, from a CSV file with one line a
run: its arm, its seed and a score. Scores are paired by seed, so every arm needs the same seeds,
once each. Every pair of arms is compared, or --a with all others, or --a with --b. Gives the mean
difference with its 95% interval, sign-flip and equivalence tests (Holm), and a verdict on the
statement "a relation b". It reads what a study writes too: runs/STUDY/records.csv.

Exit status: 0 done, 2 the command line or the file is wrong.
"""


class Run(NamedTuple):
    """One line of the file."""

    line: int
    arm: str
    seed: str
    score: str


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Judges a file; gives the exit status."""
    values = absl_flags.FlagValues()
    define_flags(values)
    positional = flags.parse(values, argv, DESCRIPTION)
    if len(positional) != 1:
        flags.refuse(
            f"one file at a time, not {' '.join(positional)}" if positional else
            "no file: give a CSV file of runs, such as runs/pooling/records.csv"
        )  # fmt: skip
    if not math.isfinite(values.margin):
        flags.refuse(f"--margin={values.margin}: give a number >= 0 in the unit of the metric")
    runs = read_runs(pathlib.Path(positional[0]), values.arm, values.seed, values.metric)
    pairs = choose_pairs(list(dict.fromkeys(run.arm for run in runs)), values.a, values.b)
    compared = {name for pair in pairs for name in pair}
    arms = gather_arms([run for run in runs if run.arm in compared], values.metric)
    rows = compare_arms(arms, pairs, values.metric, values.margin, values.relation)
    if values.json:
        write_rows(pathlib.Path(values.json), rows)
    print_rows(rows, arms)
    return script.DONE


def define_flags(values: absl_flags.FlagValues) -> None:
    """Defines what `--help` lists."""
    for name, default, meaning in (
        ("arm", "arm", "Column that names what was compared."),
        ("seed", "seed", "Column that pairs the runs: the seed, or a fold or subject they share."),
        ("metric", "test_accuracy", "Column of the score, a number a run."),
        ("a", None, "Compare this arm alone with the others; none for every pair."),
        ("b", None, "Compare --a with this arm only."),
        ("json", None, "File to write the comparisons to, with the keys of verdicts.json."),
    ):
        absl_flags.DEFINE_string(name, default, meaning, flag_values=values)
    absl_flags.DEFINE_float(
        "margin", 0.005, "Smallest difference that matters, in the unit of the metric.",
        lower_bound=0.0, flag_values=values,
    )  # fmt: skip
    absl_flags.DEFINE_enum(
        "relation", "!=", get_args(decision.Relation), "What is said of a against b.",
        flag_values=values,
    )  # fmt: skip


def read_runs(path: pathlib.Path, arm: str, seed: str, metric: str) -> list[Run]:
    """The lines of a CSV file by the names of three columns. Raises ConfigError on a bad file."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:  # with or without Excel's mark
            reader = csv.DictReader(file, skipinitialspace=True, strict=True)
            header = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = header
            for name, flag in ((arm, "arm"), (seed, "seed"), (metric, "metric")):
                if name not in header:
                    hint = flags.describe_unknown("column", name, header) if header else "empty"
                    raise ConfigError(f"{path}: {hint} (--{flag} names a column)")
                if header.count(name) > 1:
                    raise ConfigError(f"{path} has {header.count(name)} columns {name!r}")
            runs = []
            for row in reader:
                extra: Any = row.get(None, ())  # pyright: ignore[reportArgumentType]
                width = sum(value is not None for value in row.values()) - bool(extra) + len(extra)
                if width != len(header):
                    raise ConfigError(
                        f"{path}, line {reader.line_num}: {width} fields where the header has"
                        f" {len(header)}"
                    )
                cells = [row[name].strip() for name in (arm, seed, metric)]
                cells[1] = normalise_number(cells[1])  # 0 and 0.0 are one seed
                for name, cell in zip((arm, seed), cells[:2], strict=True):
                    if not cell:
                        raise ConfigError(f"{path}, line {reader.line_num}: no {name}")
                runs.append(Run(reader.line_num, *cells))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} is no CSV file in UTF-8: {error}") from None
    if not runs:
        raise ConfigError(f"{path} has no line below its header")
    return runs


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


def gather_arms(runs: Sequence[Run], metric: str) -> dict[str, np.ndarray]:
    """The scores of each arm, in order of seed.

    Raises ConfigError where a score is no finite number, or an arm lacks or repeats a seed.
    """
    found: dict[str, dict[str, Run]] = {}
    for run in runs:
        if not is_finite_number(run.score):
            raise ConfigError(
                f"line {run.line}: {metric} {run.score!r} is no finite number (arm {run.arm},"
                f" seed {run.seed})"
            )
        first = found.setdefault(run.arm, {}).setdefault(run.seed, run)
        if first is not run:
            raise ConfigError(
                f"arm {run.arm} repeats seed {run.seed} (lines {first.line} and {run.line}): give"
                " every arm each seed once"
            )
    seeds = {run.seed: run.arm for run in runs}
    for arm, own in found.items():
        for seed, other in seeds.items():
            if seed not in own:
                raise ConfigError(
                    f"arm {arm} lacks seed {seed}, which arm {other} has: give every arm the same"
                    " seeds"
                )
    if len(seeds) < 2:
        raise ConfigError(f"only one seed, {next(iter(seeds))}: a comparison needs two or more")
    counted = all(seed.isdecimal() for seed in seeds)
    order = sorted(seeds, key=int) if counted else sorted(seeds)
    return {arm: np.array([float(own[seed].score) for seed in order]) for arm, own in found.items()}


def is_finite_number(text: str) -> bool:
    """Whether `text` is a number, and neither infinite nor NaN."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def compare_arms(
    arms: Mapping[str, np.ndarray],
    pairs: Sequence[tuple[str, str]],
    metric: str,
    margin: float,
    relation: decision.Relation,
) -> list[dict[str, Any]]:
    """One object a pair, with those keys of verdicts.json that mean something here."""
    questions = [decision.Question(arms[a], arms[b], relation, margin) for a, b in pairs]
    answers = decision.judge(questions, "bonferroni")
    return [
        {"metric": metric, "a": a, "b": b, "adjustment": "bonferroni", **answer}
        for (a, b), answer in zip(pairs, answers, strict=True)
    ]


def write_rows(path: pathlib.Path, rows: list[dict[str, Any]]) -> None:
    """Writes the comparisons as JSON. Raises ConfigError where that cannot be."""
    from cnnjax import store

    try:
        store.write_json(path, rows)
    except OSError as error:
        raise ConfigError(f"--json={path} cannot be written: {error.strerror}") from None


def print_rows(rows: Sequence[Mapping[str, Any]], arms: Mapping[str, np.ndarray]) -> None:
    """Prints the comparisons, then the arms, in the unit of the metric."""
    from rich.console import Console
    from rich.markup import escape

    from cnnjax.report import console as console_lib
    from cnnjax.report import text

    def number(value: float, sign: str = "") -> str:
        return f"{value:{sign}.4g}".replace("-", "−")

    def interval(bounds: Sequence[float], sign: str = "") -> str:
        return escape(f"[{number(bounds[0], sign)}, {number(bounds[1], sign)}]")

    console, first = Console(), rows[0]
    title = f"{first['metric']}, {first['num_seeds']} paired seeds, margin {first['margin']:g}"
    table = console_lib.start_table(f"{title}: is a {first['relation']} b?", "a − b")
    for name in ("difference", "95% interval", "p adj.", "wins"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for row in rows:
        style = console_lib.STYLES[row["verdict"]]
        table.add_row(
            escape(f"{row['a']} − {row['b']}"), number(row["difference"], "+"),
            interval(row["interval"], "+"), text.probability(row["p_adjusted"]),
            f"{row['wins']:.0%}", f"[{style}]{row['verdict']}[/{style}]",
        )  # fmt: skip
    console_lib.print_table(table, console)
    table = console_lib.start_table(f"{first['metric']} by arm", "arm")
    for name in ("mean", "95% interval"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, scores in arms.items():
        table.add_row(escape(name), number(scores.mean()), interval(stats.mean_interval(scores)))
    console_lib.print_table(table, console)
    for warning in dict.fromkeys(warning for row in rows for warning in row["warnings"]):
        console.print(f"warning: {warning}")


if __name__ == "__main__":
    script.run(main, "nothing was written")
