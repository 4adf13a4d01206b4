"""Who proposes settings: each a pure function of what is known of those proposed before.

Places are those of the unit cube. Imports no JAX.
"""

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from cnnjax.config import installed
from cnnjax.config.errors import ConfigError
from cnnjax.study.claims import Search
from cnnjax.study.space import Axis, read_setting

Place = tuple[float, ...]
Told = tuple[tuple[Place, float], ...]  # places in the order proposed, each with its score
ENOUGH = 20  # times as many places as trials, where settings come again
MOST_CORNERS = 256
STARTUP = 10  # trials before a model is made of them, as Optuna has it


class Proposal(NamedTuple):
    """A setting to be tried, by its place."""

    number: int  # from 0, in the order proposed
    batch: int
    place: Place


def propose_random(search: Search) -> list[Place]:
    """Every trial by itself (Bergstra and Bengio 2012): the first ones of more are these."""
    return [
        tuple(np.random.default_rng([search.seed, number]).random(len(search.space)).tolist())
        for number in range(search.trials)
    ]


def propose_halton(search: Search) -> list[Place]:
    """Halton's sequence, scrambled by the seed (Owen 2017): spread evenly, however many there are.

    The first ones of more are these.
    """
    from scipy.stats import qmc  # which takes a while to import

    places = qmc.Halton(len(search.space), rng=search.seed).random(search.trials)
    return [tuple(place) for place in places.tolist()]


def propose_tpe(search: Search, told: Told) -> list[Place]:
    """The next batch by Optuna's tree-structured Parzen estimator (Bergstra et al. 2011).

    It knows the trials that are `told`, a whole number of batches, and nothing else; a trial that
    failed counts as the worst of them.
    """
    count = min(search.batch, search.trials - len(told))
    key = (search.seed, len(told) // search.batch)
    return _ask(tuple(search.space.values()), count, key, told)


@functools.lru_cache(maxsize=1024)  # a search is replayed whenever records are looked at
def _ask(axes: tuple[Axis, ...], count: int, key: tuple[int, int], told: Told) -> list[Place]:
    optuna = import_optuna()
    seed = int(np.random.SeedSequence(key).generate_state(1)[0])
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    of_axes = {
        f"{number}": optuna.distributions.CategoricalDistribution(range(len(axis.choices)))
        if axis.choices
        else optuna.distributions.FloatDistribution(0.0, 1.0)
        for number, axis in enumerate(axes)
    }
    worst = min((score for _, score in told if math.isfinite(score)), default=0.0)
    for place, score in told:
        found = (
            int(own * len(axis.choices)) if axis.choices else own
            for axis, own in zip(axes, place, strict=True)
        )
        known = optuna.trial.create_trial(
            params=dict(zip(of_axes, found, strict=True)), distributions=of_axes,
            value=score if math.isfinite(score) else worst,
        )  # fmt: skip
        study.add_trial(known)
    places = []
    for _ in range(count):
        asked = study.ask(of_axes).params.values()
        place = (
            (own + 0.5) / len(axis.choices) if axis.choices else own
            for axis, own in zip(axes, asked, strict=True)
        )
        places.append(tuple(place))
    return places


def import_optuna() -> Any:
    """Optuna, which says on its own account only what is wrong. Raises ConfigError without it."""
    try:
        import optuna  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ConfigError(
            f"tpe asks Optuna, which is not installed: {installed.how_to_add('tune')}; or take"
            " random or halton"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _stand_in(search: Search) -> list[Place]:
    """As many trials as tpe will propose, to plan with, and none of those by chance."""
    return propose_random(search._replace(seed=search.seed + 1))


def list_corners(search: Search) -> list[Place]:
    """Each choice, and both ends of each range, in the middle of all ranges of other numbers.

    In all combinations of what a network may follow from, choices and integers, where these are not
    too many; else each with the middle of all others.
    """
    axes = [*search.space.values()]
    ends = [
        [(number + 0.5) / len(axis.choices) for number in range(len(axis.choices))] or [0.0, 1.0]
        for axis in axes
    ]
    alone = [
        tuple(own if place == at else 0.5 for place in range(len(axes)))
        for at, places in enumerate(ends)
        for own in places
    ]
    whole = [
        places if axis.choices or axis.is_whole else [0.5]
        for axis, places in zip(axes, ends, strict=True)
    ]
    many = math.prod(map(len, whole)) > MOST_CORNERS
    return alone if many else [*dict.fromkeys([*alone, *itertools.product(*whole)])]


AT_ONCE: dict[str, Callable[[Search], Sequence[Place]]] = {
    "random": propose_random,
    "halton": propose_halton,
    "halving": propose_random,
    "tpe": _stand_in,
}


def list_at_once(search: Search, method: str) -> list[Proposal]:
    """Every trial of a method whose trials need nothing of each other; of tpe only how many.

    No setting is proposed twice: of few choices there may be fewer than were asked for.
    """
    found: dict[str, Place] = {}
    for count in (search.trials, search.trials * ENOUGH):
        for place in AT_ONCE[method](search._replace(trials=count)):
            found.setdefault(repr(read_setting(search.space, place)), place)
        if len(found) >= search.trials:
            break
    places = [*found.values()][: search.trials]
    return [Proposal(number, number // search.batch, own) for number, own in enumerate(places)]
