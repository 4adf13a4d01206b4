"""A study on several data sets: every arm on every one. Imports no JAX."""

from collections.abc import Sequence

from cnnjax.config import datasets
from cnnjax.config.errors import ConfigError
from cnnjax.study.claims import Study

KNOB = "dataset"  # what tells the arms of one data set from those of another


def spread(study: Study, names: Sequence[str] = ()) -> Study:
    """The study with its arms on each of its data sets, or on those that are named instead.

    Raises ConfigError where a data set is not known or named twice, or the study cannot be spread.
    """
    if not names and (not study.datasets or is_spread(study)):
        return study
    chosen = tuple(names or study.datasets)
    own = f"study {study.name}"
    for name in chosen:
        datasets.parse(name)
        if chosen.count(name) > 1:
            raise ConfigError(f"{own}: the data set {name} is named {chosen.count(name)} times")
    if obstacle := find_obstacle(study):
        raise ConfigError(f"{obstacle}: leave --datasets out")
    arms = tuple({**arm, KNOB: name} for name in chosen for arm in study.arms)
    return study._replace(datasets=chosen, arms=arms)


def find_obstacle(study: Study) -> str:
    """Why a study cannot be on several data sets; empty where it can."""
    if any(KNOB in arm for arm in study.arms) or KNOB in study.base:
        return f"study {study.name} says itself which data sets its arms have"
    if study.choosing is not None:
        return "--choose=validation is for one data set"
    if study.published:
        return f"study {study.name} meets a published score of one data set"
    return ""


def is_spread(study: Study) -> bool:
    """Whether the arms are on its data sets already."""
    return bool(study.datasets) and all(KNOB in arm for arm in study.arms)
