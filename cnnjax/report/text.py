"""Numbers as a reader wants them: shares in per cent, their differences in points."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cnnjax.config.words import count
from cnnjax.study import metrics
from cnnjax.study.claims import is_deviation

if TYPE_CHECKING:  # it reaches JAX
    from cnnjax.study.foresight import Outlook


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
    return number(value, 3 if value is None or abs(value) < 10 else 1, signed)


def unit(metric: str, difference: bool = False) -> str:
    """What stands behind a score, or behind a difference of two."""
    if metrics.find(metric).share:
        return " points" if difference else "%"
    return f" {metrics.find(metric).unit}" if metrics.find(metric).unit else ""


def measure(
    value: float | None, metric: str, difference: bool = False, signed: bool = False
) -> str:
    """A score with its unit, or a dash where there is none."""
    own = unit(metric, difference) if is_known(value) else ""
    return score(value, metric, signed) + own


def interval(bounds: Sequence[float] | None, metric: str, signed: bool = True) -> str:
    """'[low, high]' as the metric is shown, or a dash where there is none."""
    if bounds is None or not all(map(is_known, bounds)):
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


def amount(value: float, metric: str) -> str:
    """The size of a border in few digits: 0.02 of accuracy as '2 points'."""
    own = metrics.find(metric)
    shown = f"{abs(value) * (100 if own.share else 1):.4g}"
    words = unit(metric, difference=True)
    return shown + (words.removesuffix("s") if shown == "1" and own.share else words)


def is_known(value: float | None) -> bool:
    """Whether there is a number: JSON has null where there is none."""
    return value is not None and math.isfinite(value)


def level(row: dict[str, Any]) -> str:
    """What an interval of a row of verdicts.json covers: '95%', or '98.3%' of one beside others."""
    return f"{100 * row['confidence']:.3g}%"


def is_number(name: str) -> bool:
    """Whether a side of a comparison is named by a number."""
    try:
        float(name)
    except ValueError:
        return False
    return True


def is_contrast(name: str) -> bool:
    """Whether a side is itself a difference of scores: a lead, a slope or a deviation."""
    return is_deviation(name) or name.startswith("lead of ") or "per doubling of " in name


def is_value(row: dict[str, Any]) -> bool:
    """Whether a row holds one score against a number, and so has no difference of two."""
    return row["threshold"] is not None and is_number(row["b"])


def name_side(name: str, metric: str) -> str:
    """A side as words of a sentence: 'the lead of a over b', '2.303 nats'."""
    if is_number(name):
        return score(float(name), metric) + unit(metric)
    if name.startswith("lead of ") or is_deviation(name):
        return f"the {name}"
    if is_contrast(name):
        arms, _, knob = name.rpartition("per doubling of ")
        return f"the gain of {arms}per doubling of {knob}" if arms else f"the gain {name}"
    head, of, rest = name.partition(" of ")
    return f"the {metrics.find(head).label}{of}{rest}" if head in metrics.list_names() else name


def _words(row: dict[str, Any]) -> tuple[str, str]:
    """How a side with the higher score, and one with the lower, is said to stand to the other."""
    plain = not any(is_contrast(row[side]) or is_number(row[side]) for side in ("a", "b"))
    return ("ahead", "behind") if plain and row["metric"].endswith("accuracy") else (
        "above", "below"
    )  # fmt: skip


def is_single(row: dict[str, Any]) -> bool:
    """Whether what a row measures is one score: against a number, and no lead and no slope."""
    return is_value(row) and not is_contrast(row["a"])


def describe_difference(row: dict[str, Any]) -> str:
    """What a row of verdicts.json measured: '+1.00 points', or one score against a number."""
    of_two = not is_single(row)
    return measure(row["difference"], row["metric"], difference=of_two, signed=of_two)


def describe_bounds(row: dict[str, Any]) -> str:
    """The interval of what a row of verdicts.json measured; a dash where there is none."""
    return interval(row["interval"], row["metric"], signed=not is_single(row))


def describe_effect(row: dict[str, Any]) -> str:
    """The difference of a row of verdicts.json with its interval, apart from what it had to pass:
    '+1.00 points [+0.81, +1.26]; more than +2 points is claimed'.
    """  # fmt: skip
    shown = describe_difference(row)
    if is_known(row["interval"][0]):
        shown += f" {describe_bounds(row)}"
    if row["threshold"] is None:
        return shown
    of_two = not is_single(row)
    border = measure(row["threshold"], row["metric"], difference=of_two, signed=of_two)
    return f"{shown}; {'more' if row['relation'] == '>' else 'less'} than {border} is claimed"


def describe_claim(row: dict[str, Any]) -> str:
    """What a row of verdicts.json tried: 'pool=max is more than 2 points ahead of pool=avg'."""
    metric, relation, (above, below) = row["metric"], row["relation"], _words(row)
    a, b = (name_side(row[side], metric) for side in ("a", "b"))
    if is_contrast(row["a"]) and is_number(row["b"]):
        b = score(float(row["b"]), metric) + unit(metric, difference=True)
    named = any(shown.startswith("the ") and not is_contrast(row[side])
                for side, shown in (("a", a), ("b", b)))  # fmt: skip
    within = "" if named or metric == "test_accuracy" else f" in {metrics.find(metric).label}"
    about = f"{row['about']}: " if row.get("about") else ""
    if relation == "=":
        what = f"{a} and {b} are within {amount(row['margin'], metric)} of each other"
    elif relation == "!=":
        what = f"{a} and {b} differ"
    elif row["threshold"] and not is_value(row):
        more = (relation == ">") == (row["threshold"] > 0)
        word = above if row["threshold"] > 0 else below
        border = f"{'more' if more else 'less'} than {amount(row['threshold'], metric)}"
        what = f"{a} is {border} {word}{' of' if word == 'ahead' else ''} {b}"
    else:
        word = above if relation == ">" else below
        what = f"{a} is {word}{' of' if word == 'ahead' else ''} {b}"
    return about + what + within


def describe_finding(row: dict[str, Any]) -> str:
    """What was found: 'it is 0.27 points behind, 95% interval [-0.44, -0.09]'."""
    metric, (above, below) = row["metric"], _words(row)
    subject = name_side(row["a"], metric) if row["relation"] in ("=", "!=") else "it"
    if not is_known(row["difference"]):
        return f"nothing is known: {why_open(row)}"
    signed = not is_value(row) or is_contrast(row["a"])
    if is_value(row):
        size = score(row["difference"], metric, signed) + unit(metric, difference=signed)
        found = f"{subject} is {size}"
    else:
        size = score(abs(row["difference"]), metric) + unit(metric, difference=True)
        found = f"{subject} is {size} {above if row['difference'] > 0 else below}"
        if not row["difference"]:
            found = "there is no difference"
    low, high = row["interval"]
    if not is_known(low) or not is_known(high):
        return f"{found}, but {why_open(row)}"
    found += f", {level(row)} interval {interval((low, high), metric, signed)}"
    return found + _describe_doubt(row, low, high)


def why_open(row: dict[str, Any]) -> str:
    """Why a comparison has no interval: '7 of 10 failed', '3 seeds are needed'."""
    said = [line for line in row["warnings"] if line.startswith("inconclusive: ")]
    return said[0].removeprefix("inconclusive: ") if said else "there are too few runs"


def _describe_doubt(row: dict[str, Any], low: float, high: float) -> str:
    """What an interval says of the border that matters, where its verdict does not."""
    if row["threshold"] is not None:
        return ", which leaves it open" if row["verdict"] == "inconclusive" else ""
    margin = amount(row["margin"], row["metric"])
    apart = low > 0 or high < 0
    if row["finding"] == "open":
        return ", which may be chance"
    if row["finding"] == "equivalent":
        return f", less than {margin}" + ("" if apart else " either way")
    if row["verdict"] == "inconclusive":  # of "no difference"
        return f": a difference; whether one of {margin} is open"
    beyond = min(abs(low), abs(high)) > row["margin"]
    return f", more than {margin}" if apart and beyond else ""


def describe_verdict(row: dict[str, Any], scope: str = "") -> str:
    """One sentence on a row of verdicts.json that stands alone: the claim, verdict and finding.

    `scope` says what it holds for (`describe_scope`).
    """
    claim = describe_claim(row)
    images = " and test images" if is_known(row.get("image_error")) else ""
    seeds = count(row["num_seeds"], "paired seed") + images
    sentence = f"{row['verdict']}, {describe_finding(row)}, over {seeds}{scope and ', ' + scope}."
    return f"{claim[0].upper() if claim.startswith('the ') else claim[0]}{claim[1:]}: {sentence}"


def describe_outlook(outlook: "Outlook", num_seeds: int) -> str:
    """What a claim's headline and the comparisons beside it could show, in a few lines."""
    metric = outlook.metric

    def effect(deviations: float | None) -> str:
        if deviations is None:
            return "nothing"
        if outlook.deviation is None:
            return f"{deviations:.2f} standard deviations of the paired differences"
        shown = score(deviations * outlook.deviation, metric) + unit(metric, difference=True)
        return f"{shown} ({deviations:.2f} standard deviations)"

    finds = f"{count(num_seeds, 'seed finds', 'seeds find')} {effect(outlook.detectable)}"
    lines = [f"{outlook.claim}, {metrics.find(metric).label}: {finds} in 80% of studies"]
    if number := outlook.num_secondary:
        lines.append(
            f"  {'the' if number == 1 else 'each of'} {count(number, 'comparison')} beside it, at"
            f" {100 * outlook.secondary_level:.2g}%: {effect(outlook.secondary_detectable)}"
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
