"""From records to verdicts. Reads records only, wherever they were made."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cnnjax import config as config_lib
from cnnjax import metrics, stats, store
from cnnjax import study as study_lib
from cnnjax.config import Config
from cnnjax.data.load import request_of
from cnnjax.store import Record
from cnnjax.study import Claim, Comparison, Lead, Overrides, Score, Side, Slope, Study


class Arm(NamedTuple):
    """One combination of a study's choices, with its runs and their cost."""

    name: str
    overrides: Overrides
    config: Config  # with the settings that tuning chose
    records: tuple[Record, ...]  # one a seed, in order of seed
    mean: float
    interval: tuple[float, float]  # 95%, BCa bootstrap over seeds
    test_error: float | None  # of a share: standard error from the size of the test set alone
    num_diverged: int
    is_control: bool

    @property
    def cost(self) -> dict[str, Any]:
        """Parameters, MACs and sizes: the same for every seed."""
        return self.records[0].cost


class Agreement(NamedTuple):
    """A published score beside the distribution of our runs."""

    arm: str
    published: float
    mean: float
    low: float  # 95% prediction interval for one run
    high: float
    agrees: bool
    source: str


class Judgement(NamedTuple):
    """All that a report needs."""

    study: Study
    config: Config  # the base of every arm
    arms: tuple[Arm, ...]
    verdicts: tuple[dict[str, Any], ...]  # the objects of verdicts.json
    agreements: tuple[Agreement, ...]


def judge(study: Study, base: Config, records: Sequence[Record]) -> Judgement:
    """Summarises the arms and judges the claims.

    Raises ValueError where the arms do not all have the same two or more seeds, or where runs
    of different platforms, libraries or programs would be compared.
    """
    by_arm: dict[str, list[Record]] = {}
    for record in records:
        by_arm.setdefault(store.arm_key(record.config), []).append(record)
    arms = {
        name: _summarise(study, base, name, overrides, by_arm)
        for name, overrides in study_lib.make_arms(study, base).items()
    }
    _check_comparable(study, arms)
    verdicts = [row for claim in study.claims for row in _judge_claim(study, base, claim, arms)]
    return Judgement(
        study, base, tuple(arms.values()), tuple(verdicts), _compare_published(study, arms)
    )


def _check_comparable(study: Study, arms: Mapping[str, Arm]) -> None:
    seeds = {tuple(record.seed for record in arm.records) for arm in arms.values()}
    if len(seeds) != 1:
        raise ValueError(f"study {study.name}: the arms do not have the same seeds")
    origins = {
        (request_of(arm.config), record.provenance["origin"])
        for arm in arms.values()
        for record in arm.records
    }
    programs = {origin.partition(" data ")[0] for _, origin in origins}
    if len(programs) != 1 or len(origins) != len({request for request, _ in origins}):
        found = ", ".join(sorted({origin for _, origin in origins}))
        raise ValueError(f"study {study.name}: runs of different origin: {found}")


def _summarise(
    study: Study, base: Config, name: str, overrides: Overrides,
    by_arm: Mapping[str, list[Record]],
) -> Arm:  # fmt: skip
    config = study_lib.make_arm_config(study, base, name, overrides)
    own = by_arm.get(store.arm_key(config_lib.to_json(config)), [])
    own = sorted(own, key=lambda record: record.seed)
    for one, other in itertools.pairwise(own):
        if one.seed == other.seed:
            raise ValueError(
                f"study {study.name}: arm {name} has seed {one.seed} twice, in records {one.id} and"
                f" {other.id}: judge one of the two"
            )
    if len(own) < 2:
        raise ValueError(f"study {study.name}: {len(own)} records of arm {name}, needs at least 2")
    metric = metrics.METRICS[study.metric]
    scores = np.array([metric.read(record) for record in own])
    mean, size = float(np.mean(scores)), own[0].scores["num_test_examples"]
    finite = scores[np.isfinite(scores)]
    return Arm(
        name=name,
        overrides=overrides,
        config=config,
        records=tuple(own),
        mean=mean,
        interval=stats.bca_interval(finite) if len(finite) > 1 else (math.nan, math.nan),
        test_error=math.sqrt(mean * (1 - mean) / size) if study.metric == "test_accuracy" else None,
        num_diverged=sum(record.scores["diverged"] for record in own),
        is_control=any(control.items() <= overrides.items() for control in study.controls),
    )


def _judge_claim(
    study: Study, base: Config, claim: Claim, arms: Mapping[str, Arm]
) -> list[dict[str, Any]]:
    pairs = [
        tuple(_score_side(study, comparison, side, arms) for side in (comparison.a, comparison.b))
        for comparison in claim.comparisons
    ]
    margins = [
        metrics.METRICS[pair.metric or study.metric].margin if pair.margin is None else pair.margin
        for pair in claim.comparisons
    ]
    paired = [_compare(a, b, margin) for (a, b), margin in zip(pairs, margins, strict=True)]
    adjust = stats.ADJUSTMENTS[study.adjustment]
    p_adjusted = adjust([result.p for result, _ in paired])
    p_equivalence = adjust([result.p_equivalence for result, _ in paired])
    rows = []
    for index, pair in enumerate(claim.comparisons):
        result, missing = paired[index]
        sides = [find_arms(arms, side) for side in (pair.a, pair.b)]
        verdict = stats.judge(
            pair.relation, result.difference, p_adjusted[index], p_equivalence[index]
        )
        limits = stats.find_limits(result.num_seeds, len(paired)) + missing
        rows.append(
            {
                "claim": claim.id,
                "dataset": _describe_datasets(base, sides),
                "metric": pair.metric or study.metric,
                "a": study_lib.name_side(pair.a),
                "b": study_lib.name_side(pair.b),
                **result._asdict(),
                "interval": list(result.interval),
                "interval_crossed": _cross(study, pair, arms),
                "p_adjusted": p_adjusted[index],
                "p_equivalence": p_equivalence[index],
                "adjustment": study.adjustment,
                "margin": margins[index],
                "relation": pair.relation,
                "verdict": verdict,
                "predicted": pair.predicted,
                "warnings": find_confounds(*sides) + limits,
            }
        )
    return rows


def find_arms(arms: Mapping[str, Arm], side: Side) -> list[Arm]:
    """The arms that a side of a comparison rests on."""
    overrides = {name: arm.overrides for name, arm in arms.items()}
    parts = study_lib.sides_of(side)
    return [arms[name] for part in parts for name in study_lib.select(overrides, part)]


def _describe_datasets(base: Config, sides: Sequence[Sequence[Arm]]) -> str:
    names = [arm.config.dataset for arms in sides for arm in arms] or [base.dataset]
    return ", ".join(dict.fromkeys(names))


def _score_side(
    study: Study, comparison: Comparison, side: Side, arms: Mapping[str, Arm]
) -> np.ndarray:
    """A side of a comparison as one number a seed [seeds]."""
    metric = metrics.METRICS[comparison.metric or study.metric]

    def mean(overrides: Overrides, metric: metrics.Metric = metric) -> np.ndarray:
        covered = find_arms(arms, overrides)
        return np.mean([[metric.read(record) for record in arm.records] for arm in covered], axis=0)

    match side:
        case Score(of, name):
            return mean(of, metrics.METRICS[name])
        case Lead(a, b):
            return mean(a) - mean(b)
        case Slope(of, knob):
            levels = sorted({getattr(arm.config, knob) for arm in find_arms(arms, of)})
            scores = np.stack([mean({**of, knob: level}) for level in levels])
            return stats.trend(np.log2(levels), scores)
        case float() | int():
            return np.full(len(next(iter(arms.values())).records), float(side))
    return mean(side)


def _compare(a: np.ndarray, b: np.ndarray, margin: float) -> tuple[stats.Paired, list[str]]:
    """The paired comparison of what is finite, and a warning of what is not."""
    finite = np.isfinite(a) & np.isfinite(b)
    missing = [f"seeds without a finite score, left out: {(~finite).sum()} of {len(a)}"]
    if finite.sum() >= 2:
        result = stats.compare(a[finite], b[finite], margin)
        return result, [] if finite.all() else missing
    nothing = (math.nan, math.nan)
    return (
        stats.Paired(int(finite.sum()), *nothing, math.nan, nothing, 1.0, 1.0, None, 0.5, None),
        missing,
    )


def _cross(study: Study, pair: Comparison, arms: Mapping[str, Arm]) -> list[float] | None:
    """The interval over seeds and test images at once, where a difference of accuracies has one."""
    if (pair.metric or study.metric) != "test_accuracy":
        return None
    sides = [_correctness(pair_side, arms) for pair_side in (pair.a, pair.b)]
    a, b = sides
    if a is None or b is None or a.shape != b.shape:
        return None
    return list(stats.crossed_interval(a, b))


def _correctness(side: Side, arms: Mapping[str, Arm]) -> np.ndarray | None:
    """Which test images each seed got right [seeds, images], averaged over the arms of a side."""

    def mean(overrides: Overrides) -> np.ndarray | None:
        covered = [record for arm in find_arms(arms, overrides) for record in arm.records]
        if any("test_correct" not in record.scores for record in covered):
            return None
        sizes = {record.scores["num_test_examples"] for record in covered}
        if len(sizes) != 1:
            return None
        (size,) = sizes
        rows = [store.unpack_correct(r.scores["test_correct"], size) for r in covered]
        num_seeds = len(find_arms(arms, overrides)[0].records)
        return np.mean(np.reshape(rows, (-1, num_seeds, size)), axis=0)

    if isinstance(side, Lead):
        a, b = mean(side.a), mean(side.b)
        return None if a is None or b is None or a.shape != b.shape else a - b
    return mean(side) if isinstance(side, dict) else None


def _compare_published(study: Study, arms: Mapping[str, Arm]) -> tuple[Agreement, ...]:
    found = []
    for published in study.published:
        (arm,) = find_arms(arms, published.arm)
        scores = [metrics.METRICS[study.metric].read(record) for record in arm.records]
        low, high = stats.prediction_interval(scores)
        agrees = low <= published.value <= high
        found.append(
            Agreement(arm.name, published.value, arm.mean, low, high, agrees, published.source)
        )
    return tuple(found)


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
        if a and b and left != right:
            found.append(f"differ in {words}: {left} against {right}")
    diverged = [sum(arm.num_diverged for arm in side) for side in (a, b)]
    if any(diverged):
        found.append(f"runs that diverged: {diverged[0]} against {diverged[1]}")
    return found


def _describe_cost(values: Sequence[Any]) -> str:
    words = ["x".join(map(str, v)) if isinstance(v, list) else f"{v:,}" for v in values]
    return " / ".join(dict.fromkeys(words))
