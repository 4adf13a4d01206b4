"""From records to verdicts. Reads records only, wherever they were made."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from cnnjax import config as config_lib
from cnnjax import stats
from cnnjax.config import Config
from cnnjax.store import Record
from cnnjax.study import Claim, Overrides, Study, make_arms, name_arm, select


class Arm(NamedTuple):
    """One combination of a study's choices, with its runs and their cost."""

    name: str
    overrides: Overrides
    records: tuple[Record, ...]  # one a seed, in order of seed
    mean: float
    interval: tuple[float, float]  # 95%, BCa bootstrap over seeds
    test_error: float  # standard error of the mean accuracy from the size of the test set alone
    num_diverged: int

    @property
    def cost(self) -> dict[str, Any]:
        """Parameters, MACs and sizes: the same for every seed."""
        return self.records[0].cost


class Judgement(NamedTuple):
    """All that a report needs."""

    study: Study
    config: Config  # the base of every arm
    arms: tuple[Arm, ...]
    verdicts: tuple[dict[str, Any], ...]  # the objects of verdicts.json


def judge(study: Study, base: Config, records: Sequence[Record]) -> Judgement:
    """Summarises the arms and judges the claims.

    Raises ValueError where the arms do not all have the same two or more seeds, or where runs
    of different platforms, libraries or programs would be compared.
    """
    overrides = make_arms(study, base)
    arms = {name: _summarise(study, base, name, arm, records) for name, arm in overrides.items()}
    seeds = {tuple(record.config.seed for record in arm.records) for arm in arms.values()}
    if len(seeds) != 1:
        raise ValueError(f"study {study.name}: the arms do not have the same seeds")
    origins = {record.provenance["origin"] for arm in arms.values() for record in arm.records}
    if len(origins) != 1:
        raise ValueError(
            f"study {study.name}: runs of different origin: {', '.join(sorted(origins))}"
        )
    verdicts = [row for claim in study.claims for row in _judge_claim(study, base, claim, arms)]
    return Judgement(study, base, tuple(arms.values()), tuple(verdicts))


def _summarise(
    study: Study, base: Config, name: str, overrides: Overrides, records: Sequence[Record]
) -> Arm:
    wanted = config_lib.override(base, overrides)
    own = sorted(
        (record for record in records if replace(record.config, seed=wanted.seed) == wanted),
        key=lambda record: record.config.seed,
    )
    if len(own) < 2:
        raise ValueError(f"study {study.name}: {len(own)} records of arm {name}, needs at least 2")
    scores = [record.scores[study.metric] for record in own]
    mean, size = float(np.mean(scores)), own[0].scores["num_test_examples"]
    return Arm(
        name=name,
        overrides=overrides,
        records=tuple(own),
        mean=mean,
        interval=stats.bca_interval(scores),
        test_error=math.sqrt(mean * (1 - mean) / size),
        num_diverged=sum(record.scores["diverged"] for record in own),
    )


def _judge_claim(
    study: Study, base: Config, claim: Claim, arms: Mapping[str, Arm]
) -> list[dict[str, Any]]:
    overrides = {name: arm.overrides for name, arm in arms.items()}
    sides = [
        tuple([arms[name] for name in select(overrides, side)] for side in (pair.a, pair.b))
        for pair in claim.comparisons
    ]
    paired = [stats.compare(_scores(study, a), _scores(study, b), study.margin) for a, b in sides]
    adjust = stats.ADJUSTMENTS[study.adjustment]
    p_adjusted = adjust([result.p for result in paired])
    p_equivalence = adjust([result.p_equivalence for result in paired])
    return [
        {
            "claim": claim.id,
            "dataset": base.dataset,
            "metric": study.metric,
            "a": name_arm(pair.a),
            "b": name_arm(pair.b),
            **result._asdict(),
            "interval": list(result.interval),
            "p_adjusted": p,
            "p_equivalence": p_same,
            "adjustment": study.adjustment,
            "margin": study.margin,
            "relation": pair.relation,
            "verdict": stats.judge(pair.relation, result.difference, p, p_same),
            "predicted": pair.predicted,
            "warnings": find_confounds(a, b) + _find_limits(result, len(paired)),
        }
        for pair, (a, b), result, p, p_same in zip(
            claim.comparisons, sides, paired, p_adjusted, p_equivalence, strict=True
        )
    ]


def _scores(study: Study, arms: Sequence[Arm]) -> np.ndarray:
    """The metric by seed, averaged over the arms of a side."""
    return np.mean([[r.scores[study.metric] for r in arm.records] for arm in arms], axis=0)


COSTS = {
    "parameters": "parameters",
    "macs": "MACs",
    "receptive_field": "receptive field",
    "map_shape": "last map",
}


def find_confounds(a: Sequence[Arm], b: Sequence[Arm]) -> list[str]:
    """What differs between two sides besides the choice, and the runs of either that diverged."""
    found = []
    for key, words in COSTS.items():
        left, right = (_describe_cost([arm.cost[key] for arm in side]) for side in (a, b))
        if left != right:
            found.append(f"differ in {words}: {left} against {right}")
    diverged = [sum(arm.num_diverged for arm in side) for side in (a, b)]
    if any(diverged):
        found.append(f"runs that diverged: {diverged[0]} against {diverged[1]}")
    return found


def _describe_cost(values: Sequence[Any]) -> str:
    words = ["x".join(map(str, v)) if isinstance(v, list) else f"{v:,}" for v in values]
    return " / ".join(dict.fromkeys(words))


def _find_limits(result: stats.Paired, comparisons: int) -> list[str]:
    least = stats.smallest_p(result.num_seeds) * comparisons
    if least < stats.ALPHA:
        return []
    return [f"{result.num_seeds} seeds can reach an adjusted p of {min(least, 1):.3g} at best"]
