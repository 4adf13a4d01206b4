"""Numbers as a reader wants them: shares in per cent, their differences in points."""

import math
from collections.abc import Sequence
from typing import Any

from cnnjax.metrics import METRICS


def number(value: float | None, digits: int = 2, signed: bool = False) -> str:
    """A number with a true minus sign, or a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    if not signed and value < 0 and round(value, digits) == 0:
        value = 0.0
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def score(value: float | None, metric: str, signed: bool = False) -> str:
    """A score as its metric is shown: 0.9609 of accuracy as '96.09'."""
    if value is not None and METRICS[metric].share:
        return number(100 * value, 2, signed)
    digits = 3 if value is None or abs(value) < 10 else 1
    return number(value, digits, signed)


def unit(metric: str, difference: bool = False) -> str:
    """What stands behind a score, or behind a difference of two."""
    if METRICS[metric].share:
        return " points" if difference else "%"
    return f" {METRICS[metric].unit}" if METRICS[metric].unit else ""


def interval(bounds: Sequence[float] | None, metric: str, signed: bool = True) -> str:
    """'[low, high]' as the metric is shown."""
    if bounds is None:
        return "–"
    return f"[{score(bounds[0], metric, signed)}, {score(bounds[1], metric, signed)}]"


def probability(value: float) -> str:
    """A p value, never as 0."""
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
    """The difference of a row of verdicts.json with its interval: '+0.52 points [0.1, 0.9]'."""
    metric = row["metric"]
    difference = score(row["difference"], metric, signed=True)
    return f"{difference}{unit(metric, True)} {interval(row['interval'], metric)}"


def describe_verdict(row: dict[str, Any]) -> str:
    """One sentence on a row of verdicts.json that stands alone."""
    adjusted = {"holm": "Holm", "benjamini-hochberg": "Benjamini-Hochberg"}[row["adjustment"]]
    p, metric = probability(row["p_adjusted"]), row["metric"]
    means = [score(row[key], metric) + unit(metric) for key in ("mean_a", "mean_b")]
    is_number = row["b"].replace(".", "", 1).removeprefix("-").isdigit()  # its name says it twice
    other = f"against {means[1]}" if is_number else f"{row['b']} {means[1]}"
    return (
        f"{METRICS[metric].label.capitalize()}: {row['a']} has {means[0]}, {other};"
        f" a difference of {score(row['difference'], metric, True)}{unit(metric, True)},"
        f" 95% interval {interval(row['interval'], metric)},"
        f" p {p if p.startswith('<') else '= ' + p} ({adjusted}),"
        f" over {row['num_seeds']} paired seeds."
    )


def brief(warnings: Sequence[str]) -> str:
    """Warnings without their figures: 'differ in parameters, MACs'."""
    names = [warning.partition(":")[0] for warning in warnings]
    costs = [name.removeprefix("differ in ") for name in names if name.startswith("differ in ")]
    others = [name for name in names if not name.startswith("differ in ")]
    return "; ".join([*(["differ in " + ", ".join(costs)] if costs else []), *others])


MEANING = {
    "supported": "the difference is there, as the statement says",
    "refuted": "there is a difference that contradicts the statement",
    "equivalent": "any difference is shown to be smaller than the margin that would matter",
    "inconclusive": "the data can neither show a difference nor rule one out",
}
