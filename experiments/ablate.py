"""A free grid of choices: every combination over many seeds, each choice judged."""

from collections.abc import Sequence
from typing import Any

from absl import flags as absl_flags

from cnnjax import flags
from cnnjax.config import find_knob
from cnnjax.knobs import ConfigError, parse_value
from experiments import conduct, script

DESCRIPTION = """
python -m experiments.ablate --grid=KNOB=VALUE,VALUE [--grid=...] [--name=value ...]

Trains every combination of the grid over many seeds, compares each value of a knob with the
first one (averaged over the other knobs, paired by seed, Benjamini-Hochberg), and writes a
report. A value that is itself a list is written with x: --grid=widths=16x32,32x64.

Exit status: 0 done, 1 a run failed, 2 the command line is wrong, 75 interrupted (run the same
command again to go on).
"""


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Conducts the study of a grid; gives the exit status."""
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_multi_string(
        "grid", [], "A knob and its values, such as pool=max,avg; once a knob.", flag_values=values
    )
    absl_flags.DEFINE_string(
        "study", None, "Name of the report's folder; none for one made of the grid.",
        flag_values=values,
    )  # fmt: skip
    conduct.define_flags(values)
    positional = flags.parse(values, argv, DESCRIPTION)
    if positional:
        flags.refuse(f"unexpected {positional[0]!r}: write --grid={positional[0]}")
    grid = parse_grid(values.grid)
    options = conduct.read_options(values, ["-m", "experiments.ablate", *argv[1:]])

    from cnnjax import study

    status, _ = conduct.conduct(
        study.Study(
            name=values.study or "ablate-" + "-".join(grid),
            question=f"What does the choice of {' and '.join(grid)} change?",
            base={},
            arms=study.cross(grid),
            claims=study.make_factorial_claims(grid),
            adjustment="benjamini-hochberg",
        ),
        flags.given_config(values),
        options,
        stop,
    )
    return status


def parse_grid(texts: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """The grid from texts such as 'pool=max,avg'. Raises ConfigError on anything else."""
    grid: dict[str, tuple[Any, ...]] = {}
    for text in texts:
        name, equals, choices = text.partition("=")
        if not equals:
            raise ConfigError(f"--grid={text} names no values: write --grid={name}=VALUE,VALUE")
        knob = find_knob(name)
        if knob.name == "seed":
            raise ConfigError("--grid=seed: every arm already runs the same seeds; use --seeds=N")
        if name in grid:
            raise ConfigError(f"--grid={name} is given twice: name all its values in one")
        grid[name] = tuple(parse_value(knob, choice) for choice in choices.split(","))
        if len(set(grid[name])) < len(grid[name]) or len(grid[name]) < 2:
            raise ConfigError(f"--grid={text} needs at least two values, all different")
    if not grid:
        raise ConfigError("--grid is missing: name a knob and its values, such as pool=max,avg")
    return grid


if __name__ == "__main__":
    script.run(main, "finished lanes are saved")
