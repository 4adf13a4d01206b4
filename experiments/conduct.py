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
    scoreboard: bool = False  # whether the report is one of all


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


def conduct(
    study: Any, given: dict[str, Any], options: Options, stop: script.Stop
) -> tuple[int, Any]:
    """Trains what is missing, judges, reports; gives the exit status and the judgement, if any.

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
    tuning = study_lib.make_tuning_lanes(study, base)
    data_dir = load.find_data_dir(options.data_dir)
    sweep.configure_jax()
    names = dict.fromkeys(lane.dataset for lane in lanes)
    infos = {name: load.load_info(name, data_dir) for name in names}
    plan = plan_lib.make_plan(study, base, options.num_seeds, infos)
    for warning in plan_lib.warn_of_seeds(study, options.num_seeds):
        print(f"warning: {warning}", file=sys.stderr)
    if options.plan_only:
        from cnnjax.report import terminal

        terminal.print_plan(study, plan, options.num_seeds, console)
        return script.DONE, None
    datasets = {name: load.load_dataset(name, data_dir) for name in names}
    for lane in lanes:
        load.check_train_examples(datasets[lane.dataset], lane.train_examples)

    try:
        tried = train(tuning, datasets, options.runs, stop)
        if not tried.failures:
            found = {record.config: record for record in tried.records}
            study = choose(study, base, found)
            lanes = study_lib.make_lanes(study, base, options.num_seeds)
            outcome = train(lanes, datasets, options.runs, stop)
    except sweep.Interrupted:
        return script.INTERRUPTED, None
    failures = tried.failures or outcome.failures
    for failure in failures:
        report_failure(failure)
    if failures:
        return script.FAILED, None

    from cnnjax.report import page, terminal

    judgement = judge.judge(study, base, outcome.records)
    path = page.write_report(judgement, options.runs, options.command, options.scoreboard)
    terminal.print_judgement(judgement, console)
    trained = tried.num_trained + outcome.num_trained
    reused = len(lanes) + len(tuning) - trained
    console.print(f"{trained} lanes trained, {reused} read from {options.runs}/records")
    console.print(f"report: {path}", soft_wrap=True)
    return script.DONE, judgement


def choose(study: Any, base: Config, records: dict[Config, Any]) -> Any:
    """The study with the settings that its tuning found best; as it is without tuning."""
    from cnnjax import metrics
    from cnnjax import study as study_lib

    if study.tuning is None:
        return study
    metric = metrics.METRICS[study.tuning.metric]
    scores = {config: metric.read(record) for config, record in records.items()}
    return study_lib.choose_settings(study, base, scores)


def train(
    lanes: list[Config], datasets: dict[str, Any], runs: pathlib.Path, stop: script.Stop
) -> Any:
    """Runs the lanes without a record on this machine, under a progress bar."""
    from cnnjax.engines import local

    with contextlib.ExitStack() as stack, stop.listen() as should_stop:
        hear: dict[str, Any] = {}

        def on_start(num_lanes: int, num_examples: int) -> None:
            bar = script.progress_bar(num_lanes, num_examples)
            hear["examples"], hear["lane"] = stack.enter_context(bar)

        return local.run_missing(
            lanes, datasets, runs,
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
