"""The setting that each arm of a study takes, chosen on the validation split alone."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cnnjax.config.config import Config, with_seed
from cnnjax.config.knobs import RunError, format_value
from cnnjax.records.packed import unpack_values
from cnnjax.records.record import Record
from cnnjax.study import search
from cnnjax.study.arms import list_settings, make_trial
from cnnjax.study.claims import (
    VALIDATION,
    Overrides,
    Study,
    Tuning,
    name_arms,
)  # fmt: skip
from cnnjax.study.methods import find_method, find_search, is_runner_up
from cnnjax.study.space import find_edges, measure_distance
from cnnjax.study.trials import Searched, Tried


class Trial(NamedTuple):
    """One setting of an arm, over the seeds of the tuning."""

    setting: Mapping[str, Any]
    score: float  # mean over the seeds
    loss: float  # cross-entropy on the validation split, mean over the seeds
    correct: np.ndarray  # [validation images] share of the seeds that are right
    from_middle: float  # distance from the middle of the grid, in steps of it, or of the space
    edges: tuple[str, ...] = ()  # in words, where beyond it a better one may lie
    number: int = 0  # of a search, in the order proposed


def choose_settings(
    study: Study, base: Config, records: Mapping[Config, Record]
) -> tuple[Study, list[str]]:
    """The study with each arm's setting, and what a reader should know of the choice.

    Among the settings whose deficit to the best, paired by validation image, is within one
    standard error of that deficit, the one of least cross-entropy, and of equals the one nearest
    the middle of the grid. By a metric that is no accuracy of single images the highest is taken.
    A setting with a seed that failed is out, and so is one that was not trained to the end.
    `records` are those of `search.list_lanes`.
    """
    if study.tuning is None or not study.tuning.seeds:  # without seeds it was tuned before
        return study, []
    settings, notes = {}, []
    for name, overrides in name_arms(study).items():
        if study.tuning.search and not find_search(study, overrides):
            continue  # by default
        trials = list_trials(study, base, overrides, records)
        chosen = rank(study.tuning, trials)
        place = int(is_runner_up(overrides))
        if place >= len(chosen) > 0:
            notes.append(f"{name}: there is no other setting to be chosen; it is left out")
            continue
        if not chosen:
            notes.append(f"{name}: a seed failed in every setting of the tuning; none is chosen")
            continue
        settings[name] = chosen[place].setting
        notes += [f"{name}: {words}" for words in chosen[place].edges]
    return study._replace(settings=settings), notes


def rank(tuning: Tuning, trials: Sequence[Trial]) -> list[Trial]:
    """The setting that is chosen, and the one that would be without it."""
    chosen: list[Trial] = []
    while trials and len(chosen) < 2:
        chosen.append(_choose(trials, by_image=tuning.metric == VALIDATION))
        trials = [trial for trial in trials if trial.setting != chosen[-1].setting]
    return chosen


def list_trials(
    study: Study, base: Config, overrides: Overrides, records: Mapping[Config, Record]
) -> list[Trial]:
    """Every setting of an arm that can be chosen, with its results."""
    assert study.tuning is not None
    found: list[Trial | None] = []
    tuning, space = study.tuning, find_search(study, overrides)
    if space is None:
        for setting in list_settings(study, overrides):
            config = make_trial(study, base, {**overrides, **setting})
            own = [records[with_seed(config, seed)] for seed in tuning.seeds]
            edges = _find_edges(tuning.grid, setting)
            distance = _measure_distance(tuning.grid, setting)
            found.append(_sum_up(tuning, own, setting, distance, edges))
        return [trial for trial in found if trial is not None]
    trials = search.list_trials(study, base, overrides, search.take(records))
    tried = [own for own in search.list_distinct(trials) if own.whole]
    most = max((len(own.last) for own in tried), default=0)
    for own in tried:
        if len(own.last) < most:  # behind in a race
            continue
        place = own.proposal.place
        edges = [_say_edge(knob, own.setting[knob], "near the end of its range")
                 for knob in find_edges(space.space, place)]  # fmt: skip
        lanes = [records[lane] for lane in own.last]
        made = _sum_up(tuning, lanes, own.setting, measure_distance(place), edges)
        found.append(made and made._replace(number=own.proposal.number))
    return [trial for trial in found if trial is not None]


def describe_searches(
    study: Study, base: Config, records: Mapping[Config, Record]
) -> tuple[Searched, ...]:
    """What was searched and found, arm by arm, but for those that take a second best.

    `records` are those of `search.list_lanes`.
    """
    tuning, found = study.tuning, []
    for name, overrides in name_arms(study).items():
        own = find_search(study, overrides)
        if own is None or tuning is None or is_runner_up(overrides):
            continue
        trials = search.list_trials(study, base, overrides, search.take(records))
        trials = search.list_distinct(trials)
        ranks = [one.number for one in rank(tuning, list_trials(study, base, overrides, records))]
        if trials:
            tried = tuple(_describe_trial(tuning, trial, records) for trial in trials)
            method, (first, second, *_) = find_method(study, overrides), (*ranks, None, None)
            found.append(Searched(name, method, own.space, tried, first, second, tuning.metric))
    return tuple(found)


def _describe_trial(
    tuning: Tuning, trial: search.Trial, records: Mapping[Config, Record]
) -> Tried:  # fmt: skip
    own = [records[lane] for lane in trial.last]
    return Tried(
        *trial.proposal[:2], trial.setting, trial.proposal.place,
        score=search.read_score(tuning.metric, own),
        loss=mean_loss(own), seeds=len(own),
        steps=sum(  # of one whose patience ran out fewer
            record.scores.get("trained_steps") or lane.last_step
            for lane, record in zip(trial.last, own, strict=True)
        ),
        whole=trial.whole,
    )  # fmt: skip


def _sum_up(
    tuning: Tuning, own: Sequence[Record], setting: Overrides, from_middle: float,
    edges: Sequence[str],
) -> Trial | None:  # fmt: skip
    """A setting's results; None where one of its seeds failed."""
    if any(record.failed for record in own):
        return None
    return Trial(
        setting,
        search.read_score(tuning.metric, own),
        mean_loss(own),
        np.mean([_read_correct(record) for record in own], axis=0),
        from_middle,
        tuple(edges),
    )


def mean_loss(records: Sequence[Record]) -> float:
    """Cross-entropy on the validation split; infinite where a record has no number."""
    losses = [record.score("validation_loss") for record in records]
    return float(np.mean([math.inf if loss is None else loss for loss in losses]))


def _read_correct(record: Record) -> np.ndarray:
    """Whether each validation image is recognised [images]."""
    own = (record.scores.get("by_image") or {}).get("validation_accuracy")
    if own is None:
        raise RunError(
            f"record {record.id} lacks its answers to validation images, by which a setting is"
            " chosen: move it away, and its run is made again"
        )
    return unpack_values(own)


def _choose(trials: Sequence[Trial], by_image: bool) -> Trial:
    if not by_image:
        return max(trials, key=lambda trial: (trial.score, -trial.loss, -trial.from_middle))
    best = max(trials, key=lambda trial: trial.score)

    def is_close(trial: Trial) -> bool:
        apart = best.correct - trial.correct
        return apart.mean() <= apart.std(ddof=1) / math.sqrt(len(apart))

    close = [trial for trial in trials if trial is best or is_close(trial)]
    return min(close, key=lambda trial: (trial.loss, trial.from_middle))


def _measure_distance(grid: Mapping[str, Sequence[Any]], setting: Overrides) -> float:
    steps = [list(grid[knob]).index(value) - (len(grid[knob]) - 1) / 2
             for knob, value in setting.items()]  # fmt: skip
    return math.hypot(*steps)


def _find_edges(grid: Mapping[str, Sequence[Any]], setting: Overrides) -> list[str]:
    """Where a setting lies at the edge of the grid: beyond it a better one may lie."""
    return [
        _say_edge(knob, value, "at the edge of its grid")
        for knob, value in setting.items()
        if len(grid[knob]) > 2
        and isinstance(value, int | float)
        and value in (min(grid[knob]), max(grid[knob]))
    ]


def _say_edge(knob: str, value: Any, where: str) -> str:
    return f"tuning chose {knob}={format_value(value)}, {where}"
