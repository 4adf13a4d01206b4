"""One run, checkpointed and resumed to the same bits."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags as absl_flags

from cnnjax.config import flags
from cnnjax.config.config import Config, make_config
from cnnjax.config.datasets import Where
from cnnjax.config.knobs import printable
from experiments import script

DESCRIPTION = """
python -m experiments.train [--name=value ...] --workdir=FOLDER

Trains one network and scores it on the test split. FOLDER gets config.json, provenance.json,
metrics.jsonl (one JSON object an evaluation), checkpoints/, result.json and final.safetensors, the
weights, which cnnjax.load_run opens. The same command goes on where an interrupted run stopped, to
the same bits; a finished run is only reported.

Exit status: 0 done, 1 the run failed, 2 the command line is wrong, 75 interrupted (run the same
command again to go on).
"""


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Trains from flags; gives the exit status."""
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_string(
        "workdir", None, "Folder of this run; required but with --plan.", flag_values=values
    )
    absl_flags.DEFINE_integer(
        "checkpoint_every", 0, "Steps between checkpoints; 0 for at every evaluation.",
        lower_bound=0, flag_values=values,
    )  # fmt: skip
    absl_flags.DEFINE_boolean(
        "plan", False, "Print what the network costs, layer by layer, and stop.", flag_values=values
    )
    script.define_keep(values, "final", "in its folder")
    flags.define_where(values)
    flags.define_config(values, Config())
    positional = flags.parse(values, argv, DESCRIPTION)
    if positional:
        flags.refuse(f"unexpected {positional[0]!r}: every choice is a flag, such as --pool=avg")
    config = make_config(flags.given_config(values))
    if values.plan:
        return print_cost(config, flags.read_where(values), flags.find_sources(values, argv))
    if not values.workdir:
        flags.refuse(
            "--workdir is missing: name the folder of this run, such as --workdir=runs/one"
        )
    workdir = pathlib.Path(values.workdir)
    return train(
        config, workdir, flags.read_where(values), values.checkpoint_every, values.keep, stop
    )


def print_cost(config: Config, where: Where, sources: Mapping[str, set[str]]) -> int:
    """Prints what the network costs, layer by layer, and what is in force; trains nothing."""
    from rich.console import Console

    from cnnjax.sweep import backend

    backend.configure_jax()
    from cnnjax import api
    from cnnjax.config import explain
    from cnnjax.report import terminal

    described = api.describe_run(config, where)
    terminal.print_cost(config, described.cost, Console())
    for line in explain.describe_choices(explain.explain(config, sources)):
        print(line)
    for note in described.notes:
        script.print_note(note)
    print(f"data: {described.feed}")
    return script.DONE


def train(
    config: Config, workdir: pathlib.Path, where: Where, checkpoint_every: int, keep: str,
    stop: script.Stop,
) -> int:  # fmt: skip
    """Trains or goes on training in `workdir`; gives the exit status."""
    from cnnjax.sweep import backend

    backend.configure_jax()
    from cnnjax import api
    from cnnjax.sweep.runner import Interrupted

    try:
        with script.observe(stop) as observer:
            result = api.train_run(config, workdir, where, checkpoint_every, observer, keep)
    except Interrupted:
        return script.INTERRUPTED
    print_result(result)
    print(printable(f"result: {workdir / 'result.json'}"))
    return script.DONE


def print_result(result: Mapping[str, Any]) -> None:
    """What a finished run reached."""
    if result["diverged_at"] is not None:
        print(f"the run diverged: its loss is no number from step {result['diverged_at']} on")
    else:
        print(
            f"test accuracy {100 * result['test_accuracy']:.2f}% on"
            f" {result['num_test_examples']:,} images, {result['num_parameters']:,} parameters"
        )
        if result["failed"]:
            print("the run failed: its training loss is no better than a constant prediction's")


if __name__ == "__main__":
    script.run(main, "the run is saved up to its last checkpoint")
