"""A study from its flags to what is printed: what launch.py and experiments.ablate share."""

import contextlib
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from absl import flags as absl_flags

from cnnjax.config import flags, numeric
from cnnjax.config.config import Config
from cnnjax.config.hosts import Hosts
from cnnjax.config.knobs import ConfigError, split_values
from cnnjax.records import index, remembered, shared
from cnnjax.study.claims import Study
from cnnjax.study.looks import LOOKS, UNTILS
from cnnjax.study.options import DEFAULTS, ERRORS, FORMATS, MOST_SEEDS, Options
from experiments import hosts, placing, rented, script, told
from experiments.cloud import flags as renting
from experiments.cloud import write

if TYPE_CHECKING:  # JAX is imported where it is needed, so that --help is answered at once
    from cnnjax import api
    from cnnjax.study import timing
    from cnnjax.study.judge import Judgement

QUICK = 10  # seeds of --quick
MOST = LOOKS[-1].seeds  # of --until=decided


class Asked(NamedTuple):
    """What a command line asks for, besides a study and its Config."""

    options: Options
    plan_only: bool
    status_only: bool
    judge_only: bool
    sources: Mapping[str, set[str]]  # whence the flags of the Config are
    traceback: bool  # whether to show all of an error in a plug-in
    quiet: bool
    time_limit: float | None  # minutes
    accelerator: rented.Rented | None = None  # what the plan is compiled for
    hosts: Hosts | None = None  # of a program on many
    probe: bool = False  # whether the plan is timed
    cloud: renting.Cloud | None = None  # what is rented: a script for that is written, no more


def define_flags(values: absl_flags.FlagValues) -> None:
    """The flags of every command that conducts a study."""
    numeric.define_integer(values, "seeds", DEFAULTS.num_seeds, "Seeds an arm.", 1, MOST_SEEDS)
    numeric.define_integer(
        values, "first_seed", DEFAULTS.first_seed, "The first of the seeds; the others follow it.",
        0,
    )  # fmt: skip
    absl_flags.DEFINE_enum(
        "until", UNTILS[0], list(UNTILS),
        f"Seeds an arm: --seeds, or looks at {', '.join(str(look.seeds) for look in LOOKS)} of them"
        f" until each headline is decided; then --seeds is the last look, {MOST} if not given.",
        flag_values=values,
    )  # fmt: skip
    absl_flags.DEFINE_boolean(
        "quick",
        False,
        f"{QUICK} seeds an arm; of all statements (launch.py all) headlines alone.",
        flag_values=values,
    )
    absl_flags.DEFINE_boolean("plan", False, "Print what would run, and stop.", flag_values=values)
    absl_flags.DEFINE_boolean(
        "probe", False,
        "With --plan: compile every program, train each for a stretch of some seconds, and say how"
        " long all would take by that; without it records of before tell.",
        flag_values=values,
    )  # fmt: skip
    rented.define_flags(values)
    absl_flags.DEFINE_boolean(
        "status", False, "Say what is recorded, in training (by whom) and waiting, and stop.",
        flag_values=values,
    )  # fmt: skip
    absl_flags.DEFINE_boolean(
        "judge_only", False,
        "Train nothing: judge the records that there are, of the newest origin that has them all.",
        flag_values=values,
    )  # fmt: skip
    script.define_mix(
        values,
        "Compare runs though their bits may differ for this: cpu for unlike CPUs, device for unlike"
        " devices; none for none.",
    )
    absl_flags.DEFINE_enum(
        "on_error", DEFAULTS.on_error, list(ERRORS),
        "Where runs break off: train the other arms and judge what does not rest on those runs, or"
        " train nothing more.",
        flag_values=values,
    )  # fmt: skip
    absl_flags.DEFINE_string(
        "datasets", None,
        "Data sets, each as for --dataset: every arm on every one, and a verdict on each and over"
        " all. One that holds a comma stands in quotes.",
        flag_values=values,
    )  # fmt: skip
    script.define_saving(values)
    placing.define_flags(values)
    script.define_mesh(values)
    hosts.define_flags(values)
    renting.define_flags(values)
    script.define_keep(values, DEFAULTS.keep, "beside its record")
    absl_flags.DEFINE_string(
        "runs",
        str(DEFAULTS.runs),
        "Folder for records and reports, here or shared by many machines (gs://, s3://).",
        flag_values=values,
    )
    absl_flags.DEFINE_enum(
        "format", DEFAULTS.format, list(FORMATS),
        "Of the report: a page, or with md the same in Markdown beside it, for a supplement.",
        flag_values=values,
    )  # fmt: skip
    script.define_quiet(values)
    flags.define_where(values)
    flags.define_config(values, Config(), without=["seed"])


def define_own(values: absl_flags.FlagValues, made_of: str, metric: str) -> None:
    """The flags of a study that the command line makes: its name, and what its `metric` is for."""
    absl_flags.DEFINE_string(
        "study", None, f"Name of the report's folder; none for one made of the {made_of}.",
        flag_values=values,
    )  # fmt: skip
    absl_flags.DEFINE_string("metric", "test_accuracy", metric, flag_values=values)


def parse(values: absl_flags.FlagValues, argv: Sequence[str], description: str) -> list[str]:
    """As `flags.parse`: with --judge_only what records have of plug-ins not loaded is known."""

    def remember(arguments: Sequence[str]) -> None:
        early = absl_flags.FlagValues()
        absl_flags.DEFINE_boolean("judge_only", False, "", flag_values=early)
        absl_flags.DEFINE_string("runs", values["runs"].default, "", flag_values=early)
        with contextlib.suppress(absl_flags.Error, ValueError):  # told when all is read
            early(["", *arguments], known_only=True)
        if early.is_parsed() and early.judge_only:
            runs = shared.open_runs(early.runs)
            remembered.remember(index.list_heads(runs), runs / "records")

    return flags.parse(values, argv, description, remember)


def read_flags(values: absl_flags.FlagValues, argv: Sequence[str]) -> Asked:
    """What is asked for on the command line."""
    if values.quick and values["seeds"].present:
        flags.refuse(f"--quick means --seeds={QUICK}: give one of the two")
    if not values.runs:
        flags.refuse("--runs is empty: name a folder, such as --runs=runs")
    if values.plan and values.judge_only:
        flags.refuse("--plan is of what would run and --judge_only runs nothing: give one")
    if values.probe and (values.accelerator or not values.plan):
        flags.refuse("--probe times a plan on this machine: give --plan, and no --accelerator")
    if values.status and (values.plan or values.judge_only):
        flags.refuse("--status trains and judges nothing: give it without --plan or --judge_only")
    many = values.until == "decided" and not values["seeds"].present
    cloud = renting.read_flags(values, argv)
    options = Options(
        runs=shared.open_runs(values.runs) if cloud is None else pathlib.Path(values.runs),
        where=flags.read_where(values),
        num_seeds=QUICK if values.quick else values.seeds if not many else MOST,
        mix=script.read_mix(values),
        command=flags.quote_command(["python", *argv]),
        first_seed=values.first_seed,
        engine=values.engine if cloud is None else None,
        placing=placing.read_flags(values),
        keep=values.keep,
        on_error=values.on_error,
        format=values.format,
        mesh=values.mesh,
        **script.read_saving(values)._asdict(),
    )
    return Asked(
        options, values.plan, values.status, values.judge_only, flags.find_sources(values, argv),
        values.traceback, values.quiet, values.time_limit, rented.read_flags(values),
        hosts.read_flags(values), values.probe, cloud,
    )  # fmt: skip


def read_datasets(values: absl_flags.FlagValues) -> list[str]:
    """The data sets of --datasets; none where it is not given."""
    if values.datasets is None:
        return []
    if values["dataset"].present:
        flags.refuse("--dataset is one data set and --datasets are several: give one of the two")
    try:
        return split_values(values.datasets)
    except ConfigError as error:
        flags.refuse(f"--datasets={values.datasets}: {error}")


def widen(study: Study, names: Sequence[str], until: str, options: Options) -> Study:
    """The study on the data sets named, with the looks of --until.

    Raises ConfigError where it cannot be.
    """
    from cnnjax.study import sequential  # imports SciPy, for which --help need not wait

    return sequential.widen(study, names, until, options.num_seeds)


def conduct_own(
    study: Study, knobs: Iterable[str], values: absl_flags.FlagValues, argv: Sequence[str],
    stop: script.Stop,
) -> int:  # fmt: skip
    """Conducts a study that the script of its name made; gives the exit status.

    Its report has the name that was given, or one made of the script's, the `knobs`, and a hash.
    """
    from cnnjax.report import folders
    from cnnjax.study.arms import list_seeds, make_base, make_configs, make_trials

    long, given = flags.read_epochs(values, argv), flags.given_config(values)
    asked = read_flags(values, ["-m", f"experiments.{study.name}", *argv[1:]])
    study = study._replace(epochs=long and long.number)
    study = widen(study, read_datasets(values), values.until, asked.options)
    base = make_base(study, given)
    make_trials(study, base)
    if asked.cloud is not None:
        make_configs(study, base)
        return write.write(asked.cloud)
    seeds = list_seeds(study, asked.options.num_seeds, asked.options.first_seed)
    key = folders.hash_study(study, base, seeds)
    name = values.study or "-".join((study.name, folders.join_names(knobs), key))
    hosts.join(asked.hosts, asked.options.where, stop, asked.quiet)
    status, _ = conduct(study._replace(name=name), given, asked, stop)
    return status


def conduct(
    study: Study, given: Mapping[str, Any], asked: Asked, stop: script.Stop
) -> tuple[int, "Judgement | None"]:
    """Trains what is missing, judges, prints; gives the exit status and the judgement, if any.

    Raises ConfigError, before anything is compiled or written, where the study cannot be.
    """
    from cnnjax.sweep import backend

    if asked.time_limit is not None:
        stop.limit(asked.time_limit)
    backend.configure_jax()
    from cnnjax import api
    from cnnjax.sweep.observer import Observer
    from cnnjax.sweep.runner import Interrupted

    options = asked.options
    if asked.judge_only:
        earlier = api.find_earlier(study, given, options)
        return script.DONE, told.print_report(earlier, options, asked.quiet)
    say = script.open_notes(asked.quiet)
    prepare, here = not asked.plan_only, asked.accelerator is None
    checked = api.check_study(study, given, options, prepare, Observer(on_note=say), here)
    for note in (*(script.WARNING + own for own in checked.warnings), *checked.notes):
        say(note)
    if asked.status_only:
        told.print_status(checked, options, Observer(on_note=say))
        return script.DONE, None
    if asked.plan_only:
        prospect = api.look_ahead(checked, asked.sources, options)
        if asked.probe:
            try:
                prospect = prospect._replace(timing=probe(checked, options, stop, asked.quiet))
            except Interrupted:
                return script.INTERRUPTED, None
        told.print_prospect(checked, prospect, options)
        if asked.accelerator is None:
            return script.DONE, None
        groups, where = checked.plan.groups, options.where
        return rented.print_forecast(groups, where, asked.accelerator, asked.quiet), None
    try:
        with script.observe(stop, asked.quiet) as observer:
            finished = api.run_study(checked, options, observer)
    except Interrupted:
        return script.INTERRUPTED, None
    for failure in finished.failures:
        told.print_failure(failure, asked.traceback)
    judgement, ended = None, script.FAILED if finished.failures else script.DONE
    with stop.listen() as should_stop:  # a report is soon written: it need not be made again
        if finished.records:
            judgement = told.print_report(finished, options, asked.quiet)
    if finished.failures:
        told.print_summary(finished, options)
    return (script.INTERRUPTED if should_stop() else ended), judgement


def probe(
    checked: "api.Checked", options: Options, stop: script.Stop, quiet: bool
) -> "timing.Timing":
    """How long a study would take here, by a stretch of training of each of its programs."""
    from cnnjax import api
    from cnnjax.sweep import probe

    with script.observe(stop, quiet) as observer:
        datasets = api.load_datasets(checked, options, observer)
        return probe.time_groups(checked.plan.groups, datasets, options.mesh, observer)
