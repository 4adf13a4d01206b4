"""What runs there are, read from their records: nothing is trained, and no JAX is needed."""

import json
import pathlib
import sys
from collections.abc import Sequence

from absl import flags as absl_flags

from cnnjax.config import flags, words
from cnnjax.config.knobs import ConfigError, format_value, printable
from cnnjax.records import index, inventory, remembered, store
from cnnjax.records.inventory import Row
from experiments import script

DESCRIPTION = """
python -m experiments.records --list|--check [--runs=FOLDER]

Lists the finished runs of a folder in one table, a row for all that differ in their seed alone,
the newest last: what of their settings is not by default, and how they scored. Runs of one origin
(code, libraries, machine) have the same six digits there, and only those are compared; where a
plug-in had several texts, a column tells which, and these are not compared either.

--check opens every record with its answers and weights, compares their checksums, and names in a
line each what is damaged, was changed or lies in the wrong place.

Exit status: 0 done, 1 something is damaged, 2 the command line is wrong, or the folder has no
records.
"""


MOST_COLUMNS = 4  # knobs that vary; where there are more, one column names them in a line


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Does what the flags ask for with the records of a folder; gives the exit status."""
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_boolean("list", False, "List the runs.", flag_values=values)
    absl_flags.DEFINE_boolean("check", False, "Check all that records hold.", flag_values=values)
    absl_flags.DEFINE_boolean("json", False, "With --list: as JSON.", flag_values=values)
    absl_flags.DEFINE_string(
        "runs", "runs", "Folder in whose records/ they lie.", flag_values=values
    )
    positional = flags.parse(values, argv, DESCRIPTION)
    if positional:
        hint = flags.quote(f"--runs={positional[0]}")
        flags.refuse(f"unexpected {positional[0]!r}: name the folder by {hint}")
    if values.list == values.check:
        flags.refuse("give --list or --check, one of them")
    if values.check:
        return check_records(pathlib.Path(values.runs))
    list_records(pathlib.Path(values.runs), values.json)
    return script.DONE


def check_records(runs: pathlib.Path) -> int:
    """Prints what is damaged; gives the exit status. Raises ConfigError without any record."""
    from cnnjax.records import check  # imports NumPy, for which --help does not wait

    number, damaged = store.count_files(runs), 0
    if not number:
        raise ConfigError(f"{runs} has no records: give --runs=FOLDER, in which a study ran")
    for line in check.list_damaged(runs):
        words.say(printable(line))
        damaged += 1
    words.say(f"{words.count(number, 'record')} checked, {damaged} damaged")
    return script.FAILED if damaged else script.DONE


def list_records(runs: pathlib.Path, as_json: bool) -> None:
    """Prints a row for the runs of each setting. Raises ConfigError where there are none."""
    heads = index.list_heads(runs)
    remembered.remember(heads, runs / "records")
    rows = inventory.list_rows(heads)
    if not rows:
        raise ConfigError(f"{runs} has no records: give --runs=FOLDER, in which a study ran")
    if as_json:
        json.dump([row._asdict() for row in rows], sys.stdout, indent=1)
        print()
        return
    print_rows(rows)
    count = sum(len(row.ids) for row in rows)
    size = inventory.measure_size(runs) / 2**20
    records = words.count(count, "record")
    words.say(printable(f"{records}, {size:,.1f} MiB, in {runs / 'records'}"))
    unread = store.count_files(runs) - count
    if unread:
        more = words.count(unread, "more is", "more are")
        said = f"warning: {more} damaged or of another schema, and not read: --check names them"
        words.say(said, sys.stderr)


def print_rows(rows: Sequence[Row]) -> None:
    """The table, without what is the same in all rows, which is said once."""
    from rich.markup import escape

    from cnnjax.report.console import open_console, print_table, start_table, tell_apart

    shared = inventory.find_shared(rows) if len(rows) > 1 else {}
    settings = [
        {name: value for name, value in row.settings.items() if name not in shared} for row in rows
    ]
    keys = ["setting"]
    cells = [[escape(describe(own) or "default")] for own in settings]
    varied = {name for own in settings for name in own}
    if len(rows) > 1 and 0 < len(varied) <= MOST_COLUMNS:  # an empty cell is the default
        keys, by_place = tell_apart({str(place): own for place, own in enumerate(settings)})
        cells = [*by_place.values()]
    table = start_table("runs, the newest last", *keys)
    for name in ("data", "seeds", "test accuracy", "failed", "date", "origin"):
        table.add_column(name, justify="right")
    versions = inventory.tell_versions(rows)
    if any(versions):
        table.add_column("plug-ins", justify="right")
    for row, setting, version in zip(rows, cells, versions, strict=True):
        accuracy = "–" if row.test_accuracy is None else f"{100 * row.test_accuracy:.2f}%"
        table.add_row(
            *setting, escape(printable(row.dataset)),
            inventory.describe_seeds(row.seeds), accuracy, str(row.num_failed),
            row.date[:16].replace("T", " "), row.origin,
            *([escape(version)] if any(versions) else []),
        )  # fmt: skip
    print_table(table, open_console(), len(keys))
    if shared:
        words.say(f"all: {describe(shared)}")


def describe(settings: dict) -> str:
    """Settings as 'pool=avg widths=16,32'."""
    return " ".join(f"{name}={format_value(value)}" for name, value in settings.items())


if __name__ == "__main__":
    script.run(main, "nothing was changed")
