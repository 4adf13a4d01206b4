"""From a study and its flags to verdicts: what launch.py and experiments.ablate have in common."""

import contextlib
import dataclasses
import pathlib
import sys
import traceback
from typing import Any, NamedTuple

from absl import flags as absl_flags

from cnnjax import flags
from cnnjax.config import Config
from experiments import script


class Options(NamedTuple):
    """How to conduct a study, besides its Config."""

    runs: pathlib.Path
    data_dir: str | None
    num_seeds: int
    plan_only: bool
    command: str  # that reproduces the report


def define_flags(values: absl_flags.FlagValues) -> None:
    """The flags of every command that conducts a study."""
    absl_flags.DEFINE_integer(
        "seeds", 20, "Seeds an arm; the seeds are 0 and up.", lower_bound=2, flag_values=values
    )
    absl_flags.DEFINE_boolean("quick", False, "10 seeds an arm.", flag_values=values)
    absl_flags.DEFINE_boolean("plan", False, "Print what would run, and stop.", flag_values=values)
    absl_flags.DEFINE_string("runs", "runs", "Folder for records and reports.", flag_values=values)
    flags.define_data_dir(values)
    flags.define_config(values, Config(), without=["seed"])


def read_options(values: absl_flags.FlagValues, argv: Any) -> Options:
    """The options given on the command line."""
    if values.quick and values["seeds"].present:
        flags.refuse("--quick means --seeds=10: give one of the two")
    return Options(
        runs=pathlib.Path(values.runs),
        data_dir=values.data_dir,
        num_seeds=10 if values.quick else values.seeds,
        plan_only=values.plan,
        command=" ".join(["python", *argv]),
    )


def conduct(study: Any, given: dict[str, Any], options: Options, stop: script.Stop) -> int:
    """Trains what is missing, judges, reports; gives the exit status.

    Raises ConfigError, before anything is compiled or written, where the study cannot be.
    """
    # JAX is imported from here on, so that --help and a wrong flag are answered at once.
    from rich.console import Console

    from cnnjax import judge, sweep
    from cnnjax import plan as plan_lib
    from cnnjax import study as study_lib
    from cnnjax.data import load

    console = Console()
    base = study_lib.make_base(study, given)
    lanes = study_lib.make_lanes(study, base, options.num_seeds)
    data_dir = load.find_data_dir(options.data_dir)
    sweep.configure_jax()
    info = load.load_info(base.dataset, data_dir)
    plan = plan_lib.make_plan(study, base, options.num_seeds, *info)
    for warning in plan_lib.warn_of_seeds(study, options.num_seeds):
        print(f"warning: {warning}", file=sys.stderr)
    if options.plan_only:
        from cnnjax.report import terminal

        terminal.print_plan(study, plan, options.num_seeds, console)
        return script.DONE
    dataset = load.load_dataset(base.dataset, data_dir)
    load.check_train_examples(dataset, base.train_examples)

    try:
        outcome = train(lanes, dataset, options.runs, stop)
    except sweep.Interrupted:
        return script.INTERRUPTED
    for failure in outcome.failures:
        report_failure(failure)
    if outcome.failures:
        return script.FAILED

    from cnnjax.report import page, terminal

    judgement = judge.judge(study, base, outcome.records)
    path = page.write_report(judgement, options.runs, options.command)
    terminal.print_judgement(judgement, console)
    reused = len(lanes) - outcome.num_trained
    console.print(f"{outcome.num_trained} lanes trained, {reused} read from {options.runs}/records")
    console.print(f"report: {path}", soft_wrap=True)
    return script.DONE


def train(lanes: list[Config], dataset: Any, runs: pathlib.Path, stop: script.Stop) -> Any:
    """Runs the lanes without a record on this machine, under a progress bar."""
    from cnnjax.engines import local

    with contextlib.ExitStack() as stack, stop.listen() as should_stop:
        hear: dict[str, Any] = {}

        def on_start(num_lanes: int, num_examples: int) -> None:
            bar = script.progress_bar(num_lanes, num_examples)
            hear["examples"], hear["lane"] = stack.enter_context(bar)

        return local.run_missing(
            lanes, dataset, runs,
            local.Observer(
                on_start=on_start,
                on_examples=lambda count: hear["examples"](count),
                on_record=lambda record: hear["lane"](record),
                should_stop=should_stop,
            ),
        )  # fmt: skip


def report_failure(failure: Any) -> None:
    """A failed group on stderr: its choices in one line, then the error as Python shows it."""
    differing = [
        f"--{field.name}={getattr(failure.group.structure, field.name)}"
        for field in dataclasses.fields(Config)
        if getattr(failure.group.structure, field.name) != field.default
    ]
    print(f"failed: {len(failure.group.lanes)} lanes of {' '.join(differing)}", file=sys.stderr)
    traceback.print_exception(failure.error)
