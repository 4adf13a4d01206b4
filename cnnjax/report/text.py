"""Numbers as a reader wants them: accuracies in per cent, their differences in points."""

from collections.abc import Sequence
from typing import Any


def percent(value: float, digits: int = 2) -> str:
    """0.9609 as '96.09'."""
    return f"{100 * value:.{digits}f}"


def points(value: float) -> str:
    """A signed difference of accuracies in percentage points, with a true minus sign."""
    return f"{100 * value:+.2f}".replace("-", "−")


def interval(bounds: Sequence[float], signed: bool = True) -> str:
    """'[low, high]' in points or per cent."""
    show = points if signed else percent
    return f"[{show(bounds[0])}, {show(bounds[1])}]"


def probability(value: float) -> str:
    """A p value, never as 0."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def optional(value: float | None) -> str:
    """Two digits, or a dash where there is no number."""
    return "–" if value is None else f"{value:.2f}".replace("-", "−")


def shape(values: Sequence[int]) -> str:
    """[4, 4, 32] as '4x4x32'."""
    return "×".join(map(str, values))


def size(count: int) -> str:
    """Bytes as '14.3 KiB'."""
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:,.0f} {unit}" if unit == "B" else f"{value:,.1f} {unit}"


def describe_verdict(row: dict[str, Any]) -> str:
    """One sentence on a row of verdicts.json that stands alone."""
    adjusted = {"holm": "Holm", "benjamini-hochberg": "Benjamini-Hochberg"}[row["adjustment"]]
    p = probability(row["p_adjusted"])
    return (
        f"{row['a']} reaches {percent(row['mean_a'])}% and {row['b']} {percent(row['mean_b'])}%:"
        f" a difference of {points(row['difference'])} points, 95% interval"
        f" {interval(row['interval'])}, p {p if p.startswith('<') else '= ' + p} ({adjusted}),"
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
