"""What a study comes to by its records, trained or found: its arms, or the best on fresh seeds."""

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cnnjax.config.config import Config, request_of
from cnnjax.config.datasets import FILES, Request, Where, parse
from cnnjax.config.knobs import ConfigError, RunError
from cnnjax.data import load
from cnnjax.records import archive, index, store
from cnnjax.records.archive import NoRecords
from cnnjax.records.record import Record
from cnnjax.study import choosing, wanted
from cnnjax.study.arms import make_configs, make_corners, make_lanes, make_trials
from cnnjax.study.claims import Study
from cnnjax.study.options import Options
from cnnjax.study.trials import Searched
from cnnjax.sweep import placement, runner


class Finished(NamedTuple):
    """A study whose lanes all have a record, or what is left of it where some broke off."""

    study: Study  # with the settings that tuning chose
    base: Config
    records: list[Record]  # in order of the lanes
    source: str  # whence they are, in words
    notes: list[str]  # on what was chosen by validation, of settings and of arms
    failures: tuple[runner.Failure, ...] = ()
    lacking: tuple[str, ...] = ()  # in words, what broke off and what is not judged for it
    choice: "Finished | None" = None  # the arms on validation, of which its own were chosen
    searched: tuple[Searched, ...] = ()  # what its tuning tried, where it searched a space


def list_configs(study: Study, base: Config) -> list[Config]:
    """All that a study trains, or may come to, but for the seeds."""
    arms = make_configs(study, base).values()
    return [*dict.fromkeys([*make_trials(study, base), *make_corners(study, base), *arms])]


def go_on(
    arms: Finished, options: Options, find: Callable[[Sequence[Config]], list[Record]]
) -> Finished:
    """What the arms come to: themselves, or where they choose the best, that on fresh seeds."""
    if arms.study.choosing is None:
        return arms
    num_seeds, first = options.num_seeds, options.first_seed
    best, said = wanted.choose_arm(arms.study, arms.base, arms.records, num_seeds, first)
    choice = arms._replace(study=choosing.on_validation(arms.study))
    if best is None:
        return choice._replace(notes=[*arms.notes, said])
    lanes = make_lanes(best, arms.base, num_seeds, first + num_seeds)
    return arms._replace(study=best, records=find(lanes), notes=[said], choice=choice)


def fingerprint_files(lanes: Sequence[Config], where: Where) -> dict[Request, str]:
    """By request, the fingerprints of data of one's own that lie where they are asked for."""
    found = {}
    for request, lane in {request_of(lane): lane for lane in lanes}.items():
        if parse(lane.dataset).kind in (*FILES, "function"):
            with contextlib.suppress(ConfigError, RunError):  # gone: known by their path alone
                dataset = load.load_dataset(lane, where, placement.data_budget())
                found[request] = dataset.fingerprint
    return found


def find_earlier(study: Study, base: Config, options: Options) -> Finished:
    """The study by records that there are, whatever made them: of the newest origin that has all.

    Raises NoRecords where no origin has a record of every lane.
    """
    records = index.list_heads(options.runs)
    tuning = wanted.list_tried(study, base, [])
    data = fingerprint_files(list_configs(study, base), options.where)

    def find(lanes: Sequence[Config], origin: str) -> list[Record]:
        stocks = archive.list_complete(lanes, records, options.mix, data)
        alike = (own.records for own in stocks if own.origin == origin)
        return index.open_heads(options.runs, next(alike, []))

    for tried in archive.list_complete(tuning, records, options.mix, data) if tuning else [None]:
        trials = index.open_heads(options.runs, tried.records) if tried else []
        while trials and len(lanes := wanted.list_tried(study, base, trials)) > len(trials):
            trials = find(lanes, tried.origin if tried else "")  # the next batch of a search
        if tried and not trials:
            continue
        tuned, found = wanted.choose(study, base, trials)
        due = functools.partial(
            wanted.list_lanes, tuned, base, options.num_seeds, options.first_seed
        )
        for stock in archive.list_complete(due([]), records, options.mix, data):
            if tried is None or tried.origin == stock.origin:
                opened = index.open_heads(options.runs, stock.records)
                while opened and len(lanes := [*dict.fromkeys(due(opened))]) > len(opened):
                    opened = find(lanes, stock.origin)  # those of the next look
                if not opened:
                    continue
                source = f"nothing trained; records of {archive.describe(stock)}"
                searched = wanted.list_searches(study, base, trials)
                arms = Finished(tuned, base, opened, source, found, searched=searched)
                finished = go_on(arms, options, functools.partial(find, origin=stock.origin))
                if finished.records:
                    return finished
    unread = store.count_files(options.runs) - len(records)
    damaged = f" ({unread} damaged or of another schema: experiments.records --check names them)"
    raise NoRecords(
        f"--judge_only: {options.runs}/records has no one origin with a record of every lane of"
        f" study {study.name} with these flags{damaged if unread > 0 else ''}: give the flags and"
        " --seeds of those runs, or leave --judge_only out to train what is missing"
    )
