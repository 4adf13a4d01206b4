"""The trials of a study's search, as a pure function of what is recorded. Imports no JAX.

What a method proposed is never kept: it is proposed again from the same records.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cnnjax.config.config import Config, with_seed, with_stop
from cnnjax.config.errors import ConfigError
from cnnjax.records.record import Record
from cnnjax.study import halving, metrics, proposing, race
from cnnjax.study.arms import make_trial, make_tuning_lanes
from cnnjax.study.claims import (
    VALIDATION,
    Overrides,
    Search,
    Study,
    name_arm,
)  # fmt: skip
from cnnjax.study.methods import find_first, find_method, find_search
from cnnjax.study.proposing import Place, Proposal
from cnnjax.study.space import read_setting

Find = Callable[[Sequence[Config]], Mapping[Config, Record]]  # the records that there are


def take(records: Mapping[Config, Record]) -> Find:
    """What finds lanes in records by lane."""
    return lambda lanes: {lane: records[lane] for lane in lanes if lane in records}


class Trial(NamedTuple):
    """A proposal, and what is trained of it so far."""

    proposal: Proposal
    setting: Mapping[str, Any]
    lanes: tuple[Config, ...]  # of all its seeds; of halving those of earlier rungs too
    whole: bool = True  # whether it is trained for as long as a run of the study is

    @property
    def last(self) -> tuple[Config, ...]:
        """The lanes that are trained the longest."""
        longest = self.lanes[-1].stop_at if self.lanes else 0
        return tuple(lane for lane in self.lanes if lane.stop_at == longest)


class _Arm(NamedTuple):
    """For whom it is searched."""

    study: Study
    base: Config
    overrides: Overrides
    search: Search
    find: Find

    @property
    def seeds(self) -> tuple[int, ...]:
        assert self.study.tuning is not None
        return self.study.tuning.seeds

    def make(self, place: Place) -> tuple[dict[str, Any], Config]:
        """The setting at a place, and the run that tries it."""
        setting = read_setting(self.search.space, place)
        return setting, make_trial(self.study, self.base, {**self.overrides, **setting})

    def score(self, lanes: Sequence[Config]) -> float | None:
        """The mean of the tuning's metric; NaN where a run failed, None where one has no record."""
        records = self.find(lanes)
        if any(lane not in records for lane in lanes):
            return None
        assert self.study.tuning is not None
        return read_score(self.study.tuning.metric, [records[lane] for lane in lanes])


def read_score(metric: str, records: Sequence[Record]) -> float:
    """The mean over the runs of one trial; NaN where one failed."""
    return float(np.mean([_read_one(metric, own) for own in records]))


def _read_one(metric: str, record: Record) -> float:
    """A run's score; one that was stopped early may well have learned nothing yet."""
    if not record.failed:
        return metrics.find(metric).read(record)
    last = record.metrics[-1] if record.metrics and record.config.get("stop_at") else {}
    score = last.get(metric) if metric == VALIDATION else None
    return math.nan if score is None else float(score)


def list_lanes(study: Study, base: Config, find: Find) -> list[Config]:
    """Every lane of the study's tuning that is wanted so far, each once."""
    if study.tuning is None or study.tuning.search is None:
        return make_tuning_lanes(study, base)
    arms = {name_arm(find_first(arm)): arm for arm in study.arms}  # who share a search, once
    trials = (own for arm in arms.values() for own in list_trials(study, base, arm, find))
    return [*dict.fromkeys(lane for own in trials for lane in own.lanes)]


def list_trials(study: Study, base: Config, overrides: Overrides, find: Find) -> list[Trial]:
    """What is tried for an arm so far, in the order proposed; nothing where nothing is searched.

    Nothing more is wanted where all of their lanes have a record.
    """
    search = find_search(study, overrides)
    if search is None or not (study.tuning and study.tuning.seeds):
        return []
    arm, method = _Arm(study, base, overrides, search, find), find_method(study, overrides)
    if method == "tpe":
        return _follow_tpe(arm)
    proposals = proposing.list_at_once(search, method)
    if method == "halving":
        return _halve(arm, proposals)
    return _race(arm, proposals) if search.race else [_try(arm, own) for own in proposals]


def list_distinct(trials: Sequence[Trial]) -> list[Trial]:
    """The first trial of each setting: tpe may propose one again, which is the same run."""
    distinct: dict[str, Trial] = {}
    for trial in trials:
        distinct.setdefault(repr(trial.setting), trial)
    return [*distinct.values()]


def _try(arm: _Arm, proposal: Proposal) -> Trial:
    setting, config = arm.make(proposal.place)
    return Trial(proposal, setting, tuple(with_seed(config, seed) for seed in arm.seeds))


def _follow_tpe(arm: _Arm) -> list[Trial]:
    """Batches, as far as those before them are recorded."""
    trials: list[Trial] = []
    told: tuple[tuple[Place, float], ...] = ()
    while len(trials) < arm.search.trials:
        batch = len(trials) // arm.search.batch
        places = proposing.propose_tpe(arm.search, told)
        new = [
            _try(arm, Proposal(number, batch, place))
            for number, place in enumerate(places, len(trials))
        ]
        trials += new
        scores = [arm.score(own.lanes) for own in new]
        if any(score is None for score in scores):
            break
        # What failed is as bad as can be; as a NaN it would be no key of what was asked before.
        known = (score if score is not None and math.isfinite(score) else -math.inf
                 for score in scores)  # fmt: skip
        told += tuple(zip(places, known, strict=True))
    return trials


def _halve(arm: _Arm, proposals: Sequence[Proposal]) -> list[Trial]:
    """Trials by rungs. Raises ConfigError where runs are of unlike lengths, or stopped anyhow."""
    made = [arm.make(own.place) for own in proposals]
    steps, every, stop_at = made[0][1].steps, made[0][1].eval_every, made[0][1].stop_at
    if stop_at or any((own.steps, own.eval_every) != (steps, every) for _, own in made):
        raise ConfigError(
            "halving compares runs by their beginnings, and stops them itself: give all of them the"
            " same --steps and --eval_every and no --stop_at, or another --method"
        )
    stops = halving.list_stops(steps, every)

    def make_lanes(number: int, stop: int) -> tuple[Config, ...]:
        config = with_stop(made[number][1], stop if stop < steps else 0)
        return tuple(with_seed(config, seed) for seed in arm.seeds)

    @functools.cache  # asked again in every round
    def score(number: int, stop: int) -> float | None:
        return arm.score(make_lanes(number, stop))

    reached = halving.replay(len(proposals), arm.search.batch, stops, score)
    return [
        Trial(
            proposals[number],
            made[number][0],
            tuple(lane for stop in own for lane in make_lanes(number, stop)),
            whole=own[-1] == steps,
        )
        for number, own in reached.items()
    ]


def _race(arm: _Arm, proposals: Sequence[Proposal]) -> list[Trial]:
    """Trials seed by seed; those that are behind leave their runs to the others."""
    assert arm.study.tuning is not None
    tuning, made = arm.study.tuning, [arm.make(own.place) for own in proposals]
    metric, seeds = metrics.find(tuning.metric), tuning.all_seeds
    lanes: list[list[Config]] = [[] for _ in made]
    scores: dict[tuple[int, int], float] = {}
    resolution = 0.0
    while True:
        where = race.find_next(
            scores, len(made), len(made) * len(tuning.seeds), resolution=resolution
        )
        wanted = {run: with_seed(made[run[0]][1], seeds[run[1]]) for run in where.wanted}
        for (number, _), lane in wanted.items():
            lanes[number].append(lane)
        found = arm.find([*wanted.values()])
        if not wanted or any(lane not in found for lane in wanted.values()):
            break
        scores |= {run: read_score(tuning.metric, [found[lane]]) for run, lane in wanted.items()}
        if not resolution:
            resolution = metric.resolution(next(iter(found.values())))
    return [
        Trial(proposal, setting, tuple(own))
        for proposal, (setting, _), own in zip(proposals, made, lanes, strict=True)
    ]
