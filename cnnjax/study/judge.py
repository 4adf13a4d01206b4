"""From records to verdicts. Reads records only, wherever they were made."""

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cnnjax.config.config import Config, request_of, to_json
from cnnjax.measures.packing import unpack_values
from cnnjax.records import archive, store
from cnnjax.records.store import Record
from cnnjax.study import claims, decision, metrics, statistics
from cnnjax.study.claims import Claim, Comparison, Overrides, Side, Study, Weighed


class Arm(NamedTuple):
    """One combination of a study's choices, with its runs and their cost."""

    name: str
    overrides: Overrides
    config: Config  # with the settings that tuning chose
    records: tuple[Record, ...]  # one a seed, in order of seed
    mean: float  # of the runs that did not fail; NaN where all did
    interval: tuple[float, float]  # 95%, Student's t over seeds
    test_error: float | None  # of a share: standard error from the size of the test set alone
    num_failed: int
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
    mixed: tuple[str, ...] = ()  # in what the runs differ though they are compared


def judge(
    study: Study, base: Config, records: Sequence[Record], mix: Collection[str] = ()
) -> Judgement:
    """Summarises the arms and judges the claims. Runs may be unlike in what `mix` names.

    Raises ValueError where the arms do not all have the same seeds, or where runs of different
    platforms, libraries or programs would be compared.
    """
    by_arm: dict[str, list[Record]] = {}
    for record in records:
        by_arm.setdefault(store.arm_key(record.config), []).append(record)
    arms = {
        name: _summarise(study, base, name, overrides, by_arm)
        for name, overrides in claims.make_arms(study, base).items()
    }
    mixed = _check_comparable(study, arms, mix)
    verdicts = [row for claim in study.claims for row in _judge_claim(study, base, claim, arms)]
    return Judgement(
        study, base, tuple(arms.values()), tuple(verdicts), _compare_published(study, arms), mixed
    )


def _check_comparable(
    study: Study, arms: Mapping[str, Arm], mix: Collection[str]
) -> tuple[str, ...]:
    """In what the runs differ though they are compared, by `mix`."""
    seeds = {tuple(record.seed for record in arm.records) for arm in arms.values()}
    if len(seeds) != 1:
        raise ValueError(f"study {study.name}: the arms do not have the same seeds")
    different, mixed = archive.compare_arms(
        [(request_of(arm.config), arm.records) for arm in arms.values()], mix
    )
    if different:
        raise ValueError(f"study {study.name}: runs of different origin: {'; '.join(different)}")
    return mixed


def _summarise(
    study: Study, base: Config, name: str, overrides: Overrides,
    by_arm: Mapping[str, Sequence[Record]],
) -> Arm:  # fmt: skip
    config = claims.make_arm_config(study, base, name, overrides)
    own = by_arm.get(store.arm_key(to_json(config)), ())
    own = sorted(own, key=lambda record: record.seed)
    for one, other in itertools.pairwise(own):
        if one.seed == other.seed:
            raise ValueError(
                f"study {study.name}: arm {name} has seed {one.seed} twice, in records {one.id} and"
                f" {other.id}: judge one of the two"
            )
    if not own:
        raise ValueError(f"study {study.name}: no records of arm {name}")
    scores = np.array([metrics.find(study.metric).read(record) for record in own])
    sound = scores[np.isfinite(scores)]
    mean, size = float(sound.mean()) if len(sound) else math.nan, own[0].scores["num_test_examples"]
    return Arm(
        name=name,
        overrides=overrides,
        config=config,
        records=tuple(own),
        mean=mean,
        interval=statistics.mean_interval(sound),
        test_error=math.sqrt(mean * (1 - mean) / size) if study.metric == "test_accuracy" else None,
        num_failed=sum(map(metrics.has_failed, own)),
        is_control=any(control.items() <= overrides.items() for control in study.controls),
    )


def _judge_claim(
    study: Study, base: Config, claim: Claim, arms: Mapping[str, Arm]
) -> list[dict[str, Any]]:
    questions = [
        _ask(study, pair, claim.role_of(place), arms)
        for place, pair in enumerate(claim.comparisons)
    ]
    rows = []
    for pair, answer in zip(
        claim.comparisons, decision.judge(questions, study.adjustment), strict=True
    ):
        sides = [find_arms(arms, side) for side in (pair.a, pair.b)]
        warnings = find_confounds(*sides) + answer.pop("warnings")
        rows.append(
            {
                "claim": claim.id,
                "about": pair.about,
                "dataset": _describe_datasets(base, sides),
                "metric": pair.metric or study.metric,
                "a": claims.name_side(pair.a),
                "b": claims.name_side(pair.b),
                **answer,
                "adjustment": study.adjustment,
                "predicted": pair.predicted,
                "warnings": warnings,
            }
        )
    return rows


def verdict_of(claim: Claim, rows: Sequence[Mapping[str, Any]]) -> str:
    """The verdict on a claim from its rows of verdicts.json: its headline's, or all its parts'."""
    own = [row["verdict"] for row in rows if row["role"] != "secondary"]
    if not own:
        return "inconclusive"
    return own[0] if claim.parts == 1 else decision.combine(own)


def find_arms(arms: Mapping[str, Arm], side: Side) -> list[Arm]:
    """The arms that a side of a comparison rests on."""
    overrides = {name: arm.overrides for name, arm in arms.items()}
    parts = claims.sides_of(side)
    return [arms[name] for part in parts for name in claims.select(overrides, part)]


def _describe_datasets(base: Config, sides: Sequence[Sequence[Arm]]) -> str:
    names = [arm.config.dataset for arms in sides for arm in arms] or [base.dataset]
    return ", ".join(dict.fromkeys(names))


def _ask(
    study: Study, pair: Comparison, role: decision.Role, arms: Mapping[str, Arm]
) -> decision.Question:
    """A comparison as arrays by seed, and by image where its metric is a mean over images."""
    overrides = {name: arm.overrides for name, arm in arms.items()}
    configs = {name: arm.config for name, arm in arms.items()}
    sides = [claims.weigh(side, overrides, configs) for side in (pair.a, pair.b)]
    metric = metrics.find(pair.metric or study.metric)
    of_sides = [metrics.find(side.metric) if side.metric else metric for side in sides]
    num_seeds = len(next(iter(arms.values())).records)
    threshold = pair.threshold
    if not sides[1].weights and pair.relation in "<>":  # a number is what a has to pass
        threshold, sides[1] = sides[1].number, Weighed({}, "")
    a, b = (_score(side, own, arms, num_seeds) for side, own in zip(sides, of_sides, strict=True))
    images, clusters, doubt = _by_image(sides, of_sides, arms)
    return decision.Question(
        a=a,
        b=b,
        relation=pair.relation,
        margin=metric.margin if pair.margin is None else pair.margin,
        threshold=threshold,
        role=role,
        resolution=_resolution(sides, of_sides, arms),
        images=images,
        clusters=clusters,
        counts_failures=metric.counts_failures,
        doubt=doubt,
    )


def _score(
    side: Weighed, metric: metrics.Metric, arms: Mapping[str, Arm], num_seeds: int
) -> np.ndarray:
    """A side of a comparison as one number a seed [seeds]; NaN where a run of it failed."""
    total = np.full(num_seeds, side.number)
    for name, weight in side.weights.items():
        total += weight * np.array([metric.read(record) for record in arms[name].records])
    return total


def _resolution(
    sides: Sequence[Weighed], of_sides: Sequence[metrics.Metric], arms: Mapping[str, Arm]
) -> float:
    """The root of the mean square of the sides' resolutions; numbers have none."""
    found = []
    for side, metric in zip(sides, of_sides, strict=True):
        sound = [
            r for name in side.weights for r in arms[name].records if not metrics.has_failed(r)
        ]
        if sound:
            found.append(metric.resolution(sound[0]))
    return math.sqrt(sum(r * r for r in found) / len(found)) if found else 0.0


def _by_image(
    sides: Sequence[Weighed], of_sides: Sequence[metrics.Metric], arms: Mapping[str, Arm]
) -> tuple[np.ndarray | None, np.ndarray | None, str]:
    """The contrast [seeds, images] and the clusters [images], where all runs share their images.

    Rows of seeds in which a run failed are NaN. Says so where means over other images are compared.
    """
    covered = {name: arms[name] for side in sides for name in side.weights}
    tests = {_name_images(record) for arm in covered.values() for record in arm.records}
    if not tests:
        return None, None, ""
    total: Any = 0.0
    for sign, side, metric in zip((1, -1), sides, of_sides, strict=True):
        for name, weight in side.weights.items():
            rows = [metric.images(record) for record in arms[name].records]
            known = [row for row in rows if row is not None]
            if not known:
                return None, None, ""
            if len(tests) > 1:
                return None, None, UNLIKE
            missing = np.full_like(known[0], np.nan)
            stacked = np.stack([missing if row is None else row for row in rows])
            total = total + sign * weight * stacked
        total = total - sign * side.number
    counted = np.isfinite(total).any(axis=0)
    records = [record for arm in covered.values() for record in arm.records]
    kept: dict[str, str] = next((own for r in records if (own := r.scores.get("by_image"))), {})
    clusters = unpack_values(kept["cluster"])[counted] if "cluster" in kept else None
    return total[:, counted], clusters, ""


def _name_images(record: Record) -> str:
    """What tells the test images of one run from those of another, older ones by all their data."""
    known = record.provenance
    return str(known.get("test_fingerprint") or known.get("data_fingerprint"))


def _compare_published(study: Study, arms: Mapping[str, Arm]) -> tuple[Agreement, ...]:
    found = []
    for published in study.published:
        (arm,) = find_arms(arms, published.arm)
        scores = np.array([metrics.find(study.metric).read(record) for record in arm.records])
        scores = scores[np.isfinite(scores)]
        if len(scores) < statistics.FEWEST:
            continue
        low, high = statistics.prediction_interval(scores)
        agrees = low <= published.value <= high
        found.append(
            Agreement(arm.name, published.value, arm.mean, low, high, agrees, published.source)
        )
    return tuple(found)


UNLIKE = "over seeds only: the arms are tested on unlike images"
COSTS = {
    "parameters": "parameters",
    "macs": "MACs",
    "receptive_field": "receptive field",
    "map_shape": "last map",
}


def find_confounds(a: Sequence[Arm], b: Sequence[Arm]) -> list[str]:
    """What differs between two sides besides the choice."""
    found = []
    for key, words in COSTS.items():
        left, right = (_describe_cost([arm.cost[key] for arm in side]) for side in (a, b))
        if a and b and left != right:
            found.append(f"differ in {words}: {left} against {right}")
    return found


def _describe_cost(values: Sequence[Any]) -> str:
    words = [
        "x".join(map(str, v)) if isinstance(v, list) else "whole image" if v is None else f"{v:,}"
        for v in values
    ]
    return " / ".join(dict.fromkeys(words))
