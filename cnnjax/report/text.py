"""Numbers as a reader wants them: shares in per cent, their differences in points."""

import math
from collections.abc import Sequence
from typing import Any

from cnnjax import metrics


def number(value: float | None, digits: int = 2, signed: bool = False) -> str:
    """A number with a true minus sign, or a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    if not signed and value < 0 and round(value, digits) == 0:
        value = 0.0
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def score(value: float | None, metric: str, signed: bool = False) -> str:
    """A score as its metric is shown: 0.9609 of accuracy as '96.09'."""
    if value is not None and metrics.find(metric).share:
        return number(100 * value, 2, signed)
    digits = 3 if value is None or abs(value) < 10 else 1
    return number(value, digits, signed)


def unit(metric: str, difference: bool = False) -> str:
    """What stands behind a score, or behind a difference of two."""
    if metrics.find(metric).share:
        return " points" if difference else "%"
    return f" {metrics.find(metric).unit}" if metrics.find(metric).unit else ""


def interval(bounds: Sequence[float] | None, metric: str, signed: bool = True) -> str:
    """'[low, high]' as the metric is shown."""
    if bounds is None:
        return "–"
    return f"[{score(bounds[0], metric, signed)}, {score(bounds[1], metric, signed)}]"


def probability(value: float | None) -> str:
    """A p value, never as 0; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def shape(values: Sequence[int]) -> str:
    """[4, 4, 32] as '4x4x32'."""
    return "×".join(map(str, values))


def field(cells: int | None) -> str:
    """A receptive field, in cells along one axis; None is the whole image."""
    return "whole image" if cells is None else str(cells)


def size(count: int) -> str:
    """Bytes as '14.3 KiB'."""
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:,.0f} {unit}" if unit == "B" else f"{value:,.1f} {unit}"


def describe_effect(row: dict[str, Any]) -> str:
    """The difference of a row of verdicts.json with its interval, and what it had to pass:
    '+1.00 points [+0.81, +1.26]; more than 2.00 points are claimed'.
    """  # fmt: skip
    metric = row["metric"]
    if is_value(row):
        value = f"{score(row['difference'], metric)}{unit(metric)}"
        shown = f"{value} {interval(row['interval'], metric, signed=False)}"
    else:
        shown = f"{score(row['difference'], metric, signed=True)}{unit(metric, True)}"
        shown += f" {interval(row['interval'], metric)}"
    if row["threshold"] is None:
        return shown
    border = score(row["threshold"], metric) + unit(metric, difference=not is_value(row))
    return f"{shown}; {'more' if row['relation'] == '>' else 'less'} than {border} is claimed"


def is_value(row: dict[str, Any]) -> bool:
    """Whether a row holds one score against a number, and so has no difference of two."""
    return row["threshold"] is not None and is_number(row["b"])


def is_number(name: str) -> bool:
    """Whether a side of a comparison is named by a number."""
    try:
        float(name)
    except ValueError:
        return False
    return True


def words_of(metric: str) -> tuple[str, str]:
    """How a side with the higher score, and one with the lower, is said to stand to the other."""
    return ("ahead of", "behind") if metric.endswith("accuracy") else ("above", "below")


def describe_claim(row: dict[str, Any]) -> str:
    """What a row of verdicts.json tried: 'pool=max is more than 2.00 points ahead of pool=avg'."""
    metric, relation = row["metric"], row["relation"]
    above, below = words_of(metric)
    margin = score(row["margin"], metric) + unit(metric, difference=True)
    other = row["b"]
    if is_number(other):
        other, above, below = score(float(other), metric) + unit(metric), "above", "below"
    what = f"{metrics.find(metric).label}: {row['a']}"
    if relation == "=":
        return f"{what} and {other} are within {margin} of each other"
    if relation == "!=":
        return f"{what} and {other} differ"
    word = above if relation == ">" else below
    if row["threshold"] and not is_value(row):
        border = score(abs(row["threshold"]), metric) + unit(metric, difference=True)
        return f"{what} is more than {border} {word} {other}"
    return f"{what} is {word} {other}"


def describe_finding(row: dict[str, Any]) -> str:
    """What was found: 'it is 0.27 points behind, 95% interval [-0.44, -0.09]'."""
    metric = row["metric"]
    if row["difference"] is None or not math.isfinite(row["interval"][0] or math.nan):
        return "there are too few runs to say"
    low_high = interval(row["interval"], metric, signed=not is_value(row))
    level = f"{100 * row['confidence']:.3g}% interval {low_high}"
    if is_value(row):
        return f"it is {score(row['difference'], metric)}{unit(metric)}, {level}"
    above, below = (word.removesuffix(" of") for word in words_of(metric))
    size = score(abs(row["difference"]), metric) + unit(metric, difference=True)
    if row["finding"] == "equivalent" and row["interval"][0] <= 0 <= row["interval"][1]:
        margin = score(row["margin"], metric) + unit(metric, difference=True)
        return f"the difference is less than {margin} either way, {level}"
    word = above if row["difference"] > 0 else below
    if row["finding"] == "open":
        return f"it may be neither ahead nor behind: {size} {word}, {level}"
    return f"it is {size} {word}, {level}"


def describe_verdict(row: dict[str, Any]) -> str:
    """One sentence on a row of verdicts.json that stands alone: the claim, verdict and finding."""
    claim = describe_claim(row)
    return (
        f"{claim[0].upper()}{claim[1:]}: {row['verdict']}, {describe_finding(row)},"
        f" over {row['num_seeds']} paired seeds."
    )


def describe_outlook(outlook: Any, num_seeds: int) -> str:
    """What a claim's headline and the comparisons beside it could show, in a few lines."""
    metric = outlook.metric

    def amount(deviations: float | None) -> str:
        if deviations is None:
            return "nothing"
        if outlook.deviation is None:
            return f"{deviations:.2f} standard deviations of the paired differences"
        shown = score(deviations * outlook.deviation, metric) + unit(metric, difference=True)
        return f"{shown} ({deviations:.2f} standard deviations)"

    lines = [
        f"{outlook.claim}, {metrics.find(metric).label}: {num_seeds} seeds find"
        f" {amount(outlook.detectable)} in 80% of studies"
    ]
    if outlook.num_secondary:
        lines.append(
            f"  each of {outlook.num_secondary} comparisons beside it, at"
            f" {100 * outlook.secondary_level:.2g}%: {amount(outlook.secondary_detectable)}"
        )
    if outlook.margin and outlook.deviation:
        margin = score(outlook.margin, metric) + unit(metric, difference=True)
        seeds = outlook.seeds_for_equivalence
        lines.append(
            f"  equivalence within {margin} needs {seeds or 'more than 2,000'} seeds, if there is"
            " no difference"
        )
    if outlook.image_floor:
        floor = score(outlook.image_floor, metric) + unit(metric, difference=True)
        never = outlook.margin and outlook.image_floor >= outlook.margin
        lines.append(
            f"  the test images alone leave ±{floor}, however many the seeds"
            + (": no number of seeds shows equivalence" if never else "")
        )
    if outlook.source:
        lines.append(f"  ({outlook.source})")
    return "\n".join(lines)


def brief(warnings: Sequence[str]) -> str:
    """Warnings without their figures: 'differ in parameters, MACs'."""
    names = [warning.partition(":")[0] for warning in warnings]
    costs = [name.removeprefix("differ in ") for name in names if name.startswith("differ in ")]
    others = [name for name in names if not name.startswith("differ in ")]
    return "; ".join([*(["differ in " + ", ".join(costs)] if costs else []), *others])


MEANING = {
    "supported": "the interval shows what the statement says",
    "refuted": "the interval contradicts the statement",
    "equivalent": "any difference is shown to be smaller than the margin that would matter",
    "in part": "some of the things that the statement says are shown, and not all",
    "inconclusive": "the interval leaves open whether the statement holds",
}
