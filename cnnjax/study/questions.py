"""A comparison as arrays by seed, and by image where its metric is a mean over images."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cnnjax.records.packed import unpack_values
from cnnjax.records.record import Record
from cnnjax.study import metrics, statistics
from cnnjax.study.arms import Weighed, weigh
from cnnjax.study.claims import Comparison
from cnnjax.study.decision import Question
from cnnjax.study.rule import Role
from cnnjax.study.summary import Arm

UNLIKE = "over seeds only: the arms are tested on unlike images"
WHOLE = "over seeds only: a deviation is of whole runs, on these test images"
LACKING = "over seeds only: a run does not say what it answered for each test image"


def ask(pair: Comparison, metric_name: str, role: Role, arms: Mapping[str, Arm]) -> Question:
    """A comparison as arrays by seed, and by image where its metric is a mean over images."""
    overrides = {name: arm.overrides for name, arm in arms.items()}
    configs = {name: arm.config for name, arm in arms.items()}
    sides = [weigh(side, overrides, configs) for side in (pair.a, pair.b)]
    metric = metrics.find(pair.metric or metric_name)
    of_sides = [metrics.find(side.metric) if side.metric else metric for side in sides]
    num_seeds = len(next(iter(arms.values())).records)
    threshold = pair.threshold
    if not sides[1].weights and pair.relation in "<>":  # a number is what a has to pass
        threshold, sides[1] = sides[1].number, Weighed({}, "")
    a, b = (_score(side, own, arms, num_seeds) for side, own in zip(sides, of_sides, strict=True))
    images, clusters, doubt = _by_image(sides, of_sides, arms)
    return Question(
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
        pairs=all([*side.weights.values()] == [1.0] for side in sides),
        doubt=doubt,
    )


def _score(
    side: Weighed, metric: metrics.Metric, arms: Mapping[str, Arm], num_seeds: int
) -> np.ndarray:
    """A side of a comparison as one number a seed [seeds]; NaN where a run of it failed."""
    total = np.full(num_seeds, side.number)
    for name, weight in side.weights.items():
        scores = np.array([metric.read(record) for record in arms[name].records])
        total += weight * (statistics.find_deviations(scores) if side.deviates else scores)
    return total


def _resolution(
    sides: Sequence[Weighed], of_sides: Sequence[metrics.Metric], arms: Mapping[str, Arm]
) -> float:
    """The root of the mean square of the sides' resolutions; numbers have none.

    Of failures, which are 0 or 1 a run: what as wide a rounding of each arm leaves in the contrast.
    """
    if of_sides[0].counts_failures:
        weights = [weight for side in sides for weight in side.weights.values()]
        return math.sqrt(sum(weight * weight for weight in weights) / 2)
    found = []
    for side, metric in zip(sides, of_sides, strict=True):
        sound = [r for name in side.weights for r in arms[name].records if not r.failed]
        if sound:
            found.append(metric.resolution(sound[0]))
    return math.sqrt(sum(r * r for r in found) / len(found)) if found else 0.0


def _by_image(
    sides: Sequence[Weighed], of_sides: Sequence[metrics.Metric], arms: Mapping[str, Arm]
) -> tuple[np.ndarray | None, np.ndarray | None, str]:
    """The contrast [seeds, images] and the clusters [images], where all runs share their images.

    Rows of seeds in which a run failed are NaN. Says so where means over other images are compared.
    """
    if any(side.deviates for side in sides):
        return None, None, WHOLE
    covered = {name: arms[name] for side in sides for name in side.weights}
    tests = {_name_images(record) for arm in covered.values() for record in arm.records}
    if not tests:
        return None, None, ""
    total: Any = 0.0
    for sign, side, metric in zip((1, -1), sides, of_sides, strict=True):
        for name, weight in side.weights.items():
            if metric.images is metrics.no_images:
                return None, None, ""
            rows = [metric.images(record) for record in arms[name].records]
            known = [row for row in rows if row is not None]
            if len(known) < sum(not record.failed for record in arms[name].records):
                return None, None, LACKING
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
