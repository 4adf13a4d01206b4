"""The arms of a study: their Configs, their lanes, and sides as weights of them. Imports no JAX.

An arm is checked once; its lanes are copies of it with their seeds.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from cnnjax.config import config
from cnnjax.config.config import Config, override, with_seed
from cnnjax.config.epochs import NAME as EPOCHS
from cnnjax.config.epochs import Epochs, fill_steps, read
from cnnjax.config.knobs import ConfigError, format_value
from cnnjax.config.training import LARGEST_SEED
from cnnjax.study.claims import (
    GRID,
    SETTING,
    Deviation,
    Lead,
    Overrides,
    Score,
    Side,
    Slope,
    Study,
    cross,
    name_arms,
    select,
)  # fmt: skip
from cnnjax.study.methods import find_method, find_search
from cnnjax.study.space import read_setting


def find_shared(study: Study) -> dict[str, Any]:
    """What a study gives to every arm: its base, and the measures that its metrics read."""
    from cnnjax.study import metrics  # imports NumPy, for which --help need not wait

    shared = {"draw": "auto", **study.base}
    if needed := metrics.list_measures(list_metrics(study)):
        shared["measure"] = (*shared.get("measure", ()), *needed)
    return shared


def make_base(study: Study, given: Overrides) -> Config:
    """The base Config under the flags given. Raises ConfigError on a flag that the study varies.

    A data set may be given for the arms that name none, and measures beside the study's own. Where
    the study asks for epochs, its steps are those of the images that the base itself names.
    """
    if EPOCHS in study.base:
        raise ConfigError(f"study {study.name}: {EPOCHS} is none of its base: Study(epochs=...)")
    for name in (*given, *([EPOCHS] if study.epochs is not None else [])):
        # Steps and epochs are one choice.
        known = ("steps", EPOCHS) if name in ("steps", EPOCHS) else (name,)
        tuned = [knob for knob in known if study.tuning and knob in study.tuning.knobs]
        varied = [knob for knob in known for arm in study.arms if knob in arm]
        it = "it" if name in (*tuned, *varied) else f"--{[*tuned, *varied, name][0]}"
        setters = [arm[knob] for knob in known for arm in study.arms if knob in arm]
        free = name == "dataset" and len(setters) < len(study.arms)
        if setters and not free:
            values = ", ".join(dict.fromkeys(map(format_value, setters)))
            of = f"study {study.name}"
            advice = "for a grid of your own use python -m experiments.ablate"
            if study.name == GRID:
                of, advice = "the grid", "leave one of the two out"
            raise ConfigError(
                f"--{name} cannot be set here: {of} varies {it} over {values}; {advice}"
            )
        if tuned:
            raise ConfigError(f"--{name} cannot be set here: study {study.name} tunes {it}")
    shared = find_shared(study)
    whole = {**shared, **given}
    if "measure" in shared and "measure" in given:
        whole["measure"] = (*shared["measure"], *given["measure"])
    if study.epochs is not None:
        whole = fill_steps(Epochs(read(study.epochs), study.sizes), whole)
    try:
        return config.make_base(whole, [_drop_own(arm) for arm in study.arms])
    except ConfigError as error:  # it may be on a knob that the study gave
        raise ConfigError(f"study {study.name}: {error}") from None


def list_metrics(study: Study) -> list[str]:
    """Every metric by which the study judges or tunes."""
    pairs = [pair for claim in study.claims for pair in claim.comparisons]
    sides = [side for pair in pairs for side in (pair.a, pair.b)]
    found = [study.metric, *(pair.metric for pair in pairs)]
    found += [side.metric for side in sides if isinstance(side, Score)]
    found += [own.metric for own in (study.tuning, study.choosing) if own]
    return [name for name in dict.fromkeys(found) if name]


def make_arm(study: Study, base: Config, overrides: Overrides) -> Config:
    """The Config of an arm, of as many steps as its epochs are where the study asks for those.

    Raises ConfigError where the arm cannot be.
    """
    number, own = overrides.get(EPOCHS, study.epochs), _drop_own(overrides)
    if number is None or "steps" in own:
        return override(base, own)
    steps = Epochs(read(number), study.sizes).find_steps({**vars(base), **own})
    return override(base, {**own, "steps": steps})


def ask_epochs(study: Study) -> bool:
    """Whether the steps of some arm follow from how many training images it has."""
    tuned = study.tuning is not None and EPOCHS in study.tuning.grid
    return study.epochs is not None or tuned or any(EPOCHS in arm for arm in study.arms)


def _drop_own(overrides: Overrides) -> dict[str, Any]:
    """What is a Config's own."""
    return {name: value for name, value in overrides.items() if name not in (EPOCHS, SETTING)}


def make_configs(study: Study, base: Config) -> dict[str, Config]:
    """The Config of every arm, by name, with the settings that tuning chose.

    Raises ConfigError where an arm cannot be.
    """
    return {
        name: make_arm(study, base, {**overrides, **study.settings.get(name, {})})
        for name, overrides in name_arms(study).items()
    }


def make_lanes(study: Study, base: Config, num_seeds: int, first_seed: int = 0) -> list[Config]:
    """Every arm with every seed from the first up."""
    return _add_seeds(make_configs(study, base).values(), range(first_seed, first_seed + num_seeds))


def list_settings(study: Study, overrides: Overrides) -> tuple[dict[str, Any], ...]:
    """What tuning tries for an arm: nothing where there is no tuning.

    Of a search whose trials follow from each other's records, as many as it will try.
    """
    if study.tuning is None:
        return ()
    if study.tuning.search is not None:
        from cnnjax.study import proposing  # imports NumPy, for which --help need not wait

        search = find_search(study, overrides)
        if search is None:
            return ()
        found = proposing.list_at_once(search, find_method(study, overrides))
        return tuple(read_setting(search.space, own.place) for own in found)
    return cross({k: v for k, v in study.tuning.grid.items() if k not in overrides})


def make_trials(study: Study, base: Config) -> list[Config]:
    """Every arm with every setting of the tuning, once where arms share their search."""
    trials = (
        make_trial(study, base, {**overrides, **setting})
        for overrides in name_arms(study).values()
        for setting in list_settings(study, overrides)
    )
    return [*dict.fromkeys(trials)]


def make_corners(study: Study, base: Config) -> list[Config]:
    """What a search may come upon whose trials are not known before: the corners of its space."""
    from cnnjax.study import proposing  # as above

    corners = (
        make_trial(study, base, {**overrides, **read_setting(search.space, place)})
        for overrides in name_arms(study).values()
        if find_method(study, overrides) == "tpe" and (search := find_search(study, overrides))
        for place in proposing.list_corners(search)
    )
    return [*dict.fromkeys(corners)]


def make_trial(study: Study, base: Config, overrides: Overrides) -> Config:
    """The Config of a setting of an arm that tuning tries: what is measured chooses, no more."""
    from cnnjax.study import metrics  # as above

    needed = metrics.list_measures([study.tuning.metric]) if study.tuning else ()
    return make_arm(study, base, {**overrides, "measure": needed})


def list_seeds(study: Study, num_seeds: int, first_seed: int = 0) -> range:
    """The arms' seeds, and behind them those on which the arm that they chose is compared.

    Raises ConfigError where there are not so many.
    """
    own = range(first_seed, first_seed + num_seeds * (2 if study.choosing else 1))
    if own[-1] > LARGEST_SEED:
        raise ConfigError(
            f"--first_seed={first_seed} and {len(own)} seeds from there go beyond the last one,"
            f" {LARGEST_SEED}: begin with a smaller one"
        )
    return own


def keep_apart(study: Study, own: range) -> Study:
    """The study, its tuning on seeds that are none of `own`: where one is, on others beside those.

    So what a seed chose is never judged by that seed.
    """
    if study.tuning and any(seed in own for seed in study.tuning.all_seeds):
        count, all_of_them = len(study.tuning.seeds), len(study.tuning.all_seeds)
        first = own.stop if own.stop + all_of_them <= LARGEST_SEED + 1 else own.start - all_of_them
        apart = study.tuning._replace(seeds=tuple(range(first, first + count)))
        study = study._replace(tuning=apart)
    return study


def make_tuning_lanes(study: Study, base: Config) -> list[Config]:
    """Every arm with every setting and every seed of the tuning."""
    seeds = study.tuning.seeds if study.tuning else ()
    return _add_seeds(make_trials(study, base), seeds)


def _add_seeds(configs: Iterable[Config], seeds: Sequence[int]) -> list[Config]:
    return [with_seed(arm, seed) for arm in configs for seed in seeds]


class Weighed(NamedTuple):
    """A side of a comparison as a sum of weighted arms, all by one metric, or as a number."""

    weights: Mapping[str, float]  # by name of arm; none for a number
    metric: str  # empty for the comparison's
    number: float = 0.0
    deviates: bool = False  # whether what counts of an arm is how far its scores are from another


def weigh(side: Side, arms: Mapping[str, Overrides], configs: Mapping[str, Config]) -> Weighed:
    """A side as weights of the arms it rests on: a mean, a lead and a slope are such sums."""

    def mean(of: Overrides) -> dict[str, float]:
        covered = select(arms, of)
        return dict.fromkeys(covered, 1 / len(covered))

    match side:
        case Score(of, metric):
            return Weighed(mean(of), metric)
        case Lead(a, b):
            return Weighed(_add(mean(a), {name: -w for name, w in mean(b).items()}), "")
        case Slope(of, knob, only):
            levels = sorted({getattr(configs[name], knob) for name in select(arms, of)})
            levels = [level for level in levels if not only or level in only]
            total: dict[str, float] = {}
            for level, weight in zip(levels, trend_weights(levels), strict=True):
                own = {n: weight * w for n, w in mean({**of, knob: level}).items()}
                total = _add(total, own)
            return Weighed(total, "")
        case Deviation(of):
            return Weighed(mean(of), "", deviates=True)
        case float() | int():
            return Weighed({}, "", float(side))
    return Weighed(mean(side), "")


def _add(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {name: one.get(name, 0.0) + other.get(name, 0.0) for name in {**one, **other}}


def trend_weights(levels: Sequence[float]) -> list[float]:
    """Weights whose sum of products with the scores at `levels` is their slope by doubling.

    Least squares over the base-2 logarithm. Raises ValueError where the levels are all the same.
    """
    logs = [math.log2(level) for level in levels]
    centred = [log - sum(logs) / len(logs) for log in logs]
    total = sum(c * c for c in centred)
    if not total > 0:
        raise ValueError("a slope needs at least two different levels")
    return [c / total for c in centred]
