"""What comparisons could have found, and what would change their verdicts, in sentences."""

from typing import Any

from cnnjax.config.words import count
from cnnjax.report import listings, text
from cnnjax.study import metrics, power, reach
from cnnjax.study.judge import Judgement

ADVICE = (
    "More seeds may not be added until a comparison is decided, for that errs in more than 5%: give"
    " --until=decided from the start, or fresh seeds by --first_seed. What would be found is by the"
    " variance that was observed; the mean that was observed says nothing of it."
)


def list_reach(judgement: Judgement) -> list[dict[str, str]]:
    """For each comparison on which a claim rests: what was tried, what it could find, what would
    change it.
    """  # fmt: skip
    return [
        {
            "comparison": listings.name_comparison(row, judgement),
            "verdict": row["verdict"],
            "power": describe_power(row),
            "change": describe_change(row),
        }
        for claim in listings.list_claims(judgement)
        for row in claim["judged"]
    ]


def describe_power(row: dict[str, Any]) -> str:
    """Such as '20 paired seeds tell a difference of 0.93 points from none in 80% of studies'."""
    metric = row["metric"]
    images = " and test images" if text.is_known(row["image_error"]) else ""
    seeds = count(row["num_seeds"], "paired seed") + images
    if metrics.find(metric).counts_failures:
        least = reach.count_failures(1 - row["confidence"])
        return f"The exact test of {seeds} finds what fails on one side alone {least} times more."
    if not reach.has_interval(row):
        return f"Nothing could be found: {text.why_open(row)}."
    found = reach.find_power(row)
    size = text.measure(found.detectable, metric, difference=True)
    of = f"a difference of {size} from none"
    if row["threshold"] is not None:
        of = f"a mean {size} beyond what is to be passed from one that reaches it"
    said = f"{seeds} tell {of} in 80% of studies"
    if found.equivalence is not None:
        margin = text.amount(row["margin"], metric)
        share = f"{100 * found.equivalence:.0f}%"
        said += f"; where there is none, they show that it is within {margin} in {share}"
    return f"{said}."


def describe_change(row: dict[str, Any]) -> str:
    """What the mean would have to be, or how many seeds there would have to be."""
    if not reach.has_interval(row):
        return (
            f"It would take {'runs that do not fail' if any(row['num_failed']) else 'more seeds'}."
        )
    if row["verdict"] == "inconclusive":
        return _describe_need(row)
    change = reach.find_change(row)
    if change is None:
        return "No mean would change it."
    rises = change.shift > 0
    size = text.measure(abs(change.shift), row["metric"], difference=True)
    to = text.measure(
        row["difference"] + change.shift, row["metric"], not text.is_single(row),
        signed=not text.is_single(row),
    )  # fmt: skip
    return (
        f"Were the mean {size} {'higher' if rises else 'lower'}, at {to}, and its interval as wide,"
        f" it would be {change.verdict}."
    )


def _describe_need(row: dict[str, Any]) -> str:
    need = reach.find_need(row)
    if need.is_bound:
        return "No number of seeds decides it: the test images bound it, and more are needed."
    if need.seeds is None:
        most = f"{power.MOST_SEEDS:,}"
        return f"More than {most} seeds would be needed, if mean and deviation stay as they are."
    return (
        f"About {need.seeds:,} seeds would decide it ({need.verdict}), if mean and deviation stay"
        " as they are."
    )
