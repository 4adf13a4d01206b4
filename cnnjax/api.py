"""What the scripts do, as functions that return values and print nothing.

They raise ConfigError where a request is wrong, RunError where the system refuses. It imports all
rooms up to `report`, and JAX with them: a script calls `sweep.backend.configure_jax` before.
"""

import functools
import pathlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax

from cnnjax.config import words
from cnnjax.config.config import Config, request_of
from cnnjax.config.datasets import Request, Where
from cnnjax.config.epochs import name_source
from cnnjax.config.explain import Choice
from cnnjax.data import load, outlook, pictures, transform
from cnnjax.data.dataset import Dataset, describe_notes
from cnnjax.networks.cost import measure
from cnnjax.records import index, shared
from cnnjax.report import folders
from cnnjax.runs.rate import read_rates
from cnnjax.runs.train import check_memory
from cnnjax.runs.train import describe_run as describe_run
from cnnjax.runs.train import make_timed as make_timed
from cnnjax.runs.train import set_run_aside as set_run_aside
from cnnjax.runs.train import train_run as train_run
from cnnjax.study import choosing, foresight, judge, metrics, partial, timing, wanted
from cnnjax.study.arms import (
    ask_epochs,
    keep_apart,
    list_metrics,
    list_seeds,
    make_base,
    make_configs,
)
from cnnjax.study.claims import Study
from cnnjax.study.foresight import Outlook, Sources
from cnnjax.study.judge import Judgement
from cnnjax.study.options import Options as Options
from cnnjax.study.options import check_options
from cnnjax.study.plan import Plan, list_notes, make_plan, network_of
from cnnjax.study.spread import spread
from cnnjax.study.timing import Timing
from cnnjax.study.wanted import Wanted
from cnnjax.sweep import backend, engines, loop, meshes, placement, stages, start, waiting
from cnnjax.sweep.engines import local
from cnnjax.sweep.lanes import open_finder, open_namer, open_others, require_weights
from cnnjax.sweep.loop import Outcome
from cnnjax.sweep.observer import QUIET, Observer
from cnnjax.sweep.stages import Finished as Finished
from cnnjax.sweep.stages import list_configs

Info = tuple[tuple[int, int, int], int]  # shape of an image, number of classes


class Checked(NamedTuple):
    """A study that can be run, before anything is loaded or compiled."""

    study: Study
    base: Config
    asked: dict[Request, Config]  # a run of each data set
    plan: Plan
    warnings: tuple[str, ...]  # of what its seeds cannot show
    notes: tuple[str, ...]  # on its networks
    infos: Mapping[Request, Info] = MappingProxyType({})  # of its data


class Prospect(NamedTuple):
    """What a study would run under, and what it could show."""

    choices: list[Choice]  # of the knobs that all arms share
    outlooks: list[Outlook]  # one a claim
    feeds: list[str]  # one a data set
    mesh: str  # on which devices
    timing: Timing | None  # None where no record tells


class Report(NamedTuple):
    """A judgement and the page that shows it."""

    judgement: Judgement
    path: pathlib.Path


def check_study(
    study: Study, given: Mapping[str, Any], options: Options, prepare: bool = True,
    observer: Observer = QUIET, here: bool = True,
) -> Checked:  # fmt: skip
    """The study under the flags given. Raises ConfigError where it cannot be, RunError where this
    machine has not the memory for one of its runs and they are to run `here`.

    Unless it may not, it prepares data whose training images must be counted for their epochs.
    """
    study = count_images(_settle(study, options), given, options.where, prepare, observer)
    base = make_base(study, given)
    configs = list_configs(study, base)
    asked = {request_of(config): config for config in configs}
    opened = {request: load.describe(config, options.where) for request, config in asked.items()}
    for one in opened.values():
        metrics.check_classes(list_metrics(study), one.class_names)
    infos = {request: load.find_info(one, request) for request, one in opened.items()}
    plan = make_plan(study, base, options.num_seeds, infos)
    shapes = [(own.structure, infos[request_of(own.structure)]) for own in plan.groups]
    for structure, info in shapes if here else ():
        check_memory(structure, measure(network_of(structure), *info))
    meshes.check(options.mesh, shapes)
    if not prepare:  # a plan is all that is asked for
        waiting.check_choices(shapes)
    warnings = foresight.warn_of_seeds(study, options.num_seeds)
    found = dict.fromkeys([*list_notes(configs, infos), *start.describe_all(shapes)])
    return Checked(study, base, asked, plan, tuple(warnings), tuple(found), infos)


def count_images(
    study: Study, given: Mapping[str, Any], where: Where, prepare: bool = True,
    observer: Observer = QUIET,
) -> Study:  # fmt: skip
    """The study with the training images counted of all that it trains, if it asks for epochs."""
    if not ask_epochs(study):
        return study
    configs = list_configs(study, make_base(study, given))
    whole = [vars(config) for config in configs if not config.train_examples]
    sources = {name_source(values): values for values in whole}
    sizes = {
        source: load.count_train(values, where, prepare, observer.on_note)
        for source, values in sources.items()
    }
    return study._replace(sizes=sizes)


def _settle(study: Study, options: Options) -> Study:
    """The study on seeds that are there. Raises ConfigError where its reports could not lie, or
    what its options name is not there.
    """  # fmt: skip
    check_options(options)
    study = spread(study)
    names = [study.name, choosing.on_validation(study).name] if study.choosing else [study.name]
    for name in names:
        folders.check(options.runs / name, options.format)
    return keep_apart(study, list_seeds(study, options.num_seeds, options.first_seed))


def look_ahead(checked: Checked, sources: Sources, options: Options) -> Prospect:
    """What a study would run under and could show; prepares no data and trains nothing.

    `sources` says of the knobs that were given whence they are, such as the command line. Raises
    ConfigError where prepared data have fewer training images than are asked for.
    """
    study, base = checked.study, checked.base
    choices = foresight.list_choices(study, base, sources)
    lane = next(iter(make_configs(study, base).values()))
    num_test = outlook.count_split(lane, options.where, "test")
    outlooks = []
    for stage in choosing.list_stages(study):
        for claim in stage.claims:
            metric = claim.comparisons[0].metric or stage.metric
            spread = foresight.find_spread(options.runs, metric, lane.dataset)
            own = foresight.look_ahead(stage, claim, options.num_seeds, num_test, spread)
            outlooks.append(own)
    budget, lanes = placement.data_budget(), list_configs(study, base)
    feeds = [
        outlook.describe_feed(
            lane, options.where, budget, [own for own in lanes if own.dataset == name]
        )
        for name, lane in {own.dataset: own for own in checked.asked.values()}.items()
    ]
    groups, num_devices = checked.plan.groups, jax.local_device_count()
    newest = index.list_newest(options.runs, timing.NEWEST)
    took = timing.estimate(groups, newest, backend.describe(), num_devices)
    lanes_of = {group.structure: group.num_lanes for group in groups}
    mesh = meshes.describe_meshes(options.mesh, lanes_of, checked.infos)
    return Prospect(choices, outlooks, feeds, mesh, took)


def load_datasets(checked: Checked, options: Options, observer: Observer) -> dict[Request, Dataset]:
    """Every data set that the study asks for, in memory or streamed.

    Raises ConfigError where a lane asks for what its data set does not have.
    """
    budget = placement.data_budget()
    datasets = {
        request: load.load_dataset(lane, options.where, budget, say=observer.on_note)
        for request, lane in checked.asked.items()
    }
    for dataset in datasets.values():
        metrics.check_classes(list_metrics(checked.study), dataset.class_names)
        for note in describe_notes(dataset):
            observer.on_note(note)
    draws: dict[str, None] = {}  # said once
    for config in list_configs(checked.study, checked.base):
        dataset = datasets[request_of(config)]
        transform.check(config, dataset)
        if transform.cannot_draw(config, dataset):
            draws[dataset.name] = None
    for name in draws:
        observer.on_note(f"{name}: streamed images are not drawn by the seed")
    return datasets


def train_wanted(
    wanted: Wanted, datasets: Mapping[Request, Dataset], options: Options,
    observer: Observer = QUIET, clear_stopped: bool = False,
) -> Outcome:  # fmt: skip
    """Trains by the engine, until nothing is wanted any more, what has no record yet.

    May clear what lanes that stopped on their way would go on from. Raises runner.Interrupted when
    the observer asked to stop; the same call then goes on.
    """
    jobs = functools.partial(
        loop.make_jobs, runs=options.runs, where=options.where,
        feeds={request: dataset.feed for request, dataset in datasets.items()},
        checkpoint_every=options.checkpoint_every, checkpoint_minutes=options.checkpoint_minutes,
        keep=options.keep, mesh=options.mesh,
    )  # fmt: skip
    name = open_namer(datasets, options.mesh)
    find = open_finder(datasets, options.runs, options.mix, observer.on_note, options.mesh, name)
    if options.keep != "none":
        find = require_weights(find, options.runs, options.keep, observer.on_note)
    with shared.open_leases(options.runs) as held:
        engine = local.open_engine(datasets, held)
        if options.engine:
            engine = engines.find(options.engine, options.placing, options.mix)
        others = open_others(name, held)
        done = loop.run_wanted(wanted, find, jobs, engine, observer, others, options.on_error)
        local.clear(options.runs, done.records, name, held, clear_stopped and not done.failures)
        return done


def run_study(checked: Checked, options: Options, observer: Observer = QUIET) -> Finished:
    """Trains what has no record yet, on this machine; raises what `train_wanted` does.

    Where runs break off, the rest of the study goes on without the arms that lack them, unless
    `options.on_error` is to stop. No records at all are given where nothing is left to be judged.
    """
    study, base = checked.study, checked.base
    datasets = load_datasets(checked, options, observer)
    fresh = list_seeds(study, options.num_seeds, options.first_seed)[options.num_seeds :]
    left, records, failures, num_trained = study, {}, [], 0
    while left is not None:
        own = wanted.of_study(left, base, options.num_seeds, options.first_seed)
        if failures and options.on_error == "stop":
            lacking = own([*records.values()])
        else:
            done = train_wanted(own, datasets, options, observer, clear_stopped=left.is_searched)
            records, num_trained = {**records, **done.records}, num_trained + done.num_trained
            failures += done.failures
            lacking = [lane for failure in done.failures for lane in failure.group.lanes]
        if not lacking:
            break
        left = partial.leave_out(left, base, lacking, fresh)
    trained, where = words.count(num_trained, "lane"), shared.name_of(options.runs)
    source = f"{trained} trained, {len(records) - num_trained:,} read from {where}/records"
    if left is None:
        return Finished(study, base, [], source, [], tuple(failures))
    known = [*records.values()]
    tuned, notes = wanted.choose(left, base, known)
    lanes = wanted.list_lanes(tuned, base, options.num_seeds, options.first_seed, known)
    found = [records[lane] for lane in dict.fromkeys(lanes)]
    absent = partial.describe(study, left) if failures else ()
    searched = wanted.list_searches(left, base, known)
    finished = Finished(tuned, base, found, source, notes, tuple(failures), absent, None, searched)
    return stages.go_on(finished, options, lambda lanes: [records[lane] for lane in lanes])


def find_earlier(study: Study, given: Mapping[str, Any], options: Options) -> Finished:
    """The study by records that there are, whatever made them: of the newest origin that has all.

    Raises NoRecords where no origin has a record of every lane.
    """
    study = count_images(_settle(study, options), given, options.where, prepare=False)
    return stages.find_earlier(study, make_base(study, given), options)


def judge_study(finished: Finished, options: Options) -> Judgement:
    """Judges the records, and writes nothing."""
    judgement = judge.judge(finished.study, finished.base, finished.records, options.mix)
    return judgement._replace(lacking=finished.lacking, searched=finished.searched)


def report_study(finished: Finished, options: Options) -> Report:
    """Judges the records and writes the report."""
    from cnnjax.report import standing

    judgement, look = judge_study(finished, options), pictures.make_look(options.where)
    where = (options.runs, options.command, options.scoreboard, options.format, look)
    return Report(judgement, standing.write_report(judgement, *where))


def report_run(
    config: Config, workdir: pathlib.Path, command: str = "", where: Where | None = None
) -> pathlib.Path:
    """Writes a finished run's page into its folder, with images where its data are at hand."""
    from cnnjax.report import run  # draws a figure

    rates, look = read_rates(config, workdir), pictures.make_look(where)
    return run.write_page(workdir, config, rates, command, look)
