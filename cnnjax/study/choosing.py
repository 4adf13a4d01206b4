"""The best arm of a study by the validation split, and its comparison on what chose nothing.

Two studies come of one: the arms side by side on validation images, and then the best of them
beside the baseline, on fresh seeds and by the study's own metric. Imports no JAX.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cnnjax.config.config import Config, with_seed
from cnnjax.records.record import Record
from cnnjax.study import metrics, tuning
from cnnjax.study.arms import make_configs
from cnnjax.study.claims import (
    Choosing,
    Claim,
    Comparison,
    Study,
    is_better_high,
    name_arm,
    name_arms,
)  # fmt: skip


class Scores(NamedTuple):
    """What an arm scored on the validation split, in the mean over the seeds that choose."""

    score: float  # NaN where a seed failed
    loss: float


def on_validation(study: Study) -> Study:
    """The arms side by side on the split that chooses, as a study of its own."""
    choosing = _choosing_of(study)
    return study._replace(
        name=f"{study.name}-validation", metric=choosing.metric, choosing=None,
        question=f"{study.question} (on the validation split)",
    )  # fmt: skip


def list_stages(study: Study) -> tuple[Study, ...]:
    """What is judged of a study: itself, or where it chooses, the choice and then its outcome.

    Of the outcome it is not yet known which arm stands in it.
    """
    if study.choosing is None:
        return (study,)
    arms = name_arms(study)
    other = next(name for name in arms if name != name_arm(study.choosing.baseline))
    return on_validation(study), study._replace(claims=(_claim(study, other, "", ""),))


def compare_best(
    study: Study, base: Config, records: Mapping[Config, Record], seeds: range
) -> tuple[Study | None, str]:
    """The best arm and the baseline as a study to be run on fresh seeds, and the choice in words.

    The best is the arm other than the baseline of the greatest mean score, of equals that of least
    cross-entropy; an arm with a seed that failed is out. None where all are. `records` are of every
    arm with each of `seeds`.
    """
    choosing, arms = _choosing_of(study), name_arms(study)
    configs, baseline = make_configs(study, base), name_arm(_choosing_of(study).baseline)
    found = {
        name: _score([records[with_seed(config, seed)] for seed in seeds], choosing.metric)
        for name, config in configs.items()
    }
    sound = [name for name in arms if name != baseline and math.isfinite(found[name].score)]
    label = metrics.find(choosing.metric).label
    where = f"over seeds {seeds[0]} to {seeds[-1]}"
    if not sound:
        return None, f"{where} a run of every arm but the baseline failed: none is chosen"
    best = max(sound, key=lambda name: (found[name].score, -found[name].loss))
    ahead = found[baseline].score > found[best].score
    field = f"the other {len(arms) - 1}" if ahead else str(len(arms))
    rank = "the other arm" if ahead and len(arms) == 2 else f"the best of {field} arms by {label}"
    fresh = f"seeds {seeds.stop} to {seeds.stop + len(seeds) - 1}"
    chosen = study._replace(
        question=f"Is {best} better than {baseline}, on seeds that did not choose it?",
        arms=(arms[baseline], arms[best]),
        claims=(_claim(study, best, rank, f"{where}; compared on {fresh}"),),
        controls=(), published=(), choosing=None,
    )  # fmt: skip
    said = f"{best} is {rank} {where}{'; the baseline did better' if ahead else ''}"
    return chosen, f"{said}; it is compared with {baseline} on {fresh}"


def _claim(study: Study, best: str, rank: str, where: str) -> Claim:
    """What is tried on fresh seeds: that the best is ahead, or where less may be better, unlike."""
    arms, baseline = name_arms(study), _choosing_of(study).baseline
    is_ahead = is_better_high(study.metric)
    words = f"is ahead of {name_arm(baseline)}" if is_ahead else f"and {name_arm(baseline)} differ"
    comparison = Comparison(
        arms[best], baseline, ">" if is_ahead else "!=", "none",
        about="chosen on validation, compared on fresh seeds",
    )  # fmt: skip
    return Claim(
        "chosen",
        f"{best}, {rank}, {words}.",
        (comparison,),
        tried_as=f"It was chosen on the validation split {where}, which chose nothing.",
    )


def _score(records: Sequence[Record], metric: str) -> Scores:
    if any(record.failed for record in records):
        return Scores(math.nan, math.nan)
    read = metrics.find(metric).read
    return Scores(
        float(np.mean([read(record) for record in records])),
        tuning.mean_loss(records),
    )


def _choosing_of(study: Study) -> Choosing:
    assert study.choosing is not None
    return study.choosing
