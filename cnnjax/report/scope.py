"""What verdicts hold for: the images that trained, those that tested, and the runs that failed."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cnnjax.config import words
from cnnjax.study import metrics
from cnnjax.study.judge import Agreement, Judgement
from cnnjax.study.summary import Arm

NAMED = 20  # classes of a data set at most
LARGE_SHARE = 0.2  # of a pool: two draws then share so much that they say little of new images


def list_images(judgement: Judgement) -> list[str]:
    """One line a data set: how many images train and test."""
    lines = []
    for name, arms in group_by_dataset(judgement).items():
        records = [record for arm in arms for record in arm.records]
        trained = _unlike(record.scores.get("num_train_examples") for record in records)
        tested = _unlike(record.scores["num_test_examples"] for record in records)
        training = f"{trained} training {_images(trained)}, " if trained else ""
        lines.append(f"{name}: {training}{tested} test {_images(tested)}")
    return lines


def describe_seeds(arms: Sequence[Arm]) -> str:
    """How many seeds each arm has, and which if they are not the first: '10 seeds (20 to 29)'."""
    seeds = max(([record.seed for record in arm.records] for arm in arms), key=len)
    fewest = min(len(arm.records) for arm in arms)
    least = f"{fewest} to " if fewest < len(seeds) else ""
    named = f" ({seeds[0]} to {seeds[-1]})" if seeds[0] else ""
    return least + words.count(len(seeds), "seed") + named


def list_seeds(judgement: Judgement) -> list[int]:
    """The seeds that a study asks for: of one with looks up to the last, whichever decided."""
    seeds = [record.seed for record in judgement.arms[0].records]
    looks = judgement.study.looks
    return [*range(seeds[0], seeds[0] + looks[-1].seeds)] if looks else seeds


def describe_looks(row: dict[str, Any], judgement: Judgement) -> str:
    """At which look a headline stands, and at what level; empty where it is looked at once."""
    looks = row.get("looks")
    if not looks or row["role"] == "secondary":
        return ""
    seen, last = looks[-1], judgement.study.looks[-1]
    open_yet = row["verdict"] == "inconclusive" and seen["seeds"] < last.seeds
    return (
        f"Look {len(looks)} of {len(judgement.study.looks)}, at {seen['seeds']} seeds and level"
        f" {seen['level']:g}{': the images bound it' if open_yet else ''}. The mean at which one"
        " stops leans away from 0."
    )


def group_by_dataset(judgement: Judgement) -> dict[str, list[Arm]]:
    """The arms of each data set, in order of appearance."""
    found: dict[str, list[Arm]] = {}
    for arm in judgement.arms:
        found.setdefault(arm.config.dataset, []).append(arm)
    return found


def _unlike(counts: Iterable[int | None]) -> str:
    return " or ".join(f"{count:,}" for count in dict.fromkeys(counts) if count)


def _images(counts: str) -> str:
    return "image" if counts == "1" else "images"


def describe_draws(arms: Sequence[Arm]) -> str:
    """Which images the seeds of arms on one data set train on; empty where records do not say."""
    scores = [record.scores for arm in arms for record in arm.records]
    shares = [share for own in scores if (share := _share_of_pool(own))]
    if not shares or len(shares) < len(scores):
        return ""
    pools = _unlike(own["num_pool_examples"] for own in scores)
    if not any(own.get("drawn_by_seed") for own in scores):
        return "All seeds train on the same images: other training images may give other verdicts."
    share = f"up to {max(shares):.0%}" if min(shares) < max(shares) else f"{max(shares):.0%}"
    return f"Each seed trains on a draw of its own: {share} of a pool of {pools} images."


def _share_of_pool(scores: Mapping[str, Any]) -> float:
    """How much of what there was to draw from trained; 0 where a record does not say."""
    pool = scores.get("num_pool_examples")
    return (scores.get("num_train_examples") or 0) / pool if pool else 0.0


def describe_scope(row: dict[str, Any], judgement: Judgement) -> str:
    """What a row of verdicts.json holds for, where that is less than any images of the kind.

    Such as 'for draws from this pool of 600 images'.
    """
    own = [arm for arm in judgement.arms if arm.config.dataset in row["dataset"].split(", ")]
    scores = [record.scores for arm in own for record in arm.records]
    large = [
        one for one in scores if one.get("drawn_by_seed") and _share_of_pool(one) > LARGE_SHARE
    ]
    if large:
        pools = _unlike(one["num_pool_examples"] for one in large)
        return f"for draws from this pool of {pools} images"
    if scores and all(one.get("drawn_by_seed") is False for one in scores):
        return "for these training images"
    return ""


def name_dataset(row: Mapping[str, Any], several: object) -> str:
    """What stands before a comparison where a study has `several` data sets: 'digits: '."""
    return f"{row['dataset']}: " if several else ""


def describe_collapse(arm: Arm) -> str:
    """A flag for an arm of which runs failed: 'all 20 runs failed (diverged)'; empty if none did.

    In brackets stands why, and of how many where not of all alike.
    """
    count, failed = len(arm.records), [own for own in arm.records if own.failed]
    if not failed:
        return ""
    wild = [own for own in failed if own.scores.get("diverged_at") or own.scores.get("diverged")]
    numbers = {
        "diverged": len(wild),
        "no better than a constant prediction": len(failed) - len(wild),
    }
    alike = len(failed) in numbers.values()
    why = [name if alike else f"{number} {name}" for name, number in numbers.items() if number]
    said = f"{len(failed)} of {count} runs failed"
    if len(failed) == count:
        said = f"all {count} runs failed" if count > 1 else "its run failed"
    return f"{said} ({', '.join(why)})"


def list_silent(judgement: Judgement) -> list[str]:
    """A line on each metric by which is compared and of which no run that did not fail has any."""
    sound = [own for arm in judgement.arms for own in arm.records if not own.failed]
    asked = [judgement.study.metric, *(row["metric"] for row in judgement.verdicts)]
    return [
        f"{name}: no run has it, so nothing is compared by it"
        for name in dict.fromkeys(asked)
        if sound and not any(math.isfinite(metrics.find(name).read(own)) for own in sound)
    ]


def list_classes(names: Sequence[str]) -> str:
    """The names of a data set's classes, the first ones where there are many."""
    return words.list_first(names, NAMED)


def order_arms(arms: Sequence[Arm]) -> list[Arm]:
    """Arms that collapsed, with half of their runs failed or more, before all others."""
    return sorted(arms, key=lambda arm: 2 * arm.num_failed < len(arm.records))


def describe_agreement(row: Agreement) -> str:
    """One sentence on a published figure."""
    lies = "lies in" if row.agrees else "lies outside"
    return (
        f"{row.arm}: published {100 * row.published:.0f}% {lies} the 95% prediction interval for"
        f" one run, {100 * row.low:.1f} to {100 * row.high:.1f}% (mean {100 * row.mean:.1f}%)."
    )
