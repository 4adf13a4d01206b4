"""The tables that experiments.judge prints. Imports no JAX."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.markup import escape

from cnnjax.config.words import count
from cnnjax.report import console as console_lib
from cnnjax.report import text
from cnnjax.study import statistics
from cnnjax.study.scores import Scores


def count_digits(bounds: Sequence[float], value: float) -> int:
    """Decimals that show two digits of an interval's width, or four of a value without one."""
    width = bounds[1] - bounds[0]
    if math.isfinite(width) and width > 0:
        return min(12, max(0, 1 - math.floor(math.log10(width))))
    if not math.isfinite(value) or value == 0:
        return 3
    return min(12, max(0, 3 - math.floor(math.log10(abs(value)))))


def print_rows(
    rows: Sequence[Mapping[str, Any]], scores: Scores, notes: Sequence[str], unpaired: bool
) -> None:
    """Prints the comparisons, then the arms, in the unit of the metric."""
    unit = "%" if scores.percent else ""
    console, first = console_lib.open_console(), rows[0]
    runs = "runs not paired" if unpaired else count(first["num_seeds"], "paired seed")
    if scores.images is not None:
        runs += f" and {count(next(iter(scores.images.values())).shape[1], 'image')}"
    title = f"{first['metric']}, {runs}"
    if first["margin"] is not None:
        title += f", margin {first['margin']:g}{unit and ' points'}"
    asked = f"is a {first['relation']} b?"
    if first["threshold"] is not None:
        asked = f"is a − b {first['relation']} {first['threshold']:g}?"
    table = console_lib.start_table(f"{title}: {asked}", "a − b")
    level = f"{100 * first['confidence']:.3g}% interval"
    for name in ("points" if unit else "difference", level, "p adj.", "wins"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for row in rows:
        style, bounds = console_lib.STYLES[row["verdict"]], row["interval"]
        digits = count_digits(bounds, row["difference"])
        low, high = (text.number(bound, digits, signed=True) for bound in bounds)
        table.add_row(
            escape(f"{row['a']} − {row['b']}"), text.number(row["difference"], digits, True),
            escape(f"[{low}, {high}]"), text.probability(row["p_adjusted"]),
            f"{row['wins']:.0%}" if math.isfinite(row["wins"]) else "–",
            f"[{style}]{row['verdict']}[/{style}]",
        )  # fmt: skip
    console_lib.print_table(table, console)
    table = console_lib.start_table(f"{first['metric']} by arm", "arm")
    for name in ("runs", "failed", "mean", "95% interval"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, own in scores.arms.items():
        sound = own[np.isfinite(own)]
        mean = float(sound.mean()) if len(sound) else math.nan
        bounds = statistics.mean_interval(sound)
        digits = count_digits(bounds, mean)
        low, high = (text.number(bound, digits) for bound in bounds)
        table.add_row(
            escape(name), str(len(own)), str(len(own) - len(sound)),
            text.number(mean, digits) + unit, escape(f"[{low}, {high}]"),
        )  # fmt: skip
    console_lib.print_table(table, console)
    for note in notes:
        console_lib.print_text(f"note: {note}", console)
    for warning in dict.fromkeys(warning for row in rows for warning in row["warnings"]):
        console_lib.print_text(f"warning: {warning}", console)
