"""What becomes of claims: one rule for every judge, on plain arrays. Imports no JAX.

A comparison is decided by one interval (`decide`). A claim's headline and its parts are held
against 5%; the comparisons beside them share 5% (Bonferroni), or a free grid's its rate of false
findings (Benjamini and Hochberg 1995), with intervals adjusted alike, so that the interval shown
is the one that decides.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from cnnjax.config import words
from cnnjax.study import distributions, statistics
from cnnjax.study.rule import Finding, Relation, Role, Verdict, decide
from cnnjax.study.statistics import ALPHA, FEWEST, Estimate

BOUND = "no number of seeds decides it: more test images are needed"
FEWEST_CLUSTERS = 10  # from which on they stand for others


class Question(NamedTuple):
    """One comparison: what is said of the scores of `a` against those of `b`, paired by seed."""

    a: npt.ArrayLike  # [seeds]; NaN where the run failed
    b: npt.ArrayLike
    relation: Relation
    margin: float  # differences below it do not matter
    threshold: float | None = None  # by more than this, for > and <; then there is no margin
    role: Role = "secondary"
    resolution: float = 0.0  # least difference that such scores can have
    images: npt.ArrayLike | None = None  # [seeds, images] a - b image by image, a mean of which
    clusters: npt.ArrayLike | None = None  # [images] what each image was taken from
    doubt: str = ""  # about what is compared
    counts_failures: bool = False  # whether the scores are shares of runs that failed
    pairs: bool = True  # a run against a run: no slope, lead, average of arms or number
    unpaired: bool = False  # whether the runs share no seeds: then a and b may differ in length


class _Measured(NamedTuple):
    """A question's numbers before its family is known."""

    facts: dict[str, Any]
    seeds: Estimate  # where only seeds vary
    decides: Estimate
    kept: np.ndarray  # differences of the seeds that count
    warnings: list[str]


def judge(
    questions: Sequence[Question], adjustment: Literal["bonferroni", "benjamini-hochberg"],
    alone: float = ALPHA,
) -> list[dict[str, Any]]:  # fmt: skip
    """The answers to the comparisons of one claim, with the keys of verdicts.json.

    `adjustment` is that of the secondary ones, `alone` the level of the others. Raises ValueError
    on scores that are not paired.
    """
    measured = [
        _measure_unpaired(question) if question.unpaired else _measure(question)
        for question in questions
    ]
    secondary = [own for q, own in zip(questions, measured, strict=True) if q.role == "secondary"]
    p_values = [_known(own.facts["p"]) for own in secondary]
    count = max(len(secondary), 1)
    if adjustment == "benjamini-hochberg" and p_values:
        adjusted = iter(statistics.benjamini_hochberg(p_values))
        found = sum(p < ALPHA for p in statistics.benjamini_hochberg(p_values))
        level = ALPHA * max(found, 1) / count
    else:
        adjusted = iter([min(1.0, count * p) for p in p_values])
        level = ALPHA / count
    answers = []
    for question, own in zip(questions, measured, strict=True):
        if question.role == "secondary":
            answers.append(_answer(question, own, level, next(adjusted)))
        else:  # 5% of what is adjusted is the level
            p_adjusted = min(1.0, _known(own.facts["p"]) * ALPHA / alone)
            answers.append(_answer(question, own, alone, p_adjusted))
    return answers


def _known(p: float) -> float:
    return 1.0 if math.isnan(p) else p


def _measure(question: Question) -> _Measured:
    a, b = np.asarray(question.a, np.float64), np.asarray(question.b, np.float64)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(f"need two equally long lists of scores, not {a.shape}, {b.shape}")
    if np.isinf(a).any() or np.isinf(b).any():
        raise ValueError("scores must be finite, or NaN where a run failed")
    sound = np.isfinite(a) & np.isfinite(b)
    left, right = a[sound], b[sound]
    count, total = len(left), len(a)
    largest = float(np.abs([left, right]).max()) if count else 0.0
    d = statistics.drop_rounding(left - right, largest)
    resolution = max(question.resolution, statistics.ROUNDING * largest)
    warnings = [question.doubt] if question.doubt else []
    if count < total:
        warnings.append(f"seeds in which a run failed, left out: {total - count} of {total}")
    seeds = decides = statistics.UNKNOWN
    error = None
    if count < FEWEST or 2 * count < total:
        because = f"{total - count} of {total} failed" if count < total else "3 seeds are needed"
        warnings.append(f"inconclusive: {because}")
    else:
        seeds = decides = statistics.estimate(d, resolution)
        if question.images is not None:
            decides, error, doubts = _cross(question, sound, resolution, seeds)
            warnings += doubts
    null = question.threshold or 0.0
    constant = count < 2 or statistics.is_constant(left) or statistics.is_constant(right)
    spread = d.std(ddof=1) if count > 1 and not statistics.is_constant(d) else 0.0
    p = statistics.sign_test(d - null)[0] if question.counts_failures else decides.p(null)
    facts = {
        "num_seeds": count,
        "mean_a": _mean(left),
        "mean_b": _mean(right),
        "difference": _mean(d),
        "degrees": decides.degrees,
        "p": p if math.isfinite(decides.mean) else math.nan,
        "p_sign_flip": statistics.sign_flip_p(d - null) if count >= 6 else None,
        "effect_size": _mean(d) / float(spread) if spread > 0 else None,
        "wins": float((d > 0).mean() + (d == 0).mean() / 2) if count else math.nan,
        "pair_correlation": None if constant else float(np.corrcoef(left, right)[0, 1]),
        "skewness": distributions.skew(d) if count >= FEWEST and spread > 0 else None,
        "image_error": error,
        "num_failed": [int(np.isnan(side).sum()) for side in (a, b)],
    }
    return _Measured(facts, seeds, decides, d, warnings)


def _measure_unpaired(question: Question) -> _Measured:
    """As `_measure`; num_seeds counts the smaller side, wins all pairs of runs."""
    sides = [np.asarray(side, np.float64) for side in (question.a, question.b)]
    if any(side.ndim != 1 or np.isinf(side).any() for side in sides):
        raise ValueError("need two lists of scores, finite or NaN where a run failed")
    left, right = (side[np.isfinite(side)] for side in sides)
    counts, totals = [len(left), len(right)], [len(side) for side in sides]
    failed = [total - count for total, count in zip(totals, counts, strict=True)]
    largest = float(max(np.abs(side).max(initial=0) for side in (left, right)))
    warnings = []
    if any(failed):
        warnings.append(f"runs that failed, left out: {sum(failed)} of {sum(totals)}")
    found = statistics.UNKNOWN
    if min(counts) < FEWEST or any(
        2 * count < total for count, total in zip(counts, totals, strict=True)
    ):
        because = f"{sum(failed)} of {sum(totals)} failed" if any(failed) else "3 runs are needed"
        warnings.append(f"inconclusive: {because}")
    else:
        resolution = max(question.resolution, statistics.ROUNDING * largest)
        found = statistics.estimate_unpaired(left, right, resolution)
    pairs = statistics.drop_rounding(left[:, None] - right, largest)
    varied = min(counts) > 1 and not (
        statistics.is_constant(left) and statistics.is_constant(right)
    )
    spread = math.sqrt((left.var(ddof=1) + right.var(ddof=1)) / 2) if varied else 0.0
    difference = _mean(left) - _mean(right)
    facts = {
        "num_seeds": min(counts),
        "mean_a": _mean(left),
        "mean_b": _mean(right),
        "difference": difference,
        "degrees": found.degrees,
        "p": found.p(question.threshold or 0.0) if math.isfinite(found.mean) else math.nan,
        "p_sign_flip": None,
        "effect_size": difference / spread if spread > 0 else None,
        "wins": float((pairs > 0).mean() + (pairs == 0).mean() / 2) if pairs.size else math.nan,
        "pair_correlation": None,
        "skewness": None,
        "image_error": None,
        "num_failed": failed,
    }
    return _Measured(facts, found, found, np.empty(0), warnings)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.nan


def _cross(
    question: Question, sound: np.ndarray, resolution: float, seeds: Estimate
) -> tuple[Estimate, float | None, list[str]]:
    """The estimate over seeds and images, the error that images alone leave, and doubts."""
    images = np.asarray(question.images, np.float64)[sound]
    clusters = None if question.clusters is None else np.asarray(question.clusters)
    if clusters is not None and statistics.count_effective(clusters) < FEWEST_CLUSTERS:
        return seeds, None, [f"on these images only: {_describe_clusters(clusters)}"]
    found, error = statistics.estimate_crossed(images, resolution, clusters)
    return found._replace(mean=seeds.mean), error, []


def _describe_clusters(clusters: np.ndarray) -> str:
    count, effective = len(np.unique(clusters)), statistics.count_effective(clusters)
    unlike = f" of unlike sizes, worth {effective:.1f}" if effective < 0.95 * count else ""
    return f"they come from {words.count(count, 'cluster')}{unlike}"


def _answer(question: Question, own: _Measured, level: float, p_adjusted: float) -> dict[str, Any]:
    confidence = 1 - level

    def interval(of: Estimate) -> tuple[float, float]:
        if question.counts_failures and question.pairs and math.isfinite(of.mean):
            return statistics.sign_test(own.kept, confidence)[1]
        return of.interval(confidence)

    ask = (question.relation, question.margin, question.threshold)
    bounds, narrow = interval(own.decides), interval(own.seeds)
    finding, verdict = _decide(question, bounds, p_adjusted, own)
    warnings = list(own.warnings)
    if question.images is not None and verdict == "inconclusive":
        alone = decide(ask[0], *narrow, *ask[1:])[1]
        if alone != "inconclusive":
            count = np.shape(question.images)[1]
            warnings.append(f"on these {words.count(count, 'test image')}: {alone}")
        if _is_bound(question, own):
            warnings.append(BOUND)
    flip = own.facts["p_sign_flip"]
    if flip is not None and not question.counts_failures:
        if (flip < level) != (own.seeds.p(question.threshold or 0.0) < level):
            warnings.append(f"the sign-flip test disagrees: p = {flip:.3g}")
    return {
        **own.facts,
        "interval": list(bounds),
        "interval_seeds": list(narrow),
        "confidence": confidence,
        "p_adjusted": p_adjusted if math.isfinite(own.decides.mean) else math.nan,
        "margin": question.margin,
        "threshold": question.threshold,
        "relation": question.relation,
        "role": question.role,
        "finding": finding,
        "verdict": verdict,
        "differences": own.kept.tolist(),
        "warnings": warnings,
    }


def _is_bound(question: Question, own: _Measured) -> bool:
    """Whether such a difference stays undecided however many seeds run on these images."""
    difference = own.facts["difference"]
    # What is not the seeds'. `image_error` also has what falls with seeds: how these and images
    # interact, which of few seeds is much.
    left = own.decides.variance - own.seeds.variance
    if not math.isfinite(difference) or not left > 0:
        return False
    half = float(distributions.normal_isf(ALPHA / 2)) * math.sqrt(left)
    bounds = difference - half, difference + half
    verdict = decide(question.relation, *bounds, question.margin, question.threshold)[1]
    return verdict == "inconclusive"


def _decide(
    question: Question, bounds: tuple[float, float], p_adjusted: float, own: _Measured
) -> tuple[Finding, Verdict]:
    if not question.counts_failures:
        return decide(question.relation, *bounds, question.margin, question.threshold)
    # Shares of failures are told apart by the exact test alone, and never shown to be equal.
    if math.isnan(own.decides.mean) or p_adjusted >= ALPHA:
        return "open", "inconclusive"
    above = own.facts["difference"] > (question.threshold or 0.0)
    holds = {">": above, "<": not above, "=": False, "!=": True}[question.relation]
    return "ahead" if above else "behind", "supported" if holds else "refuted"
