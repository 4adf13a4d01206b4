"""The board of all statements: on which data sets, and how it is had quickly. Imports no JAX.

    python launch.py all
    python launch.py all --quick
    python -m experiments.claims.settings

Quickly, that is headlines and their arms alone, few seeds, and in place of tuning the settings that
a tuning chose before, which `settings.json` has.
"""

import json
import pathlib
from collections.abc import Sequence
from typing import Any

from cnnjax.study.claims import Overrides, Study, cover, name_arms
from cnnjax.study.methods import find_search
from cnnjax.study.spread import find_obstacle, spread

SETS = ("digits", "strokes", "scans")
# What may well depend on the kind of images is tried on others too.
MORE_SETS = (*SETS, "patches", "shapes")
ON_MORE = (
    "padding", "with-without-convolution", "learned-filters", "relu-best", "max-suppresses-noise",
    "pool-invariance",
)  # fmt: skip
QUICK_SETS = ("digits", "strokes")
QUICK_SEEDS = 5
SETTINGS = pathlib.Path(__file__).with_name("settings.json")


def settle(study: Study, sets: Sequence[str] | None, quick: bool) -> Study:
    """A study as the board has it, on its own data sets (None), on others, or as it is ([]).

    One that says itself on which data it is stays there.
    """
    own = keep_headlines(study) if quick else study
    if sets is None:
        sets = QUICK_SETS if quick else MORE_SETS if study.name in ON_MORE else SETS
    own = spread_over(own, sets)
    return take_settings(own) if quick else own


def spread_over(study: Study, sets: Sequence[str]) -> Study:
    """The study on several data sets, or as it is where it cannot be."""
    return spread(study, sets) if sets and not find_obstacle(study) else study


def keep_headlines(study: Study) -> Study:
    """The study with what its claims stand on alone: headlines and parts, and their arms.

    A claim without a headline stays whole.
    """
    claims = tuple(
        claim._replace(comparisons=claim.comparisons[: claim.parts or None])
        for claim in study.claims
    )
    kept = cover(claims, name_arms(study))
    arms = tuple(arm for name, arm in name_arms(study).items() if name in kept)
    published = tuple(own for own in study.published if own.arm in arms)
    return study._replace(claims=claims, arms=arms, published=published)


def read_stored() -> dict[str, Any]:
    """What `settings.json` holds: settings by study and arm, notes on them, what chose them."""
    if not SETTINGS.is_file():
        return {"runs": [], "notes": [], "settings": {}}
    return json.loads(SETTINGS.read_text())


def read_settings(study: Study) -> dict[str, Overrides]:
    """By arm, what a tuning chose before, of those that `settings.json` has."""
    known = read_stored()["settings"].get(study.name, {})
    return {name: known[name] for name in name_arms(study) if name in known}


def is_tuned(study: Study, arm: Overrides) -> bool:
    """Whether an arm has a setting of its own; one that a search is held against has none."""
    assert study.tuning is not None
    return study.tuning.search is None or find_search(study, arm) is not None


def take_settings(study: Study) -> Study:
    """The study in the settings that are stored, without its tuning.

    Where they lack an arm it is tuned as ever.
    """
    if study.tuning is None:
        return study
    settings = read_settings(study)
    if settings.keys() != {name for name, arm in name_arms(study).items() if is_tuned(study, arm)}:
        return study
    return study._replace(settings=settings, tuning=study.tuning._replace(seeds=()))
