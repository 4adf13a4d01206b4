"""What a search tried and chose, and what that is worth: in sentences and as rows of tables."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from cnnjax.config.knobs import format_value
from cnnjax.config.words import count
from cnnjax.report import text
from cnnjax.report.chosen import METHODS
from cnnjax.study import budget, importance, metrics, optimism
from cnnjax.study.judge import Judgement
from cnnjax.study.trials import Searched

EXPECTED = (
    "The best of n trials, drawn of these without replacement: the mean over all draws, which is"
    " unbiased, and a band in which 80% of draws lie (10% to 90%). A failed trial counts as the"
    " worst of the others. Towards all trials the draws are ever more the same, and the band"
    " narrows for that alone."
)
AS_IT_CAME = (
    "The best so far, by optimiser steps in the order in which trials were proposed; what was"
    " stopped early costs its steps and is never the best. Trials of this method are no independent"
    " draws, and could not have come in another order: there is no mean over orders, no band, and"
    " another search may go otherwise."
)
SHARES = (
    "Share: of the variance of scores, what a knob explains without the others, less what it would"
    " by chance (epsilon squared; ranges are cut into equal parts). About 0 for a"
    " knob that does nothing; what two knobs do only together is in no share. p: by permutation,"
    " adjusted over the knobs (Holm). A knob is important where that is at most 5%; of the others"
    " nothing is known. A failed trial counts as the worst of the others."
)
IN_BATCHES = (
    "This method proposes what did well before, so trials lean to where scores are high: shares are"
    " of those settings, not of the space. Trials are compared within the batch that was proposed"
    " at once, for over batches a knob without effect drifts while scores rise."
)
BY_RANK = (
    "Trials were trained for unlike times: compared are their ranks, in which who was trained for"
    " longer stands higher."
)


class Section(NamedTuple):
    """What a report shows of a search."""

    place: int  # from 1: its figures are budget-1 and slices-1
    arm: str
    sentences: tuple[str, ...]
    knobs: tuple[dict[str, str], ...]  # rows of a table of importance, the largest share first
    about_knobs: str
    best: tuple[dict[str, str], ...]  # rows of a table of the best by budget; none where all failed
    about_best: str


def list_sections(judgement: Judgement) -> list[Section]:
    """A section a search."""
    return [
        Section(
            place, own.arm or "all", tuple(_describe(own, judgement)),
            tuple(list_importance(own)), describe_importance(own), tuple(list_best(own)),
            EXPECTED if own.is_exchangeable else AS_IT_CAME,
        )
        for place, own in enumerate(judgement.searched, 1)
    ]  # fmt: skip


def _describe(searched: Searched, judgement: Judgement) -> list[str]:
    said = [describe_search(searched)]
    if searched.winner:
        said.append(describe_optimism(searched, judgement))
    return said


def name_setting(setting: Mapping[str, Any]) -> str:
    """A setting in words, numbers to four digits: 'learning_rate=0.0235 pool=max'."""
    return " ".join(f"{knob}={name_value(value)}" for knob, value in setting.items())


def name_value(value: Any) -> str:
    """A value of a knob, a number to four digits."""
    return f"{value:.4g}" if isinstance(value, float) else format_value(value)


def describe_search(searched: Searched) -> str:
    """How was searched, at what cost, and what was chosen."""
    trials, metric = searched.trials, searched.metric
    seeds = sorted({trial.seeds for trial in trials})
    each = f"{count(seeds[-1], 'seed')} each" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    failed = sum(not np.isfinite(trial.score) for trial in trials)
    stopped = sum(not trial.whole and np.isfinite(trial.score) for trial in trials)
    apart = [f"{stopped} were stopped early"] if stopped else []
    apart += [f"{failed} failed"] if failed else []
    chosen, second = searched.winner, searched.runner_up
    how = (
        f"{METHODS[searched.method].name} tried {count(len(trials), 'setting')} for"
        f" {searched.arm or 'all'} on {each}{'' if len(seeds) == 1 else ' seeds'}, in"
        f" {count(sum(trial.steps for trial in trials), 'optimiser step')}"
        f"{''.join(f'; {own}' for own in apart)}."
    )
    if chosen is None:
        return f"{how} Nothing speaks for one of them."
    said = (
        f"{how} It chose {name_setting(chosen.setting)}, with a {metrics.find(metric).label} of"
        f" {text.measure(chosen.score, metric)} there"
    )
    if second is None:
        return f"{said}."
    return (
        f"{said}; behind it {name_setting(second.setting)}, {text.measure(second.score, metric)}."
    )


def describe_optimism(searched: Searched, judgement: Judgement) -> str:
    """How far the score of the choice in the search flatters it."""
    found, metric = optimism.find_optimism(searched, judgement.arms), searched.metric
    label = metrics.find(metric).label
    if found is None:
        return (
            f"That is the best of {count(len(searched.trials), 'score')}, in part the luckiest: no"
            f" run on fresh seeds with a {label} says by how much it flatters the choice."
        )
    size = text.measure(abs(found.difference), metric, difference=True)
    side = "better" if found.difference > 0 else "worse"
    failed = f", {found.num_failed} more failed" if found.num_failed else ""
    known = text.is_known(found.interval[0])
    bounds = f", 95% interval {text.interval(found.interval, metric)}" if known else ""
    return (
        f"On {count(found.num_seeds, 'fresh seed')}{failed}, its {label} is"
        f" {text.measure(found.fresh, metric)} in the mean: that of the search is {size} {side}"
        f"{bounds} (over fresh seeds, paired with nothing)."
    )


def list_importance(searched: Searched) -> list[dict[str, str]]:
    """A row a knob, as a table shows it; the largest share first."""
    found = importance.find_importance(searched)
    order = sorted(found, key=lambda own: -own.share if np.isfinite(own.share) else np.inf)
    return [
        {
            "knob": own.knob,
            "values": searched.space[own.knob].describe(),
            "groups": str(own.levels),
            "share": f"{text.number(100 * own.share, 0)}%" if np.isfinite(own.share) else "–",
            "p": text.probability(own.p),
            "p adj.": text.probability(own.p_adjusted),
            "important": "yes" if own.is_found else "not shown",
        }
        for own in order
    ]


def describe_importance(searched: Searched) -> str:
    """What these shares are, and are not."""
    said = [SHARES]
    said += [IN_BATCHES] if importance.is_in_batches(searched) else []
    said += [BY_RANK] if importance.is_by_rank(searched) else []
    return " ".join(said)


def list_best(searched: Searched) -> list[dict[str, str]]:
    """The best by budget at 1, 2, 4, ... trials, as a table shows it."""
    curve, metric = budget.find_curve(searched), searched.metric
    if curve is None:
        return []
    total = len(curve.trials)
    places = sorted({2**power for power in range(total.bit_length())} | {total})
    rows = []
    for place in places:
        low, high = curve.low[place - 1], curve.high[place - 1]
        rows.append(
            {
                "trials": f"{place:,}",
                "steps": f"{curve.steps[place - 1]:,.0f}",
                "expected best" if curve.is_expected else "best so far":
                    text.measure(curve.best[place - 1], metric),
                **({"10% to 90%": text.interval((low, high), metric, signed=False)}
                   if curve.is_expected else {}),
            }
        )  # fmt: skip
    return rows


def list_trials(judgement: Judgement) -> list[dict[str, Any]]:
    """One row a trial of every search, in plain numbers; a knob that a search lacks is empty."""
    knobs = dict.fromkeys(knob for own in judgement.searched for knob in own.space)
    return [
        {
            "arm": own.arm,
            "method": own.method,
            "number": trial.number,
            "batch": trial.batch,
            **{
                knob: format_value(trial.setting[knob]) if knob in trial.setting else None
                for knob in knobs
            },
            "metric": own.metric,
            "score": trial.score,
            "loss": trial.loss,
            "steps_spent": trial.steps,  # for `steps` may be a knob
            "seeds": trial.seeds,
            "whole": trial.whole,
            "chosen": trial.number == own.chosen,
        }
        for own in judgement.searched
        for trial in own.trials
    ]
