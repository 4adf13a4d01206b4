"""What can be judged of a study of which runs broke off: itself, without what rests on them.

A run that broke off is unlike one that failed: nothing is known of it. An arm that lacks one is
left out, and so is every comparison that rests on it, a mean over several arms too. A claim stays
where its headline, or every part of it, does. Of several data sets those are left out on which a
run broke off. Imports no JAX.
"""

from collections.abc import Collection, Iterable
from typing import Any

from cnnjax.config.config import Config, with_seed, with_stop
from cnnjax.study import choosing
from cnnjax.study.arms import list_settings, make_configs, make_trial
from cnnjax.study.claims import (
    Claim,
    Comparison,
    Overrides,
    Study,
    name_arm,
    name_arms,
    select,
    sides_of,
)  # fmt: skip
from cnnjax.study.methods import find_method, find_search
from cnnjax.study.spread import KNOB


def leave_out(study: Study, base: Config, lanes: Iterable[Config], fresh: range) -> Study | None:
    """The study without what rests on these lanes; None where nothing is left to be judged.

    Where the lanes on `fresh` seeds broke off, or all of the baseline that the best arm was to be
    compared with, what is left of a choice is the arms side by side on the split that chooses.
    """
    lanes = list(lanes)
    own = [lane for lane in lanes if study.choosing is None or lane.seed not in fresh]
    broken = find_arms(study, base, own)
    if study.choosing and (len(own) < len(lanes) or name_arm(study.choosing.baseline) in broken):
        study = choosing.on_validation(study)
    return leave_out_arms(study, broken)


def leave_out_arms(study: Study, broken: Collection[str]) -> Study | None:
    """The study without arms of these names, and what rests on them; None where nothing is left."""
    arms = name_arms(study)
    if study.datasets:
        return _leave_out_sets(study, {str(arms[name][KNOB]) for name in broken})
    return _leave_out_arms(study, broken)


def leave_out_lacking(study: Study, lacking: Collection[str]) -> Study:
    """The study without arms for which no setting was found; no claims where none is left.

    Of several data sets an arm on which no verdict rests, such as a runner-up, is left out on all
    of them, where it lacks on one.
    """
    arms = name_arms(study)
    everywhere = [_leave_out_set(arms[name]) for name in lacking]
    alike = [name for name, arm in arms.items() if _leave_out_set(arm) in everywhere]
    left = _leave_out_arms(study, alike)
    if left is None or len(left.claims) < len(study.claims):
        left = leave_out_arms(study, lacking)
    rest = tuple(arm for name, arm in arms.items() if name not in lacking)
    return left or study._replace(arms=rest, claims=())


def _leave_out_set(arm: Overrides) -> dict[str, Any]:
    return {name: value for name, value in arm.items() if name != KNOB}


def _leave_out_arms(study: Study, broken: Collection[str]) -> Study | None:
    arms = name_arms(study)
    claims = [_cut(claim, study, broken) for claim in study.claims]
    kept = tuple(claim for claim in claims if claim is not None)
    if set(broken) >= set(arms) or study.claims and not kept:
        return None
    return study._replace(
        arms=tuple(arm for name, arm in arms.items() if name not in broken),
        claims=kept,
        published=tuple(
            own for own in study.published if not {*broken} & {*select(arms, own.arm)}
        ),
    )  # fmt: skip


def _leave_out_sets(study: Study, names: Collection[str]) -> Study | None:
    """The study on its other data sets."""
    left = tuple(name for name in study.datasets if name not in names)
    arms = tuple(arm for arm in study.arms if arm[KNOB] in left)
    return study._replace(datasets=left, arms=arms) if left else None


def find_arms(study: Study, base: Config, lanes: Iterable[Config]) -> set[str]:
    """The names of the arms that lanes are of, in whatever setting of the tuning."""
    lanes = list(lanes)
    asked = {with_seed(with_stop(lane, base.stop_at), 0) for lane in lanes}
    arms = make_configs(study, base)
    found = {name for name, own in arms.items() if with_seed(own, 0) in asked}
    # An arm that searches is not this one, though it is so before it has a setting.
    found -= {name for name, arm in name_arms(study).items() if find_search(study, arm)}
    left = asked - {with_seed(arms[name], 0) for name in found}
    for name, arm in name_arms(study).items():
        settings = (make_trial(study, base, {**arm, **own}) for own in list_settings(study, arm))
        known = {with_seed(own, 0) for own in settings}
        if known & asked and find_method(study, arm) != "tpe":
            found.add(name)
            left -= known
    tuning = study.tuning.all_seeds if study.tuning else ()
    fresh = {with_seed(with_stop(lane, base.stop_at), 0) for lane in lanes
             if lane.seed not in tuning}  # fmt: skip
    for name, arm in name_arms(study).items():  # what tpe proposed, and the settings that won
        if (search := find_search(study, arm)) is not None:
            own = left if find_method(study, arm) == "tpe" else left & fresh
            tuned = {*search.space, "measure"}
            rest = _leave_out_knobs(make_trial(study, base, arm), tuned)
            if any(_leave_out_knobs(lane, tuned) == rest for lane in own):
                found.add(name)
    return found


def _leave_out_knobs(config: Config, names: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in vars(config).items() if name not in names}


def describe(whole: Study, left: Study) -> tuple[str, ...]:
    """What a report lacks, in words."""
    sets = [name for name in whole.datasets if name not in left.datasets]
    if whole.datasets:
        return tuple(f"{name} is left out: runs on it broke off" for name in sets)
    known = {claim.id: claim for claim in left.claims}
    lines = [f"{name}: runs broke off" for name in name_arms(whole) if name not in name_arms(left)]
    if whole.choosing and not left.choosing:
        lines.append("the best arm was not compared on fresh seeds")
    for claim in whole.claims:
        if claim.id not in known:
            lines.append(f"claim {claim.id} is not judged: it rests on those runs")
        elif number := len(claim.comparisons) - len(known[claim.id].comparisons):
            lines.append(f"claim {claim.id} lacks {number} of {len(claim.comparisons)} comparisons")
    return tuple(lines)


def _cut(claim: Claim, study: Study, broken: Collection[str]) -> Claim | None:
    """The claim with those comparisons that rest on whole arms, if its verdict does."""
    arms = name_arms(study)

    def is_whole(pair: Comparison) -> bool:
        parts = (*sides_of(pair.a), *sides_of(pair.b))
        return not any(name in broken for part in parts for name in select(arms, part))

    kept = tuple(pair for pair in claim.comparisons if is_whole(pair))
    heads = claim.comparisons[: claim.parts]
    return claim._replace(comparisons=kept) if kept and all(map(is_whole, heads)) else None
