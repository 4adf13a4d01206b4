"""How the settings of arms were chosen, in plain sentences, as a paper would state it."""

from typing import NamedTuple

from cnnjax.config.knobs import format_value
from cnnjax.config.words import count, join
from cnnjax.study import metrics
from cnnjax.study.arms import list_settings
from cnnjax.study.claims import VALIDATION, Study, Tuning, name_arms
from cnnjax.study.methods import find_method


class Method(NamedTuple):
    """How a method of search is told."""

    name: str
    about: str


METHODS = {
    "random": Method("Random search", "each drawn by itself (Bergstra and Bengio 2012)"),
    "halton": Method("Halton's sequence", "a scrambled Halton sequence"),
    "tpe": Method(
        "A tree-structured Parzen estimator",
        "the tree-structured Parzen estimator of Optuna, which knows the batches before (Bergstra"
        " et al. 2011)",
    ),
    "halving": Method(
        "Successive halving",
        "asynchronous successive halving of random ones, the best third of which go on from a ninth"
        " of the steps to a third, and from there to the end (Li et al. 2020)",
    ),
}


def describe_tuning(study: Study) -> list[str]:
    """The sentences of a report's methods on what was tried before the arms' own seeds."""
    tuning = study.tuning
    if tuning is None:
        return []
    if tuning.search is not None:
        return _describe_search(study, tuning)
    grid = " and ".join(
        f"{knob} ({', '.join(map(format_value, values))})" for knob, values in tuning.grid.items()
    )
    numbers = sorted({len(list_settings(study, own)) for own in name_arms(study).values()})
    tried = f"the same {count(numbers[0], 'setting')} of {grid}, at equal budget"
    if len(numbers) > 1:
        tried = f"{numbers[0]} to {numbers[-1]} settings of {grid}, for some arms fix a part of it"
    if not tuning.seeds:
        return [f"Before, each arm tried {tried}; what was chosen is kept, and was given."]
    seeds = f"{count(len(tuning.seeds), 'seed')} ({join(map(str, tuning.seeds))}) of the tuning's"
    return [
        f"Before, each arm tried {tried}, on {seeds} own, and took one by the validation images"
        f" alone: {_describe_choice(tuning)}. No seed that chose a setting judges it."
    ]


def _describe_choice(tuning: Tuning) -> str:
    if tuning.metric == VALIDATION:
        return (
            "among those within one standard error of the best, paired by image, the one of least"
            " cross-entropy"
        )
    return f"that of the highest mean {metrics.find(tuning.metric).label}"


def _describe_search(study: Study, tuning: Tuning) -> list[str]:
    """How settings were searched; `tuning` has a search."""
    search, arms = tuning.search, name_arms(study).values()
    assert search is not None
    if not tuning.seeds:
        return ["Before, settings were searched; what was chosen is kept, and was given."]
    methods = dict.fromkeys(own for arm in arms if (own := find_method(study, arm)))
    space = join(f"{knob} ({axis.describe()})" for knob, axis in search.space.items())
    said = [
        f"Before, {count(search.trials, 'setting')} of {space} were tried by"
        f" {join(methods)}: {join(f'{own}, {METHODS[own].about}' for own in methods)}."
    ]
    if search.race:
        said.append(
            f"Trials raced: each had {len(tuning.seeds)} seeds on average, from {tuning.seeds[0]}"
            " up, and those significantly behind on shared seeds had fewer."
        )
    else:
        seeds = count(len(tuning.seeds), "seed")
        said.append(f"Each had {seeds} of the search's own ({join(map(str, tuning.seeds))}).")
    return [
        *said,
        f"One was taken by the validation images alone: {_describe_choice(tuning)}; the runner-up"
        " is what the same rule takes without it. No seed that chose a setting judges it.",
    ]
