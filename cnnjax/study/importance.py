"""How much of what a search's scores vary by each knob explains alone: its main effect.

Trials are grouped by a knob's value, and the variance between groups is what it explains; by chance
alone it would explain something too, which is taken off (epsilon squared, Kelley 1935). A share
means nothing before the permutation test beside it finds it. Imports no JAX.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cnnjax.study import statistics
from cnnjax.study.trials import Searched, Tried, rate_failed

RESAMPLES = 1_999
LEVELS = (3, 5)  # parts that a range is cut into, at least and at most
PER_LEVEL = 8  # trials for which there is one more


class Importance(NamedTuple):
    """What a knob explains of the scores, without the others."""

    knob: str
    levels: int  # groups of values
    share: float  # of the variance of scores; about 0, or below, for a knob that does nothing
    p: float  # by permutation
    p_adjusted: float  # Holm, over the knobs of the search

    @property
    def is_found(self) -> bool:
        """Whether it is more than chance."""
        return self.p_adjusted <= statistics.ALPHA


class Effect(NamedTuple):
    """What groups explain; NaN and 1 where nothing can be told."""

    share: float
    p: float


def find_importance(searched: Searched, seed: int = 0) -> tuple[Importance, ...]:
    """The importance of each knob, in order of the space; none where every trial failed.

    A trial that failed counts as the worst of the others. Where some were stopped early, as halving
    does, scores are the ranks of the trials: who was trained for longer ranks higher. A method that
    learns proposes what did well before, and so a knob without any effect drifts while scores rise:
    trials of tpe are compared with those of their own batch alone, which were proposed at once.
    """
    if not any(np.isfinite(trial.score) for trial in searched.trials):
        return ()
    scores = rank_by_length(searched) if is_by_rank(searched) else rate_failed(
        [trial.score for trial in searched.trials]
    )  # fmt: skip
    blocks = [trial.batch if is_in_batches(searched) else 0 for trial in searched.trials]
    groups = [
        _group_choices(searched.trials, knob) if axis.choices
        else group_range([trial.place[number] for trial in searched.trials])
        for number, (knob, axis) in enumerate(searched.space.items())
    ]  # fmt: skip
    found = [find_effect(scores, own, blocks, seed) for own in groups]
    adjusted = statistics.holm([own.p for own in found])
    return tuple(
        Importance(knob, len(np.unique(group)), *own, p_adjusted)
        for knob, group, own, p_adjusted in zip(
            searched.space, groups, found, adjusted, strict=True
        )
    )


def is_by_rank(searched: Searched) -> bool:
    """Whether trials were trained for unlike times, so that scores are compared as ranks."""
    return not all(trial.whole for trial in searched.trials if np.isfinite(trial.score))


def is_in_batches(searched: Searched) -> bool:
    """Whether trials are compared with those of their own batch alone."""
    return searched.method == "tpe"


def rank_by_length(searched: Searched) -> np.ndarray:
    """Ranks [trials]: by steps a seed, those of the same by score; all that failed at the end."""
    from scipy import stats  # half a second, that other commands need not wait for

    keys = [
        (trial.steps / max(trial.seeds, 1), trial.score)
        if np.isfinite(trial.score) else (-1.0, 0.0)
        for trial in searched.trials
    ]  # fmt: skip
    order = {key: place for place, key in enumerate(sorted(set(keys)))}
    return stats.rankdata([order[key] for key in keys])


def _group_choices(trials: Sequence[Tried], knob: str) -> np.ndarray:
    return np.unique([str(trial.setting.get(knob)) for trial in trials], return_inverse=True)[1]


def group_range(places: npt.ArrayLike) -> np.ndarray:
    """Groups [trials] of places [trials] in 0 to 1 on an axis: equal parts of it.

    Parts of equally many trials would do as well where places are drawn evenly. Under a method that
    learns they would all come to lie where scores are high, and tell nothing any more.
    """
    own = np.asarray(places, np.float64)
    least, most = LEVELS
    levels = min(most, max(least, len(own) // PER_LEVEL))
    return np.clip((own * levels).astype(int), 0, levels - 1)


def find_effect(
    scores: npt.ArrayLike, groups: npt.ArrayLike, blocks: npt.ArrayLike, seed: int = 0
) -> Effect:
    """The share of the variance of scores [n] that groups [n] explain, within blocks [n].

    From the variance between groups its mean over all orders of the scores of each block is taken
    off, and so from the whole: for one block it is epsilon squared, the mean of which is 0 where
    scores have no part in groups. The p counts orders drawn, the observed one among them.
    """
    y, block = np.asarray(scores, np.float64), np.unique(blocks, return_inverse=True)[1]
    group = np.unique(groups, return_inverse=True)[1]
    members = np.eye(group.max() + 1)[group]  # [n, groups]
    inside = np.eye(block.max() + 1)[block]  # [n, blocks]
    y = y - (inside @ ((inside.T @ y) / inside.sum(axis=0)))
    total = float(y @ y)
    by_chance = _mean_between(y, members, inside)
    if total - by_chance <= 1e-12 * max(total, 1e-300) or by_chance <= 0:
        return Effect(np.nan, 1.0)
    observed = _between(y, members)
    drawn = _between(_reorder(y, block, seed), members)
    above = int((drawn >= observed * (1 - 1e-12)).sum())
    share = (observed - by_chance) / (total - by_chance)
    return Effect(float(share), (above + 1) / (len(drawn) + 1))


def _between(y: np.ndarray, members: np.ndarray) -> np.ndarray:
    """The sum of squares between groups of scores y [..., n], whose mean is 0."""
    return ((y @ members) ** 2 / members.sum(axis=0)).sum(axis=-1)


def _mean_between(y: np.ndarray, members: np.ndarray, inside: np.ndarray) -> float:
    """The mean of `_between` over all orders of the scores of each block.

    The sum of m of the M scores of a block has the variance of draws without replacement.
    """
    own = members.T @ inside  # [groups, blocks] members of a group in a block
    sizes = inside.sum(axis=0)
    squares = inside.T @ y**2
    spread = own * (sizes - own) / np.maximum(sizes * (sizes - 1), 1)
    return float(((spread @ squares) / members.sum(axis=0)).sum())


def _reorder(y: np.ndarray, block: np.ndarray, seed: int) -> np.ndarray:
    """Scores [RESAMPLES, n] in orders drawn within each block."""
    rng, place = np.random.default_rng(seed), np.argsort(block, kind="stable")
    drawn = np.argsort(block + rng.random((RESAMPLES, len(y))), axis=1)  # block after block
    found = np.empty((RESAMPLES, len(y)))
    found[:, place] = y[drawn]
    return found
