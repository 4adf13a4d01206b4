"""The setting that each arm of a study takes, chosen on the validation split alone."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cnnjax.config.config import Config, with_seed
from cnnjax.config.knobs import RunError, format_value
from cnnjax.records.packed import unpack_values
from cnnjax.records.record import Record
from cnnjax.study import metrics
from cnnjax.study.arms import list_settings, make_trial
from cnnjax.study.claims import VALIDATION, Overrides, Study, name_arms


class Trial(NamedTuple):
    """One setting of an arm, over the seeds of the tuning."""

    setting: Mapping[str, Any]
    score: float  # mean over the seeds
    loss: float  # cross-entropy on the validation split, mean over the seeds
    correct: np.ndarray  # [validation images] share of the seeds that are right
    from_middle: float  # distance from the middle of the grid, in steps of it


def choose_settings(
    study: Study, base: Config, records: Mapping[Config, Record]
) -> tuple[Study, list[str]]:
    """The study with each arm's setting, and what a reader should know of the choice.

    Among the settings whose deficit to the best, paired by validation image, is within one
    standard error of that deficit, the one of least cross-entropy, and of equals the one nearest
    the middle of the grid. By a metric that is no accuracy of single images the highest is taken.
    A setting with a seed that failed is out. `records` are those of
    `arms.make_tuning_lanes`.
    """
    if study.tuning is None or not study.tuning.seeds:  # without seeds it was tuned before
        return study, []
    settings, notes = {}, []
    for name, overrides in name_arms(study).items():
        tried = list_settings(study, overrides)
        found = [_try(study, base, overrides, setting, records) for setting in tried]
        trials = [trial for trial in found if trial is not None]
        if not trials:
            notes.append(f"{name}: a seed failed in every setting of the tuning; none is chosen")
            continue
        chosen = _choose(trials, by_image=study.tuning.metric == VALIDATION)
        settings[name] = chosen.setting
        notes += [f"{name}: {words}" for words in _find_edges(study.tuning.grid, chosen.setting)]
    return study._replace(settings=settings), notes


def _try(
    study: Study, base: Config, overrides: Overrides, setting: Overrides,
    records: Mapping[Config, Record],
) -> Trial | None:  # fmt: skip
    """A setting's results; None where one of its seeds failed."""
    assert study.tuning is not None
    config = make_trial(study, base, {**overrides, **setting})
    own = [records[with_seed(config, seed)] for seed in study.tuning.seeds]
    if any(record.failed for record in own):
        return None
    read = metrics.find(study.tuning.metric).read
    kept = [_read_correct(record) for record in own]
    return Trial(
        setting,
        float(np.mean([read(record) for record in own])),
        mean_loss(own),
        np.mean(kept, axis=0),
        _measure_distance(study.tuning.grid, setting),
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
        f"tuning chose {knob}={format_value(value)}, at the edge of its grid"
        for knob, value in setting.items()
        if len(grid[knob]) > 2
        and isinstance(value, int | float)
        and value in (min(grid[knob]), max(grid[knob]))
    ]
