"""From a study and its flags to verdicts: what launch.py and experiments.ablate have in common."""

import contextlib
import dataclasses
import pathlib
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NamedTuple

from absl import flags as absl_flags

from cnnjax.config import datasets as datasets_lib
from cnnjax.config import flags
from cnnjax.config.config import Config, request_of
from cnnjax.config.datasets import Where
from cnnjax.config.knobs import ConfigError, RunError, format_value, printable
from cnnjax.records.origin import MIXABLE
from experiments import script

MOST_SEEDS = 10_000  # beyond any use: they find a fiftieth of a standard deviation


class NoRecords(ConfigError):
    """Nothing to judge: no origin has a record of every lane of a study."""


class Options(NamedTuple):
    """How to conduct a study, besides its Config."""

    runs: pathlib.Path
    where: Where
    num_seeds: int
    plan_only: bool
    command: str  # that reproduces the report
    mix: tuple[str, ...] = ()  # in what runs may be unlike
    judge_only: bool = False
    scoreboard: bool = False  # whether the report is one of all


def define_flags(values: absl_flags.FlagValues) -> None:
    """The flags of every command that conducts a study."""
    absl_flags.DEFINE_integer(
        "seeds", 20, "Seeds an arm; the seeds are 0 and up.",
        lower_bound=1, upper_bound=MOST_SEEDS, flag_values=values,
    )  # fmt: skip
    absl_flags.DEFINE_boolean("quick", False, "10 seeds an arm.", flag_values=values)
    absl_flags.DEFINE_boolean("plan", False, "Print what would run, and stop.", flag_values=values)
    absl_flags.DEFINE_boolean(
        "judge_only", False,
        "Train nothing: judge the records that there are, of the newest origin that has them all.",
        flag_values=values,
    )  # fmt: skip
    absl_flags.DEFINE_enum(
        "mix", None, list(MIXABLE),
        "Compare runs though their bits may differ for this: cpu for unlike CPUs; none for none.",
        flag_values=values,
    )  # fmt: skip
    absl_flags.DEFINE_string("runs", "runs", "Folder for records and reports.", flag_values=values)
    flags.define_where(values)
    flags.define_config(values, Config(), without=["seed"])


def read_options(values: absl_flags.FlagValues, argv: Any) -> Options:
    """The options given on the command line."""
    if values.quick and values["seeds"].present:
        flags.refuse("--quick means --seeds=10: give one of the two")
    if not values.runs:
        flags.refuse("--runs is empty: name a folder, such as --runs=runs")
    if values.plan and values.judge_only:
        flags.refuse("--plan is of what would run and --judge_only runs nothing: give one")
    return Options(
        runs=pathlib.Path(values.runs),
        where=flags.read_where(values),
        num_seeds=10 if values.quick else values.seeds,
        plan_only=values.plan,
        command=flags.quote_command(["python", *argv]),
        mix=(values.mix,) if values.mix else (),
        judge_only=values.judge_only,
    )


def conduct(
    study: Any, given: dict[str, Any], options: Options, stop: script.Stop
) -> tuple[int, Any]:
    """Trains what is missing, judges, reports; gives the exit status and the judgement, if any.

    Raises ConfigError, before anything is compiled or written, where the study cannot be.
    """
    # JAX is imported from here on, so that --help and a wrong flag are answered at once.
    from cnnjax.sweep import backend

    backend.configure_jax()
    from cnnjax.data import load, transform
    from cnnjax.report import folders
    from cnnjax.study import foresight
    from cnnjax.study.arms import (
        make_base,
        make_configs,
        make_lanes,
        make_trials,
        make_tuning_lanes,
    )
    from cnnjax.study.plan import make_plan
    from cnnjax.study.tuning import choose_settings
    from cnnjax.sweep import runner

    folders.check(options.runs / study.name)
    base = make_base(study, given)
    kinds = [*make_trials(study, base), *make_configs(study, base).values()]
    if options.judge_only:
        return script.DONE, judge_earlier(study, base, options)
    asked = {request_of(config): config for config in kinds}  # data -> a run of them
    infos = {request: load.load_info(lane, options.where) for request, lane in asked.items()}
    plan = make_plan(study, base, options.num_seeds, infos)
    for warning in foresight.warn_of_seeds(study, options.num_seeds):
        print(f"warning: {warning}", file=sys.stderr)
    print_network_notes(kinds, [infos[request_of(config)] for config in kinds])
    if options.plan_only:
        print_plan(study, base, given, plan, asked, options)
        return script.DONE, None
    lanes = make_lanes(study, base, options.num_seeds)
    tuning = make_tuning_lanes(study, base)
    datasets = load_datasets(asked, options.where)
    draws: dict[str, None] = {}  # said once
    for config in kinds:
        dataset = datasets[request_of(config)]
        transform.check(config, dataset)
        if transform.cannot_draw(config, dataset):
            draws[f"{dataset.name}: streamed images are not drawn by the seed"] = None
    for words in draws:
        print(printable(f"note: {words}"), file=sys.stderr)

    try:
        tried = train(tuning, datasets, options, stop)
        if not tried.failures:
            found = dict(zip(dict.fromkeys(tuning), tried.records, strict=True))
            study, notes = choose_settings(study, base, found)
            for note in notes:
                print(f"note: {note}", file=sys.stderr)
            lanes = make_lanes(study, base, options.num_seeds)
            outcome = train(lanes, datasets, options, stop)
    except runner.Interrupted:
        return script.INTERRUPTED, None
    failures = tried.failures or outcome.failures
    for failure in failures:
        report_failure(failure)
    if failures:
        return script.FAILED, None

    trained = tried.num_trained + outcome.num_trained
    reused = len(lanes) + len(tuning) - trained
    source = f"{trained} lanes trained, {reused} read from {options.runs}/records"
    with stop.listen() as should_stop:  # a report is soon written: it need not be made again
        judgement = report(study, base, outcome.records, options, source)
    return (script.INTERRUPTED if should_stop() else script.DONE), judgement


def print_plan(
    study: Any, base: Config, given: dict[str, Any], plan: Any, asked: dict[Any, Config],
    options: Options,
) -> None:  # fmt: skip
    """Prints what would run, how long it would take, and what its seeds could show."""
    import jax
    from rich.console import Console

    from cnnjax.config import explain
    from cnnjax.data import load
    from cnnjax.records.store import load_newest
    from cnnjax.report import terminal, text
    from cnnjax.study import claims, foresight, timing
    from cnnjax.sweep import backend, placement

    console = Console()
    records = load_newest(options.runs, timing.NEWEST)
    took = timing.estimate(plan.groups, records, backend.describe(), jax.local_device_count())
    terminal.print_plan(study, plan, options.num_seeds, console, took)
    sources = {"command line": given, "study": {"draw": "auto", **study.base}}
    varied = claims.varied_knobs(study)
    shared = [choice for choice in explain.explain(base, sources) if choice.name not in varied]
    for line in explain.describe_choices(shared):
        print(line)
    first = next(iter(asked.values()))
    num_test = load.count_test(first, options.where)
    for claim in study.claims:
        metric = claim.comparisons[0].metric or study.metric
        spreads = foresight.find_spread(options.runs, metric, first.dataset)
        outlook = foresight.look_ahead(study, claim, options.num_seeds, num_test, spreads)
        console.print(text.describe_outlook(outlook, options.num_seeds))
    for config in {config.dataset: config for config in asked.values()}.values():
        print(f"data: {load.describe_feed(config, options.where, placement.data_budget())}")


def judge_earlier(study: Any, base: Config, options: Options) -> Any:
    """Judges records that there are, whatever made them; gives the judgement.

    Raises NoRecords where no origin has a record of every lane.
    """
    from cnnjax.records import archive
    from cnnjax.records.store import load_records
    from cnnjax.study.arms import make_configs, make_lanes, make_trials, make_tuning_lanes
    from cnnjax.study.tuning import choose_settings

    records = list(load_records(options.runs))
    tuning = make_tuning_lanes(study, base)
    kinds = [*make_trials(study, base), *make_configs(study, base).values()]
    data = fingerprint_files(kinds, options.where)
    for tried in archive.list_complete(tuning, records, options.mix, data) if tuning else [None]:
        chosen = study
        if tried is not None:
            found = dict(zip(dict.fromkeys(tuning), tried.records, strict=True))
            chosen, _ = choose_settings(study, base, found)
        lanes = make_lanes(chosen, base, options.num_seeds)
        for stock in archive.list_complete(lanes, records, options.mix, data):
            if tried is None or tried.origin == stock.origin:
                source = f"nothing trained; records of {archive.describe(stock)}"
                return report(chosen, base, stock.records, options, source)
    raise NoRecords(
        f"--judge_only: {options.runs}/records has no one origin with a record of every lane of"
        f" study {study.name} with these flags: give the flags and --seeds of those runs, or leave"
        " --judge_only out to train what is missing"
    )


def fingerprint_files(lanes: Sequence[Config], where: Where) -> dict[Any, str]:
    """By request, the fingerprints of files of one's own that lie where they are asked for."""
    from cnnjax.data import load
    from cnnjax.sweep import placement

    found = {}
    for request, lane in {request_of(lane): lane for lane in lanes}.items():
        if datasets_lib.parse(lane.dataset).kind in datasets_lib.FILES:
            with contextlib.suppress(ConfigError, RunError):  # gone: known by their path alone
                dataset = load.load_dataset(lane, where, placement.data_budget())
                found[request] = dataset.fingerprint
    return found


def report(study: Any, base: Config, records: Sequence[Any], options: Options, source: str) -> Any:
    """Judges the records, writes and prints the report; gives the judgement."""
    from rich.console import Console

    from cnnjax.report import page, terminal
    from cnnjax.study import judge

    judgement = judge.judge(study, base, records, options.mix)
    path = page.write_report(judgement, options.runs, options.command, options.scoreboard)
    terminal.print_judgement(judgement, Console())
    print(printable(source))
    print(printable(f"report: {path}"))
    print(printable(f"all reports: {options.runs / 'index.html'}"), flush=True)
    return judgement


def load_datasets(asked: dict[Any, Config], where: Where) -> dict[Any, Any]:
    """Every data set that is asked for, in memory or streamed, and what a person should know."""
    from cnnjax.data import load
    from cnnjax.sweep import placement

    datasets = {
        request: load.load_dataset(lane, where, placement.data_budget())
        for request, lane in asked.items()
    }
    for dataset in datasets.values():
        print_notes(dataset)
    return datasets


def print_network_notes(configs: list[Config], infos: list[Any]) -> None:
    """On stderr, once each, what a person should know of networks on images of such shapes."""
    from cnnjax.networks import notes
    from cnnjax.study.plan import network_of

    asked = {network_of(config): info for config, info in zip(configs, infos, strict=True)}
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


def train(
    lanes: list[Config], datasets: dict[Any, Any], options: Options, stop: script.Stop
) -> Any:
    """Runs the lanes without a record on this machine, under a progress bar."""
    from cnnjax.sweep.engines import local

    with contextlib.ExitStack() as stack, stop.listen() as should_stop:
        hear: dict[str, Any] = {}

        def on_start(num_lanes: int, num_examples: int) -> None:
            hear["bar"] = stack.enter_context(script.progress_bar(num_lanes, num_examples))

        return local.run_missing(
            lanes, datasets, options.runs,
            local.Observer(
                on_start=on_start,
                on_examples=lambda count: hear["bar"].on_examples(count),
                on_waiting=lambda share: hear["bar"].on_waiting(share),
                on_record=lambda record: hear["bar"].on_lane(record),
                should_stop=should_stop,
            ),
            options.mix,
        )  # fmt: skip


def report_failure(failure: Any) -> None:
    """A failed group on stderr: its choices in one line, then the error as Python shows it."""
    differing = [
        f"--{field.name}={format_value(getattr(failure.group.structure, field.name))}"
        for field in dataclasses.fields(Config)
        if getattr(failure.group.structure, field.name) != field.default
    ]
    choices = flags.quote_command(differing)
    print(f"failed: {len(failure.group.lanes)} lanes of {choices}", file=sys.stderr)
    traceback.print_exception(failure.error)
