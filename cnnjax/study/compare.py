"""The comparisons of `decision` on a table of anyone's runs. Imports no JAX."""

import itertools
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from cnnjax.config import flags
from cnnjax.config.knobs import ConfigError
from cnnjax.study import decision, scores, tables
from cnnjax.study.rule import Relation
from cnnjax.study.scores import Scores

Family = Literal["bonferroni", "benjamini-hochberg"]


class Asked(NamedTuple):
    """How a table is read, and what is asked of it."""

    arm: str = "arm"  # column that names what was compared
    seed: str = "seed"  # column that pairs the runs
    metric: str = "test_accuracy"  # column of the score, a number a run
    image: str = "image"  # column of the test image, where a line is a run and image
    cluster: str | None = None  # column of what images are from, if some share it
    delimiter: str = "auto"
    a: str | None = None  # compare this arm alone with the others
    b: str | None = None  # compare `a` with this arm only
    relation: Relation = "!="  # what is said of a against b
    margin: float | None = None  # smallest difference that matters
    threshold: float | None = None  # what a - b is said to pass, in place of 0
    resolution: float | None = None  # least difference that scores can have
    incomplete: Literal["refuse", "drop"] = "refuse"  # seeds that some arms lack
    unpaired: bool = False  # whether runs share no seeds
    family: Family = "bonferroni"  # how several comparisons share 5%


class Comparisons(NamedTuple):
    """What a table shows: one object a pair of arms, with keys of verdicts.json."""

    rows: list[dict[str, Any]]
    scores: Scores
    notes: list[str]


def judge_table(path: str | None, asked: Asked, images: str | None = None) -> Comparisons:
    """The comparisons of a table, `-` for standard input, or of `images`, an .npz file.

    Raises ConfigError on a bad file.
    """
    found, pairs = read_scores(path or "-", asked) if images is None else read_images(images, asked)
    margin, note = choose_margin(asked, found)
    if asked.resolution is not None:
        found = found._replace(resolution=asked.resolution)
    return Comparisons(compare_arms(asked, found, pairs, margin), found, [note, *found.notes])


def read_images(path: str, asked: Asked) -> tuple[Scores, list[tuple[str, str]]]:
    """The scores of the arms to compare from an .npz file, and the pairs.

    Raises ConfigError on a bad file.
    """
    errors: list[str] = []
    found, clusters = scores.read_arrays(path, asked.cluster, errors)
    pairs = choose_pairs(list(found), asked.a, asked.b)
    compared = {name for pair in pairs for name in pair}
    own = {name: seeds for name, seeds in found.items() if name in compared}
    gathered = scores.gather_arrays(own, clusters, asked.incomplete, errors)
    tables.refuse_all(path, errors)
    return gathered, pairs


def read_scores(path: str, asked: Asked) -> tuple[Scores, list[tuple[str, str]]]:
    """The scores of the arms to compare from a table, and the pairs.

    Raises ConfigError on a bad file.
    """
    errors: list[str] = []
    columns = tables.Columns(
        asked.arm, None if asked.unpaired else asked.seed, asked.metric,
        asked.image or None, asked.cluster,
    )  # fmt: skip
    delimiter = tables.read_delimiter(asked.delimiter)
    text = tables.read_text(path)
    path = "standard input" if path == "-" else path
    runs = tables.read_runs(path, text, columns, delimiter, errors)
    by_image = any(run.image for run in runs)
    if by_image and asked.unpaired:
        raise ConfigError(
            f"--unpaired goes with one score a run: {path} has a column {asked.image} (--image="
            " passes it over)"
        )
    if asked.cluster and not by_image:
        raise ConfigError(
            f"--cluster goes with images: {path} has no column {asked.image or 'image'}"
        )
    pairs = choose_pairs(list(dict.fromkeys(run.arm for run in runs)), asked.a, asked.b)
    compared = {name for pair in pairs for name in pair}
    own = [run for run in runs if run.arm in compared]
    gathered = scores.gather(own, columns, asked.incomplete, errors)
    tables.refuse_all(path, errors)
    return gathered, pairs


def choose_margin(asked: Asked, found: Scores) -> tuple[float | None, str]:
    """The margin, None where no equivalence is judged, and one line that says why."""
    if asked.threshold is not None:
        return None, "a threshold is judged without a margin"
    if asked.margin is not None:
        return asked.margin, "the margin is --margin"
    if found.percent:
        return 0.5, "margin: 0.5 points, as the scores are percentages (--margin sets another)"
    known = np.concatenate(list(found.arms.values()))
    known = known[np.isfinite(known)]
    if not len(known):
        return None, "no equivalence is judged: every run failed"
    if known.min() >= 0 and known.max() <= 1:
        return 0.005, "margin: 0.005, as all scores lie in [0, 1] (--margin sets another)"
    if asked.relation == "=":
        raise ConfigError("the scores do not all lie in [0, 1]: '=' needs --margin, in their unit")
    return None, "no equivalence is judged: scores outside [0, 1] need --margin, in their unit"


def choose_pairs(names: Sequence[str], a: str | None, b: str | None) -> list[tuple[str, str]]:
    """Which arms to compare, in the order of the file. Raises ConfigError where there are none."""
    if len(names) < 2:
        raise ConfigError(
            f"only one arm, {names[0]}: a comparison needs two (--arm names a column)"
        )
    for flag, name in (("a", a), ("b", b)):
        if name is not None and name not in names:
            raise ConfigError(f"--{flag}: {flags.describe_unknown('arm', name, names)}")
    if a is None:
        if b is not None:
            raise ConfigError("--b goes with --a")
        return list(itertools.combinations(names, 2))
    if a == b:
        raise ConfigError(f"--a and --b are both {a}: give two arms")
    return [(a, other) for other in names if other != a and b in (None, other)]


def compare_arms(
    asked: Asked, found: Scores, pairs: Sequence[tuple[str, str]], margin: float | None
) -> list[dict[str, Any]]:
    """One object a pair, with those keys of verdicts.json that mean something here."""
    questions = [
        decision.Question(
            found.arms[a], found.arms[b], asked.relation, margin or 0.0, asked.threshold,
            resolution=found.resolution,
            images=None if found.images is None else found.images[a] - found.images[b],
            clusters=found.clusters, unpaired=asked.unpaired,
        )
        for a, b in pairs
    ]  # fmt: skip
    answers = decision.judge(questions, asked.family)
    common = {"metric": asked.metric, "adjustment": asked.family}
    return [
        {**common, "a": a, "b": b, **answer, "margin": margin}
        for (a, b), answer in zip(pairs, answers, strict=True)
    ]
