"""From records to verdicts. Reads records only, wherever they were made."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cnnjax.config.config import Config, request_of
from cnnjax.config.errors import ConfigError
from cnnjax.records.archive import compare_arms
from cnnjax.records.record import Record
from cnnjax.study import across, decision, metrics, sequential, statistics
from cnnjax.study.across import Across
from cnnjax.study.arms import list_metrics
from cnnjax.study.claims import Claim, Study, cover, name_side
from cnnjax.study.questions import ask
from cnnjax.study.rule import combine
from cnnjax.study.summary import Arm, find_arms, find_confounds, summarise
from cnnjax.study.trials import Searched


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
    lacking: tuple[str, ...] = ()  # in words, what broke off and what is not judged for it
    searched: tuple[Searched, ...] = ()  # what chose the settings of arms


def judge(
    study: Study, base: Config, records: Sequence[Record], mix: Collection[str] = ()
) -> Judgement:
    """Summarises the arms and judges the claims. Runs may be unlike in what `mix` names.

    Raises ValueError where the arms do not all have the same seeds, and ConfigError where runs of
    different platforms, libraries or programs would be compared.
    """
    for name in list_metrics(study):
        metrics.check_given(name, records)
    arms = summarise(study, base, records)
    mixed = _check_comparable(study, arms, mix)
    verdicts = [
        row
        for claim in study.claims
        for own in group_arms(study, arms)
        for row in judge_claim(study, base, claim, own)[0]
    ]
    return Judgement(
        study, base, tuple(arms.values()), tuple(verdicts), _compare_published(study, arms), mixed
    )


def _check_comparable(
    study: Study, arms: Mapping[str, Arm], mix: Collection[str]
) -> tuple[str, ...]:
    """In what the runs differ though they are compared, by `mix`."""
    seeds = {tuple(record.seed for record in arm.records) for arm in arms.values()}
    longest = max(seeds, key=len, default=())
    if any(own != longest[: len(own) if study.looks else None] for own in seeds):
        raise ValueError(f"study {study.name}: the arms do not have the same seeds")
    different, mixed = compare_arms(
        [(request_of(arm.config), arm.records) for arm in arms.values()], mix
    )
    if different:
        raise ConfigError(f"study {study.name}: runs of different origin: {'; '.join(different)}")
    return mixed


def group_arms(study: Study, arms: Mapping[str, Arm]) -> list[Mapping[str, Arm]]:
    """The arms of each data set of a study, within which its claims are judged."""
    if not study.datasets:
        return [arms]
    return [
        {name: arm for name, arm in arms.items() if arm.config.dataset == own}
        for own in study.datasets
    ]


def judge_claim(
    study: Study, base: Config, claim: Claim, arms: Mapping[str, Arm]
) -> tuple[list[dict[str, Any]], int]:
    """The rows of a claim on the arms of one data set, and how many seeds an arm it asks for.

    Of a study with looks they are those of the last look for which there are records: the first
    that decides it. It asks for more seeds than there are where none does.
    """
    if not study.looks:
        own = {name: len(arm.records) for name, arm in arms.items()}
        return _judge_at(study, base, claim, arms, statistics.ALPHA), max(own.values())
    names = _list_arms(claim, arms)
    rows: list[dict[str, Any]] = []
    for place, look in enumerate(study.looks):
        if any(len(arms[name].records) < look.seeds for name in names):
            return rows, look.seeds
        seen = {n: arms[n]._replace(records=arms[n].records[: look.seeds]) for n in names}
        rows = _judge_at(study, base, claim, seen, look.level)
        for row in rows:
            row["looks"] = [own._asdict() for own in study.looks[: place + 1]]
        if sequential.is_over(rows):
            return rows, look.seeds
    return rows, study.looks[-1].seeds


def count_seeds(study: Study, base: Config, records: Sequence[Record]) -> dict[str, int]:
    """How many seeds of each arm a study with looks asks for, given those that there are.

    Every arm needs a record of each seed of the first look.
    """
    arms = summarise(study, base, records)
    found = dict.fromkeys(arms, study.looks[0].seeds)
    for own in group_arms(study, arms):
        for claim in study.claims:
            _, number = judge_claim(study, base, claim, own)
            for name in _list_arms(claim, own):
                found[name] = max(found[name], number)
    return found


def _list_arms(claim: Claim, arms: Mapping[str, Arm]) -> list[str]:
    """The names of the arms on which a claim rests."""
    return cover([claim], {name: arm.overrides for name, arm in arms.items()})


def _judge_at(
    study: Study, base: Config, claim: Claim, arms: Mapping[str, Arm], level: float
) -> list[dict[str, Any]]:
    questions = [
        ask(pair, study.metric, claim.role_of(place), arms)
        for place, pair in enumerate(claim.comparisons)
    ]
    rows = []
    for pair, answer in zip(
        claim.comparisons, decision.judge(questions, study.adjustment, level), strict=True
    ):
        sides = [find_arms(arms, side) for side in (pair.a, pair.b)]
        warnings = find_confounds(*sides) + answer.pop("warnings")
        rows.append(
            {
                "claim": claim.id,
                "about": pair.about,
                "dataset": _describe_datasets(base, sides),
                "metric": pair.metric or study.metric,
                "a": name_side(pair.a),
                "b": name_side(pair.b),
                **answer,
                "adjustment": study.adjustment,
                "predicted": pair.predicted,
                "warnings": warnings,
            }
        )
    return rows


def verdict_of(claim: Claim, rows: Sequence[Mapping[str, Any]]) -> str:
    """The verdict on a claim from its rows of verdicts.json: its headline's, or all its parts'.

    On several data sets each of these is that over all of them.
    """
    own = [found.verdict for found in find_across(claim, rows)]
    if not own:
        return "inconclusive"
    return own[0] if claim.parts == 1 else combine(own)


def find_across(claim: Claim, rows: Sequence[Mapping[str, Any]]) -> list[Across]:
    """What the headline, or each part, of a claim comes to over its data sets.

    The rows are those of one data set after the other, as `judge` gives them.
    """
    heads = [row for row in rows if row["role"] != "secondary"]
    if not heads:
        return []
    return [across.combine(heads[part :: claim.parts]) for part in range(claim.parts)]


def describe_across(claim: Claim, rows: Sequence[Mapping[str, Any]]) -> str:
    """On how many data sets a claim holds, and on which, in words; empty for one data set."""
    heads = sum(row["role"] != "secondary" for row in rows)
    if not claim.parts or heads <= claim.parts:
        return ""
    count = heads // claim.parts
    found = find_across(claim, rows)
    every = [own.holds for own in found]
    holds = tuple(name for name in every[0] if all(name in own for own in every))
    return across.describe(found[0]._replace(holds=holds), count)


def _describe_datasets(base: Config, sides: Sequence[Sequence[Arm]]) -> str:
    names = [arm.config.dataset for arms in sides for arm in arms] or [base.dataset]
    return ", ".join(dict.fromkeys(names))


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
