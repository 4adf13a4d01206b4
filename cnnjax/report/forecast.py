"""What groups would take of a slice of TPUs, on a terminal."""

from collections.abc import Sequence

from rich.console import Console

from cnnjax.config.config import values_of
from cnnjax.config.slices import Slice
from cnnjax.config.words import count
from cnnjax.report import text
from cnnjax.report.console import print_table, print_text, start_table, tell_apart
from cnnjax.study.bill import Forecast, Total, Wave

UNKNOWN = (
    "not counted: evaluation and measures, compiling, the host, reading images, the order of"
    " batches, passes of --precision above bfloat16, launching and waiting; no TPU was asked"
)


def print_forecast(
    forecasts: Sequence[Forecast], total: Total, slice: Slice, console: Console
) -> None:
    """Prints what each group would take of a slice, and all of them at least."""
    names = [str(place) for place in range(len(forecasts))] if len(forecasts) > 1 else [""]
    values = [values_of(own.structure) for own in forecasts]
    keys, cells = tell_apart(dict(zip(names, values, strict=True)))
    chips = f"{count(slice.chips, 'chip')} of {text.size(slice.chip_bytes)}"
    title = f"compiled for {slice.name} ({slice.topology}, {chips}), with no TPU"
    table = start_table(title, *keys)
    for name in ("lanes", "at once", "a chip holds", "of its memory", "collectives", "programs",
                 "compiled in", "step", "training"):  # fmt: skip
        table.add_column(name, justify="right")
    for name, own in zip(names, forecasts, strict=True):
        table.add_row(*cells[name], f"{own.num_lanes:,}", *_describe(own, slice))
    print_table(table, console, len(keys))
    for name, own in zip(names, forecasts, strict=True):
        arm = " ".join(f"{key}={cell}" for key, cell in zip(keys, cells[name], strict=True))
        for line in explain(own, slice):
            print_text(f"{arm if name else 'all'}: {line}", console)
    for line in describe_total(total, len(forecasts), slice):
        print_text(line, console)


def _describe(own: Forecast, slice: Slice) -> list[str]:
    """The cells of a group, from lanes at once on."""
    if not own.waves:
        return ["–"] * 8
    wave = own.waves[-1]
    held, none = own.of_chip(wave), "none" if wave.code_bytes else "–"
    return [
        f"{wave.lanes:,}",
        text.size(held) if held else "–",
        f"{100 * held / slice.chip_bytes:.1f}%" if held else "–",
        ", ".join(f"{number} {kind}" for kind, number in wave.collectives.items()) or none,
        text.size(wave.code_bytes) if wave.code_bytes else "–",
        f"{wave.seconds:.1f} s",
        "–" if own.step_seconds is None else f"≥ {duration(own.step_seconds)}",
        "–" if own.seconds is None else f"≥ {duration(own.seconds)}",
    ]


def explain(own: Forecast, slice: Slice) -> list[str]:
    """What a person must know of a group: that it is refused, does not fit, or only in parts."""
    if own.error:
        return [f"the compiler refuses it: {own.error}"]

    def say(wave: Wave) -> str:
        held = own.of_chip(wave)
        takes = text.size(held) if held else "more than there is"
        return f"{count(wave.lanes, 'lane')} at once: {takes} of each chip"

    tried = "; ".join(map(say, own.waves[:-1] if own.fits else own.waves))
    there = text.size(slice.chip_bytes)
    if own.fits:
        return [f"{tried}, too much of {there}; {say(own.waves[-1])}"] if tried else []
    way = "give a smaller --batch_size or network, or a larger chip"
    if own.in_turn is not None:
        way = f"--lanes_strategy=map fits: {say(own.in_turn)}"
    return [f"does not fit {there}: {tried}; {way}"]


def describe_total(total: Total, num_groups: int, slice: Slice) -> list[str]:
    """The least that all groups take, the bill, and what is in neither."""
    if not total.num_known:
        return ["time: nothing is known of it"]
    others = num_groups - total.num_known
    without = f", without {count(others, 'group')} of which nothing is known" if others else ""
    whole, one = duration(total.seconds), duration(3600 * total.chip_hours)
    lines = [f"time: training takes {slice.name} at least {whole} ({one} of one chip){without}"]
    if total.dollars is not None:
        least = f"at least ${total.dollars:,.2f}" if total.dollars >= 0.01 else "less than a cent"
        lines.append(f"bill: {least} for that")
    return [*lines, UNKNOWN]


def duration(seconds: float) -> str:
    """Seconds as '0.1 ms', '12.3 s', '4.5 minutes' or '7.8 hours'."""
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
