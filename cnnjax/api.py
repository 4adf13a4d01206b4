"""What the scripts do, as functions that return values and print nothing.

They raise ConfigError where a request is wrong, RunError where the system refuses. It imports all
rooms up to `report`, and JAX with them: a script calls `sweep.backend.configure_jax` before.
"""

import contextlib
import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax

from cnnjax.config import explain
from cnnjax.config.config import Config, request_of
from cnnjax.config.datasets import FILES, Request, Where, parse
from cnnjax.config.explain import Choice
from cnnjax.config.knobs import ConfigError, RunError
from cnnjax.data import load, transform
from cnnjax.data.dataset import Dataset, describe_notes
from cnnjax.networks import notes
from cnnjax.records import archive, index
from cnnjax.records.archive import NoRecords
from cnnjax.records.record import Record
from cnnjax.report import folders
from cnnjax.runs.train import describe_run as describe_run
from cnnjax.runs.train import train_run as train_run
from cnnjax.study import foresight, judge, timing, wanted
from cnnjax.study.arms import (
    find_shared,
    make_base,
    make_configs,
    make_lanes,
    make_trials,
    make_tuning_lanes,
)
from cnnjax.study.claims import Study, varied_knobs
from cnnjax.study.foresight import Outlook
from cnnjax.study.judge import Judgement
from cnnjax.study.plan import Plan, make_plan, network_of
from cnnjax.study.timing import Timing
from cnnjax.study.wanted import Wanted
from cnnjax.sweep import backend, loop, placement, runner
from cnnjax.sweep.engines import local
from cnnjax.sweep.lanes import open_finder
from cnnjax.sweep.loop import Outcome
from cnnjax.sweep.observer import QUIET, Observer

Info = tuple[tuple[int, int, int], int]  # shape of an image, number of classes


class Options(NamedTuple):
    """Where and how a study is run, besides its Config."""

    runs: pathlib.Path  # records and reports
    where: Where = Where()
    num_seeds: int = 20
    mix: tuple[str, ...] = ()  # in what runs may be unlike
    command: str = ""  # that reproduces the report
    scoreboard: bool = False  # whether the report is one of all
    checkpoint_every: int | None = None  # steps; 0 for at every evaluation, None for never


class Checked(NamedTuple):
    """A study that can be run, before anything is loaded or compiled."""

    study: Study
    base: Config
    asked: dict[Request, Config]  # a run of each data set
    plan: Plan
    warnings: tuple[str, ...]  # of what its seeds cannot show
    notes: tuple[str, ...]  # on its networks


class Prospect(NamedTuple):
    """What a study would run under, and what it could show."""

    choices: list[Choice]  # of the knobs that all arms share
    outlooks: list[Outlook]  # one a claim
    feeds: list[str]  # one a data set
    timing: Timing | None  # None where no record tells


class Finished(NamedTuple):
    """A study whose lanes all have a record, or in which a group failed."""

    study: Study  # with the settings that tuning chose
    base: Config
    records: list[Record]  # in order of the lanes
    source: str  # whence they are, in words
    notes: list[str]  # on what tuning chose
    failures: tuple[runner.Failure, ...] = ()


class Report(NamedTuple):
    """A judgement and the page that shows it."""

    judgement: Judgement
    path: pathlib.Path


def check_study(study: Study, given: Mapping[str, Any], options: Options) -> Checked:
    """The study under the flags given. Raises ConfigError where it cannot be."""
    folders.check(options.runs / study.name)
    base = make_base(study, given)
    configs = _list_configs(study, base)
    asked = {request_of(config): config for config in configs}
    infos = {request: load.load_info(config, options.where) for request, config in asked.items()}
    plan = make_plan(study, base, options.num_seeds, infos)
    warnings = foresight.warn_of_seeds(study, options.num_seeds)
    found = list_network_notes(configs, infos)
    return Checked(study, base, asked, plan, tuple(warnings), found)


def _list_configs(study: Study, base: Config) -> list[Config]:
    """All that a study trains, but for the seeds."""
    return [*make_trials(study, base), *make_configs(study, base).values()]


def list_network_notes(configs: Sequence[Config], infos: Mapping[Request, Info]) -> tuple[str, ...]:
    """What a person should know of networks on images of such shapes, once each."""
    asked = {network_of(config): infos[request_of(config)] for config in configs}
    found = [note for config, info in asked.items() for note in notes.list_notes(config, *info)]
    return tuple(dict.fromkeys(found))


def look_ahead(checked: Checked, given: Mapping[str, Any], options: Options) -> Prospect:
    """What a study would run under and could show; prepares no data and trains nothing."""
    study, base = checked.study, checked.base
    sources = {"command line": given, "study": find_shared(study)}
    varied = varied_knobs(study)
    choices = [own for own in explain.explain(base, sources) if own.name not in varied]
    lane = next(iter(make_configs(study, base).values()))
    num_test = load.count_test(lane, options.where)
    outlooks = []
    for claim in study.claims:
        metric = claim.comparisons[0].metric or study.metric
        spread = foresight.find_spread(options.runs, metric, lane.dataset)
        outlooks.append(foresight.look_ahead(study, claim, options.num_seeds, num_test, spread))
    by_name = {lane.dataset: lane for lane in checked.asked.values()}
    budget = placement.data_budget()
    feeds = [load.describe_feed(lane, options.where, budget) for lane in by_name.values()]
    newest = index.list_newest(options.runs, timing.NEWEST)
    took = timing.estimate(
        checked.plan.groups, newest, backend.describe(), jax.local_device_count()
    )
    return Prospect(choices, outlooks, feeds, took)


def load_datasets(checked: Checked, options: Options, observer: Observer) -> dict[Request, Dataset]:
    """Every data set that the study asks for, in memory or streamed.

    Raises ConfigError where a lane asks for what its data set does not have.
    """
    budget = placement.data_budget()
    datasets = {
        request: load.load_dataset(lane, options.where, budget)
        for request, lane in checked.asked.items()
    }
    for dataset in datasets.values():
        for note in describe_notes(dataset):
            observer.on_note(note)
    draws: dict[str, None] = {}  # said once
    for config in _list_configs(checked.study, checked.base):
        dataset = datasets[request_of(config)]
        transform.check(config, dataset)
        if transform.cannot_draw(config, dataset):
            draws[f"{dataset.name}: streamed images are not drawn by the seed"] = None
    for words in draws:
        observer.on_note(words)
    return datasets


def train_wanted(
    wanted: Wanted, datasets: Mapping[Request, Dataset], options: Options,
    observer: Observer = QUIET,
) -> Outcome:  # fmt: skip
    """Trains on this machine, until nothing is wanted any more, what has no record yet.

    Raises runner.Interrupted when the observer asked to stop; the same call then goes on.
    """
    jobs = functools.partial(
        loop.make_jobs, runs=options.runs, where=options.where,
        feeds={request: dataset.feed for request, dataset in datasets.items()},
        checkpoint_every=options.checkpoint_every,
    )  # fmt: skip
    find = open_finder(datasets, options.runs, options.mix)
    engine = functools.partial(local.run, datasets=datasets)
    return loop.run_wanted(wanted, find, jobs, engine, observer)


def run_study(checked: Checked, options: Options, observer: Observer = QUIET) -> Finished:
    """Trains what has no record yet, on this machine; raises what `train_wanted` does."""
    study, base = checked.study, checked.base
    datasets = load_datasets(checked, options, observer)
    own = wanted.of_study(study, base, options.num_seeds)
    done = train_wanted(own, datasets, options, observer)
    reused = len(done.records) - done.num_trained
    source = f"{done.num_trained} lanes trained, {reused} read from {options.runs}/records"
    if done.failures:
        return Finished(study, base, [*done.records.values()], source, [], done.failures)
    chosen, notes = wanted.choose(study, base, [*done.records.values()])
    lanes = make_lanes(chosen, base, options.num_seeds)
    records = [done.records[lane] for lane in dict.fromkeys(lanes)]
    return Finished(chosen, base, records, source, notes)


def fingerprint_files(lanes: Sequence[Config], where: Where) -> dict[Request, str]:
    """By request, the fingerprints of files of one's own that lie where they are asked for."""
    found = {}
    for request, lane in {request_of(lane): lane for lane in lanes}.items():
        if parse(lane.dataset).kind in FILES:
            with contextlib.suppress(ConfigError, RunError):  # gone: known by their path alone
                dataset = load.load_dataset(lane, where, placement.data_budget())
                found[request] = dataset.fingerprint
    return found


def find_earlier(study: Study, given: Mapping[str, Any], options: Options) -> Finished:
    """The study by records that there are, whatever made them: of the newest origin that has all.

    Raises NoRecords where no origin has a record of every lane.
    """
    folders.check(options.runs / study.name)
    base = make_base(study, given)
    records = index.list_heads(options.runs)
    tuning = make_tuning_lanes(study, base)
    data = fingerprint_files(_list_configs(study, base), options.where)
    for tried in archive.list_complete(tuning, records, options.mix, data) if tuning else [None]:
        trials = index.open_heads(options.runs, tried.records) if tried else []
        chosen, found = wanted.choose(study, base, trials)
        lanes = make_lanes(chosen, base, options.num_seeds)
        for stock in archive.list_complete(lanes, records, options.mix, data):
            if tried is None or tried.origin == stock.origin:
                source = f"nothing trained; records of {archive.describe(stock)}"
                opened = index.open_heads(options.runs, stock.records)
                return Finished(chosen, base, opened, source, found)
    raise NoRecords(
        f"--judge_only: {options.runs}/records has no one origin with a record of every lane of"
        f" study {study.name} with these flags: give the flags and --seeds of those runs, or leave"
        " --judge_only out to train what is missing"
    )


def report_study(finished: Finished, options: Options) -> Report:
    """Judges the records and writes the report."""
    from cnnjax.report import page  # draws figures, whose library takes a while to import

    judgement = judge.judge(finished.study, finished.base, finished.records, options.mix)
    path = page.write_report(judgement, options.runs, options.command, options.scoreboard)
    return Report(judgement, path)
