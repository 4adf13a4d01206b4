"""Seeds until headlines are decided: when a claim asks for no more of them. Imports no JAX."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cnnjax.config import words
from cnnjax.config.errors import ConfigError
from cnnjax.study import across, distributions
from cnnjax.study.claims import Study
from cnnjax.study.looks import LOOKS, UNTILS
from cnnjax.study.spread import spread


def look_often(study: Study, most: int) -> Study:
    """The study with looks at up to `most` seeds. Raises ConfigError where that cannot be."""
    if most not in (look.seeds for look in LOOKS):
        known = words.join(look.seeds for look in LOOKS)
        raise ConfigError(
            f"--until=decided looks at {known} seeds, and {most} is none of these: give one of them"
            " as --seeds"
        )
    if study.choosing is not None:
        raise ConfigError(
            "--until=decided is for arms that are given, and --choose for the best of"
            " them: give one of the two"
        )
    if not any(claim.parts for claim in study.claims):
        raise ConfigError(
            "--until=decided goes on for headlines, and none of this study's comparisons is one:"
            " give --seeds"
        )
    return study._replace(looks=tuple(look for look in LOOKS if look.seeds <= most))


def widen(study: Study, datasets: Sequence[str], until: str, most: int) -> Study:
    """The study on several data sets, with looks if it is to go on until it is decided.

    Raises ConfigError where it cannot be.
    """
    if until not in UNTILS:
        raise ConfigError(f"until={until!r} is not allowed: give {' or '.join(map(repr, UNTILS))}")
    study = spread(study, datasets)
    return look_often(study, most) if until == "decided" else study


def is_over(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether no more seeds are wanted for a claim, by its rows of verdicts.json.

    Its headline, or each of its parts, is decided, or would not be by any number of seeds.
    """
    heads = [row for row in rows if row["role"] != "secondary"]
    return all(row["verdict"] != "inconclusive" or is_bound(row) for row in heads)


def is_bound(row: Mapping[str, Any]) -> bool:
    """Whether images, and no longer seeds, leave a comparison open.

    Four fifths of what is uncertain come from them, and what they leave alone is wider than the
    margin, and than the distance from what was to be passed.
    """
    error, of_seeds = row["image_error"], across.find_variance_of_seeds(row)
    if error is None or not math.isfinite(of_seeds):
        return False
    half = float(distributions.normal_isf((1 - row["confidence"]) / 2)) * error
    margin = 0.0 if row["threshold"] is not None else row["margin"]
    distance = abs(row["difference"] - (row["threshold"] or 0.0))
    return of_seeds < error**2 / 4 and half > margin and half > distance
