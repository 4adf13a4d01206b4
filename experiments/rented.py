"""A plan that is compiled for TPUs before any are rented: its flags, and what it prints."""

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from absl import flags as absl_flags

from cnnjax.config import flags, numeric, slices, words
from cnnjax.config.datasets import Where
from experiments import script
from experiments.cloud.flags import ENGINE as CLOUD

if TYPE_CHECKING:
    from cnnjax.study.timing import Group


class Rented(NamedTuple):
    """A slice of TPUs that a plan is to be compiled for."""

    slice: slices.Slice
    price: float | None  # dollars of all of it an hour


def define_flags(values: absl_flags.FlagValues) -> None:
    """Defines --accelerator and --price_per_hour."""
    absl_flags.DEFINE_string(
        "accelerator", None,
        "With --plan: compile every program for a slice of TPUs, such as v6e-8, where there is"
        " none, and say what each chip must hold and what training takes at least. Needs the extra"
        " tpu. With --engine=cloud: what to rent.",
        flag_values=values,
    )  # fmt: skip
    numeric.define_number(
        values, "price_per_hour", None,
        "With --accelerator: dollars that the whole slice costs an hour, for the least of a bill.",
    )  # fmt: skip


def read_flags(values: absl_flags.FlagValues) -> Rented | None:
    """The slice that a plan is to be compiled for, if any; from then on no TPU is looked for.

    Raises ConfigError on a name that there is not, or where the compiler is not installed.
    """
    name, price = values.accelerator, values.price_per_hour
    if name is None:
        if price is not None:
            flags.refuse("--price_per_hour is of a slice: name it too, as --accelerator=v6e-8")
        return None
    if "engine" in values and values.engine == CLOUD:
        return None
    if not values.plan:
        flags.refuse(f"--accelerator={name} compiles and trains nothing: give --plan beside it")
    if price == math.inf:
        flags.refuse("--price_per_hour=inf: give the dollars of an hour, such as 10.8")
    found = slices.find_slice(name)
    slices.require_compiler(f"--accelerator={name}")
    slices.leave_hardware_alone()
    return Rented(found, price)


def print_forecast(groups: "Sequence[Group]", where: Where, rented: Rented, quiet: bool) -> int:
    """Compiles groups for a slice and prints what they take of it; gives the exit status.

    It failed where none of them fits.
    """
    from cnnjax.report import forecast as report
    from cnnjax.report.console import open_console
    from cnnjax.study import bill
    from cnnjax.sweep import forecast

    found = forecast.foresee(groups, where, rented.slice, script.open_notes(quiet))
    total = bill.sum_up(found, rented.slice, rented.price)
    report.print_forecast(found, total, rented.slice, open_console())
    if any(own.fits for own in found):
        return script.DONE
    words.say(f"error: no group of these fits {rented.slice.name}", sys.stderr)
    return script.FAILED
