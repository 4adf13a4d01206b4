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
from cnnjax.names import Where
from experiments import script


class Options(NamedTuple):
    """How to conduct a study, besides its Config."""

    runs: pathlib.Path
    where: Where
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
    flags.define_where(values)
    flags.define_config(values, Config(), without=["seed"])


def read_options(values: absl_flags.FlagValues, argv: Any) -> Options:
    """The options given on the command line."""
    if values.quick and values["seeds"].present:
        flags.refuse("--quick means --seeds=10: give one of the two")
    return Options(
        runs=pathlib.Path(values.runs),
        where=flags.read_where(values),
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

    from cnnjax import judge, spread, sweep
    from cnnjax import plan as plan_lib
    from cnnjax import study as study_lib
    from cnnjax.data import load, transform

    console = Console()
    base = study_lib.make_base(study, given)
    lanes = study_lib.make_lanes(study, base, options.num_seeds)
    tuning = study_lib.make_tuning_lanes(study, base)
    sweep.configure_jax()
    asked = {load.request_of(lane): lane for lane in (*tuning, *lanes)}  # data -> a lane of them
    infos = {request: load.load_info(lane, options.where) for request, lane in asked.items()}
    plan = plan_lib.make_plan(study, base, options.num_seeds, infos)
    for warning in plan_lib.warn_of_seeds(study, options.num_seeds):
        print(f"warning: {warning}", file=sys.stderr)
    print_network_notes(lanes, [infos[load.request_of(lane)] for lane in lanes])
    if options.plan_only:
        from cnnjax import explain
        from cnnjax.report import terminal

        sources = {"command line": given, "study": study.base}
        varied = study_lib.varied_knobs(study)
        shared = [choice for choice in explain.explain(base, sources) if choice.name not in varied]
        for line in explain.describe_choices(shared):
            print(line)
        terminal.print_plan(study, plan, options.num_seeds, console)
        for lane in {lane.dataset: lane for lane in asked.values()}.values():
            print(f"data: {load.describe_feed(lane, options.where, spread.data_budget())}")
        return script.DONE, None
    datasets = load_datasets(asked, options.where)
    for lane in lanes:
        transform.check(lane, datasets[load.request_of(lane)])

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


def load_datasets(asked: dict[Any, Config], where: Where) -> dict[Any, Any]:
    """Every data set that is asked for, in memory or streamed, and what a person should know."""
    from cnnjax import spread
    from cnnjax.data import load

    datasets = {
        request: load.load_dataset(lane, where, spread.data_budget())
        for request, lane in asked.items()
    }
    for dataset in datasets.values():
        print_notes(dataset)
    return datasets


def print_network_notes(configs: list[Config], infos: list[Any]) -> None:
    """On stderr, once each, what a person should know of networks on images of such shapes."""
    from cnnjax import config as config_lib
    from cnnjax import notes

    asked = {
        config_lib.structure_of(config): info for config, info in zip(configs, infos, strict=True)
    }
    found = [note for config, info in asked.items() for note in notes.list_notes(config, *info)]
    for note in dict.fromkeys(found):
        print(f"note: {note}", file=sys.stderr)


def print_notes(dataset: Any) -> None:
    """On stderr, what a person should know of a data set."""
    for note in dataset.notes:
        print(f"note: {dataset.name}: {note}", file=sys.stderr)
    if dataset.stream is not None:
        count = f"{len(dataset.stream):,}"
        print(f"note: {dataset.name}: {count} training images are streamed", file=sys.stderr)


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
    lanes: list[Config], datasets: dict[Any, Any], runs: pathlib.Path, stop: script.Stop
) -> Any:
    """Runs the lanes without a record on this machine, under a progress bar."""
    from cnnjax.engines import local

    with contextlib.ExitStack() as stack, stop.listen() as should_stop:
        hear: dict[str, Any] = {}

        def on_start(num_lanes: int, num_examples: int) -> None:
            hear["bar"] = stack.enter_context(script.progress_bar(num_lanes, num_examples))

        return local.run_missing(
            lanes, datasets, runs,
            local.Observer(
                on_start=on_start,
                on_examples=lambda count: hear["bar"].on_examples(count),
                on_waiting=lambda share: hear["bar"].on_waiting(share),
                on_record=lambda record: hear["bar"].on_lane(record),
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
