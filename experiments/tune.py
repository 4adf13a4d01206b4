"""Hyper-parameters searched on the validation split, and judged on fresh seeds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags as absl_flags

from cnnjax.config import flags, numeric
from cnnjax.config.knobs import ConfigError
from cnnjax.study import own
from cnnjax.study.claims import METHODS, VALIDATION, Search, Study
from experiments import conduct, script

if TYPE_CHECKING:
    from cnnjax.study.space import Space

USUAL = Search({})
MOST_TRIALS = 100_000  # beyond any use
FIRST_SEED = 1000  # of trials; the arms' own are others
DESCRIPTION = """
python -m experiments.tune --space=KNOB=VALUES [--space=...] [--trials=64] [--method=tpe]

Searches a space of settings on the validation split, chooses one as the studies do, and runs it
beside the default (that of the other flags) and the runner-up on as many fresh seeds as --seeds
says: the verdict is on these, on the test split. Trials that share structure train together in one
compiled program, so that a range of learning rates is compiled once. Values are a range, log: one
in the logarithm, or choices: --space=learning_rate=log:1e-4..1e-1 --space=label_smoothing=0..0.3
--space=pool=max,avg,blur. A value that is itself a list is written with x: --space=widths=8x16,4x8.

Methods: random; halton, which is spread evenly; tpe (pip install 'cnnjax[tune]'), whose next batch
follows from what is recorded of those before; halving, which trains a third of the trials on from
a ninth of the steps, and a third of those to the end. With --race trials get more seeds until they
are significantly behind. The report is in RUNS/tune-KNOBS-HASH, with every trial in trials.csv.

Exit status: 0 done; 1 a run broke off, 2 the command line is wrong, 75 interrupted (run the same
command again to go on: it proposes the same trials).
"""


def define_flags(values: absl_flags.FlagValues) -> None:
    """The flags of a search, besides those of every study."""
    absl_flags.DEFINE_multi_string(
        "space", [], "A knob and its values, such as learning_rate=log:1e-4..1e-1; once a knob.",
        flag_values=values,
    )  # fmt: skip
    absl_flags.DEFINE_enum(
        "method", USUAL.method, list(METHODS), "Who proposes the trials.", flag_values=values
    )
    numeric.define_integer(values, "trials", USUAL.trials, "Settings tried.", 1, MOST_TRIALS)
    numeric.define_integer(
        values, "batch", USUAL.batch,
        "Trials that tpe proposes at once, and places that halving fills.", 1, MOST_TRIALS,
    )  # fmt: skip
    numeric.define_integer(
        values, "repeats", 1, "Seeds a trial, of their own; of a race, on average.", 1, 1000
    )
    numeric.define_integer(values, "search_seed", USUAL.seed, "Draws the trials.", 0)
    absl_flags.DEFINE_boolean(
        "race", False,
        "Look at trials seed by seed, and leave those out that are significantly behind: what they"
        " do not take of --trials x --repeats runs is for the others.",
        flag_values=values,
    )  # fmt: skip
    conduct.define_own(values, "space", "By what the chosen setting is judged, such as test_loss.")


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Conducts a search and the study of what it found; gives the exit status."""
    values = absl_flags.FlagValues()
    define_flags(values)
    conduct.define_flags(values)
    positional = conduct.parse(values, argv, DESCRIPTION)
    if positional:
        hint = flags.quote(f"--space={positional[0]}")
        flags.refuse(f"unexpected {positional[0]!r}: write {hint}")

    from cnnjax.study import grids, space

    found = space.parse_space(values.space)
    if values.study is not None:
        own.check_name(values.study, "--study=")
    grids.check_metric(values.metric)
    study = make_study(found, values)
    if values.method == "halving" and flags.given_config(values).get("stop_at"):
        raise ConfigError("--method=halving stops runs itself: leave --stop_at out")
    return conduct.conduct_own(study, found, values, argv, stop)


def make_study(space: "Space", values: absl_flags.FlagValues) -> Study:
    """The study of a search: what it found beside the default."""
    from cnnjax.study import tuned
    from cnnjax.study.checking import FEWEST_OF_RACE

    if values.race and values.method not in ("random", "halton"):
        raise ConfigError(
            f"--race is of trials that are all known, and --method={values.method} proposes some by"
            " the scores of others: give --method=random or halton"
        )
    if values.race and values.repeats < FEWEST_OF_RACE:
        raise ConfigError(
            f"--race takes from trials that are behind what others get: give --repeats="
            f"{FEWEST_OF_RACE} or more seeds a trial, on average"
        )
    if values.method == "halving" and "steps" in space:
        raise ConfigError(
            "--method=halving compares runs of one length by their beginnings: leave"
            " --space=steps out, or give another --method"
        )
    search = Search(
        space, values.method, values.trials, values.batch, values.search_seed, values.race
    )
    seeds = range(FIRST_SEED, FIRST_SEED + values.repeats)
    return tuned.make_study(search, tuple(seeds), values.metric, VALIDATION)


if __name__ == "__main__":
    script.run(main, "finished lanes are saved")
