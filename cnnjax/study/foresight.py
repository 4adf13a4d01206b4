"""What a study's seeds and test images could show, before anything is trained."""

import pathlib
import statistics
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from cnnjax.config import explain
from cnnjax.config.config import Config
from cnnjax.config.explain import Choice
from cnnjax.config.words import count
from cnnjax.records.atomic import parse_json
from cnnjax.study import metrics, power
from cnnjax.study.arms import find_shared, make_configs
from cnnjax.study.claims import Claim, Deviation, Study, is_deviation, varied_knobs
from cnnjax.study.statistics import ALPHA, FEWEST

ASSUMED_DEVIATION = 0.01  # of paired differences of shares
ASSUMED_DISCORDANCE = 0.02  # share of test images that one side gets right and the other does not


class Spread(NamedTuple):
    """How far paired differences of a metric vary."""

    deviation: float | None  # over seeds, from earlier reports
    image_error: float | None  # standard error that the test images alone leave
    num_earlier: int  # comparisons that these are the median of


class Outlook(NamedTuple):
    """What a claim's headline, and what stands beside it, could show."""

    claim: str
    metric: str
    level: float  # of the headline
    detectable: float | None  # in standard deviations, with 80% power
    num_secondary: int
    secondary_level: float
    secondary_detectable: float | None
    margin: float | None  # None where a threshold decides
    deviation: float | None  # what is expected of paired differences; None where nothing is known
    seeds_for_equivalence: int | None  # None where more than 2,000, or nothing is known
    image_floor: float | None  # half-width of an interval that the images alone leave
    source: str  # where deviation and floor come from


Sources = Mapping[str, Collection[str]]  # names of knobs by whence their values are


def list_choices(study: Study, base: Config, sources: Sources) -> list[Choice]:
    """The values that arms have and do not set themselves, each once, and whence they are."""
    varied = [*varied_knobs(study), *(study.tuning.knobs if study.tuning else ())]
    varied += ["steps"] if "epochs" in varied else []
    found: dict[Choice, None] = {}
    for config in make_configs(study, base).values():
        for own in explain.explain(config, {**sources, "study": find_shared(study)}):
            if own.source == "model" and "model" in varied:
                own = own._replace(source=f"model {config.model}")
            if own.name not in varied:
                found[own] = None
    return list(found)


def find_spread(runs: pathlib.Path, metric: str, dataset: str) -> Spread:
    """The median over all earlier reports in `runs` on that metric and data set."""
    rows: list[dict[str, Any]] = []
    for path in sorted(runs.glob("*/verdicts.json")):
        try:
            rows += [row for row in parse_json(path.read_bytes())
                     if (row["metric"], row["dataset"]) == (metric, dataset)
                     and not is_deviation(row["a"])]  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError):
            continue  # written by another version, or not by us
    deviations = [
        statistics.stdev(row["differences"]) for row in rows if len(row.get("differences", ())) > 2
    ]
    errors = [row["image_error"] for row in rows if row.get("image_error")]
    return Spread(
        statistics.median(deviations) if deviations else None,
        statistics.median(errors) if errors else None,
        len(deviations),
    )


def look_ahead(
    study: Study, claim: Claim, num_seeds: int, num_test: int | None, spread: Spread
) -> Outlook:
    """The outlook of one claim by the rule that will decide it."""
    pair = claim.comparisons[0]
    name = pair.metric or study.metric
    metric = metrics.find(name)
    secondary = max(len(claim.comparisons) - claim.parts, 0)
    level = ALPHA / max(secondary, 1)
    deviation, floor, sources = spread.deviation, None, []
    if isinstance(pair.a, Deviation):  # nothing is known of how deviations vary
        deviation, spread, num_test = None, Spread(None, None, 0), None
    elif deviation is not None:
        sources.append(f"deviation of {count(spread.num_earlier, 'earlier comparison')}")
    elif metric.share:
        deviation = ASSUMED_DEVIATION
        sources.append("deviation assumed")
    if spread.image_error is not None:
        floor = 1.96 * spread.image_error
    elif name == "test_accuracy" and num_test:
        floor = power.image_floor(ASSUMED_DISCORDANCE, num_test)
        sources.append(f"{100 * ASSUMED_DISCORDANCE:.0f}% of the images assumed to tell them apart")
    margin = metric.margin if pair.margin is None else pair.margin
    if pair.has_border:
        margin = None
    seeds = None
    if margin and deviation:
        seeds = power.seeds_for_equivalence(round(margin / deviation, 3))
    return Outlook(
        claim.id, name, ALPHA, power.detectable_effect(num_seeds), secondary, level,
        power.detectable_effect(num_seeds, level) if secondary else None,
        margin, deviation, seeds, floor, "; ".join(sources),
    )  # fmt: skip


def warn_of_seeds(study: Study, num_seeds: int) -> list[str]:
    """One line for each claim that so few seeds can never decide."""
    if num_seeds < FEWEST:
        seeds = count(num_seeds, "seed")
        return [f"{seeds} can train and report, and decide nothing: {FEWEST} are needed"]
    found = []
    for claim in study.claims:
        pair = claim.comparisons[0]
        least = 2.0 ** (1 - num_seeds)
        if metrics.find(pair.metric or study.metric).counts_failures and least >= ALPHA:
            found.append(
                f"claim {claim.id}: {count(num_seeds, 'seed')} can reach p = {least:.3g} at best in"
                f" the exact test of failures, and {ALPHA} is needed"
            )
    return found
