"""A free grid of choices: every combination over many seeds, each choice judged."""

import functools
from collections.abc import Sequence
from typing import Any

from absl import flags as absl_flags

from cnnjax.config import epochs, flags, hints
from cnnjax.config.config import KNOBS, find_knob
from cnnjax.config.knobs import ConfigError, format_value, parse_value, split_values
from cnnjax.study import own
from experiments import conduct, script

DESCRIPTION = """
python -m experiments.ablate --grid=KNOB=VALUE,VALUE [--grid=...] [--name=value ...]

Trains every combination of the grid over many seeds, compares each value of a knob with the
first one (averaged over the other knobs, paired by seed, Benjamini-Hochberg), or with --baseline
each combination with that one, and writes a report to RUNS/ablate-KNOBS-HASH, one folder for each
grid, flags and seeds. A value that is itself a list is written with x: --grid=widths=16x32,32x64.
One that holds a comma stands in quotes of either kind: --grid='dataset="folder:a,b",digits'.
Blanks around a value do not count.

To tune, and know what it brought: --choose=validation compares by validation accuracy, trains the
best combination and the baseline on as many fresh seeds, and compares the two on the test split.

Exit status: 0 done, also where runs diverged or learned nothing, which is said; 1 a run broke off,
2 the command line is wrong, 75 interrupted (run the same command again to go on).
"""


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Conducts the study of a grid; gives the exit status."""
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_multi_string(
        "grid", [], "A knob and its values, such as pool=max,avg; once a knob.", flag_values=values
    )
    conduct.define_own(values, "grid", "By what is compared, such as test_loss.")
    absl_flags.DEFINE_string(
        "baseline", None,
        "The combination with which all others are compared, as reports name it, such as"
        ' "pool=max padding=SAME"; none for each value against the first of its knob.',
        flag_values=values,
    )  # fmt: skip
    absl_flags.DEFINE_enum(
        "choose", None, ["validation"],
        "Compare on the validation split, and the best with the baseline (or else the first"
        " combination) on fresh seeds and the test split; none for all on the test split.",
        flag_values=values,
    )  # fmt: skip
    conduct.define_flags(values)
    positional = conduct.parse(values, argv, DESCRIPTION)
    if positional:
        hint = flags.quote(f"--grid={positional[0]}")
        flags.refuse(f"unexpected {positional[0]!r}: write {hint}")
    grid = parse_grid(values.grid)
    yield_length(values, argv, grid)
    if values.study is not None:
        own.check_name(values.study, "--study=")

    from cnnjax.study import grids

    choose = values.choose is not None
    grids.check_metric(values.metric, choose)
    baseline = None if values.baseline is None else grids.find_arm(grid, values.baseline)
    study = grids.make_study(grid, values.metric, baseline, choose)
    return conduct.conduct_own(study, grid, values, argv, stop)


def yield_length(
    values: absl_flags.FlagValues, argv: Sequence[str], grid: dict[str, tuple[Any, ...]]
) -> None:
    """Forgets how long a recipe's run is where a grid of the command line says that.

    As a command line's --epochs is before a recipe's --steps.
    """
    length = ("steps", epochs.NAME)
    if flags.is_written("grid", argv) and any(name in grid for name in length):
        for name in length:
            if not flags.is_written(name, argv):
                values[name].unparse()


def parse_grid(texts: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """The grid from texts such as 'pool=max,avg'. Raises ConfigError on anything else."""
    grid: dict[str, tuple[Any, ...]] = {}
    for text in texts:
        name, _, choices = (part.strip() for part in text.partition("="))
        if not (name and choices):
            raise ConfigError(
                f"--grid={text} names no values: write --grid={name or 'KNOB'}=VALUE,VALUE"
            )
        if name == "seed":
            raise ConfigError("--grid=seed: every arm already runs the same seeds; use --seeds=N")
        if name in grid:
            raise ConfigError(f"--grid={name} is given twice: name all its values in one")
        grid[name] = parse_choices(text, name, choices)
    if "steps" in grid and epochs.NAME in grid:
        raise ConfigError("--grid=steps and --grid=epochs both say how long a run is: give one")
    if not grid:
        raise ConfigError("--grid is missing: name a knob and its values, such as pool=max,avg")
    return grid


def parse_choices(text: str, name: str, choices: str) -> tuple[Any, ...]:
    """The values in `--grid=TEXT`. Raises ConfigError unless there are two or more, none twice."""
    known = (*KNOBS, epochs.NAME)
    if name not in known and hints.find_meant(name, known) == epochs.NAME:
        raise ConfigError(f"unknown knob {name!r}: did you mean {epochs.NAME}?")
    parse = epochs.parse if name == epochs.NAME else functools.partial(parse_value, find_knob(name))
    try:
        values = [parse(choice) for choice in split_values(choices)]
    except ConfigError as error:
        raise ConfigError(f"--grid={text}: {error}") from None
    again = next((value for value in values if values.count(value) > 1), None)
    if again is not None or len(values) < 2:
        given = "one" if again is None else f"{format_value(again)} twice"
        raise ConfigError(f"--grid={text} gives {given}: give at least two values, all different")
    return tuple(values)


if __name__ == "__main__":
    script.run(main, "finished lanes are saved")
