"""Trains the cases here and compares them with what another machine made of them."""

import pathlib
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from absl import flags as absl_flags

from cnnjax.config import flags, words
from cnnjax.config.knobs import ConfigError
from cnnjax.records import origin
from cnnjax.records.atomic import parse_json, write_json
from cnnjax.study.options import Options
from experiments import script
from experiments.agree import cases, levels

if TYPE_CHECKING:  # JAX is imported where it is needed, so that --help is answered at once
    from rich.table import Table

DESCRIPTION = """
python -m experiments.agree [--cases=convolution,in-step] [--reference=FILE] [--write=FILE]

Trains small networks on whatever is here, five seeds of two arms a case, and says of each how far
the numbers agree with those of the machine that made the reference: the same bits, the same within
so many nats of training loss, or the same verdict on the two arms. --write keeps the numbers of
this machine, to be the reference of another.

Exit status: 0 all agree as far as they should, which between machines of one origin is to the bit
and between others within the tolerance of the case; 1 some do not; 2 the command line is wrong.
"""
REFERENCE = pathlib.Path(__file__).with_name("reference.json")


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Trains and compares; gives the exit status."""
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_list(
        "cases", [*cases.CASES], f"Of {', '.join(cases.CASES)}; all if not given.",
        flag_values=values,
    )  # fmt: skip
    absl_flags.DEFINE_string(
        "reference", str(REFERENCE), "Numbers of another machine; if not given those of the machine"
        " that this file came from.", flag_values=values,
    )  # fmt: skip
    absl_flags.DEFINE_string(
        "write", None, "File to write the numbers of this machine to.", flag_values=values
    )
    if others := flags.parse(values, argv, DESCRIPTION):
        flags.refuse(f"unexpected {others[0]!r}: all is given by flags")
    for name in values.cases:
        if name not in cases.CASES:
            flags.refuse(flags.describe_unknown("case", name, [*cases.CASES]))
    reference = read_reference(pathlib.Path(values.reference))
    from cnnjax.sweep import backend

    backend.configure_jax()
    with script.observe(stop, quiet=True):
        found = {name: train(name) for name in values.cases}
    if values.write:
        write_json(pathlib.Path(values.write), found)
    return print_all(found, reference)


def read_reference(path: pathlib.Path) -> dict[str, Any]:
    """What a machine wrote, by case. Raises ConfigError where it is none."""
    try:
        read = parse_json(path.read_bytes())
        return {name: {**row, "numbers": levels.Numbers(**row["numbers"])}
                for name, row in read.items()}  # fmt: skip
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"--reference={path} holds no numbers of a machine: {error}") from None


def train(name: str) -> dict[str, Any]:
    """The numbers of a case here, and their origin."""
    from cnnjax import api

    study = cases.make_study(name)
    with tempfile.TemporaryDirectory() as folder:
        options = Options(pathlib.Path(folder), num_seeds=cases.SEEDS)
        finished = api.run_study(api.check_study(study, {}, options), options)
        (row,) = api.judge_study(finished, options).verdicts
    numbers = levels.sum_up(finished.records, row)
    own = origin.read(finished.records[0].provenance)
    return {"numbers": numbers._asdict(), "origin": own}


def print_all(found: dict[str, Any], reference: dict[str, Any]) -> int:
    """Prints how far each case agrees; gives the exit status."""
    from cnnjax.report import console

    table = console.start_table("", "case")
    for head in ("agreement", "furthest, nats", "tolerance", "verdict here", "there", "of"):
        table.add_column(head)
    status, unlike = script.DONE, dict[str, None]()
    for name, own in found.items():
        if name not in reference:
            words.say(f"{name}: the reference lacks it")
            continue
        other, tolerance = reference[name], cases.CASES[name].tolerance
        differ = origin.compare([other["origin"], own["origin"]])
        numbers = levels.Numbers(**own["numbers"])
        agreed = levels.compare(numbers, other["numbers"], tolerance)
        expected = (levels.BITS,) if not differ else (levels.BITS, levels.WITHIN)
        if agreed.level not in expected:
            status = script.FAILED
        unlike |= dict.fromkeys(differ)
        add_row(table, name, agreed, tolerance, numbers.verdict, other["numbers"].verdict)
    there = console.open_console()
    console.print_table(table, there)
    for line in unlike or ["both machines are of one origin: the bits should be the same"]:
        console.print_text(line, there)
    return status


def add_row(
    table: "Table", name: str, agreed: levels.Agreement, tolerance: float, *verdicts: str
) -> None:
    """One case in the table."""
    within = f" {agreed.deviation:.1g}" if agreed.level == levels.WITHIN else ""
    table.add_row(
        name, f"{agreed.level}{within}", f"{agreed.deviation:.2g}", f"{tolerance:g}", *verdicts,
        cases.CASES[name].about,
    )  # fmt: skip


if __name__ == "__main__":
    script.run(main, "nothing was written")
