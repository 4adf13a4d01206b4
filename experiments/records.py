"""What runs there are, read from their records: nothing is trained, and no JAX is needed."""

import json
import pathlib
import sys
from collections.abc import Sequence

from absl import flags as absl_flags

from cnnjax.config import flags, words
from cnnjax.config.knobs import format_value, printable
from cnnjax.records import index, inventory, remembered, shared, store
from cnnjax.records.inventory import Row
from cnnjax.records.record import CHECKPOINTS
from experiments import script

DESCRIPTION = """
python -m experiments.records --list|--check|--prune|--export=FILE|--bundle=FILE [--runs=FOLDER]

--list names the finished runs of a folder in one table, a row for all that differ in their seed
alone, the newest last: what of their settings is not by default, and how they scored. Runs of one
origin (code, libraries, machine) have the same six digits there, and only those are compared; where
a plug-in had several texts, a column tells which, and these are not compared either.

--check opens every record with its answers and weights, compares their checksums, and names in a
line each what is damaged, was changed or lies in the wrong place.

--prune removes what nothing needs any more, and names it: checkpoints of finished runs, what killed
launches left, what was set aside. With --plan it only names it. docs/runs.md has the whole list.

--export=FILE.csv or FILE.parquet writes a table, a row a run: knobs, scores, cost, date and host.

--bundle=FILE.zip packs records, plug-ins and reports for a reviewer, who judges them elsewhere
without training, by the README.txt in it; with --study=NAME one report and what it compares.

What is damaged is left out of a table and of a bundle, and named on stderr.

Exit status: 0 done, 1 --check found something damaged, or a file could not be written, 2 the
command line is wrong, or the folder has no records, 75 interrupted.
"""


MOST_COLUMNS = 4  # knobs that vary; where there are more, one column names them in a line
SUFFIXES = {"export": (".csv", ".parquet"), "bundle": (".zip",)}
BELONGS = {"json": "list", "plan": "prune", "study": "bundle"}  # flags, and beside which they stand


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Does what the flags ask for with the records of a folder; gives the exit status."""
    values = absl_flags.FlagValues()
    define_flags(values)
    positional = flags.parse(values, argv, DESCRIPTION)
    if positional:
        hint = flags.quote(f"--runs={positional[0]}")
        flags.refuse(f"unexpected {positional[0]!r}: name the folder by {hint}")
    act = read_act(values)
    if act == "prune" and shared.is_url(values.runs):
        flags.refuse("--prune is for a folder of this machine: others may be at work in a store")
    runs = shared.open_runs(values.runs)
    shared.pull_folders(runs / "records", "record.json")
    if act == "list":
        list_records(runs, values.json)
    if act == "prune":
        prune_records(runs, values.plan)
    if act == "export":
        export_records(runs, pathlib.Path(values.export))
    if act == "bundle":
        return bundle_records(runs, pathlib.Path(values.bundle), values.study or "", stop)
    return check_records(runs) if act == "check" else script.DONE


def define_flags(values: absl_flags.FlagValues) -> None:
    """What can be done with records, and where they are."""
    for name, help in (
        ("list", "List the runs."), ("check", "Check all that records hold."),
        ("prune", "Remove what nothing needs any more."),
        ("plan", "With --prune: only name what would be removed."),
        ("json", "With --list: as JSON."),
    ):  # fmt: skip
        absl_flags.DEFINE_boolean(name, False, help, flag_values=values)
    for name, help in (
        ("export", "Write a table of all runs: FILE.csv or FILE.parquet."),
        ("bundle", "Pack records, plug-ins and reports for a reviewer: FILE.zip."),
        ("study", "With --bundle: only this report, and the runs that it compares."),
    ):
        absl_flags.DEFINE_string(name, None, help, flag_values=values)
    absl_flags.DEFINE_string(
        "runs", "runs", "Folder or store in whose records/ they lie.", flag_values=values
    )


def read_act(values: absl_flags.FlagValues) -> str:
    """What is to be done. Ends the program where that is not one thing, or is half said."""
    acts = ("list", "check", "prune", "export", "bundle")
    given = [name for name in acts if values[name].value not in (False, None)]
    if len(given) != 1:
        flags.refuse("give --list, --check, --prune, --export=FILE or --bundle=FILE, one of them")
    for name, beside in BELONGS.items():
        if values[name].value not in (False, None) and beside != given[0]:
            flags.refuse(f"--{name} goes with --{beside}")
    for name, allowed in SUFFIXES.items():
        file = values[name].value
        if file is not None and pathlib.Path(file).suffix not in allowed:
            flags.refuse(f"--{name}={file}: give a file that ends in {' or '.join(allowed)}")
    return given[0]


def warn(line: object) -> None:
    """A line on stderr."""
    words.say(printable(f"{script.WARNING}{line}"), sys.stderr)


def check_records(runs: pathlib.Path) -> int:
    """Prints what is damaged; gives the exit status. Raises ConfigError without any record."""
    from cnnjax.records import check  # imports NumPy, for which --help does not wait

    number, damaged = store.count_files(runs), 0
    if not number:
        raise store.refuse_empty(runs)
    for line in check.list_damaged(runs):
        words.say(printable(line))
        damaged += 1
    words.say(f"{words.count(number, 'record')} checked, {damaged} damaged")
    return script.FAILED if damaged else script.DONE


def prune_records(runs: pathlib.Path, plan: bool) -> None:
    """Removes what nothing needs, a line each. Raises ConfigError where no study ever ran."""
    from cnnjax.records import prune
    from cnnjax.report import folders

    if not any((runs / name).is_dir() for name in ("records", CHECKPOINTS)):
        raise store.refuse_empty(runs)
    number, size = 0, 0

    def note(line: str) -> None:
        words.say(printable(line), sys.stderr)

    for own in prune.prune(runs, note, folders.list_texts(runs), plan):
        words.say(printable(f"{own.path}: {measure(own.size)}, {own.reason}"))
        number, size = number + 1, size + own.size
    done = "would be removed" if plan else "removed"
    words.say(f"{words.count(number, 'thing')}, {measure(size)}, {done}")


def measure(size: int) -> str:
    """Bytes in words."""
    return f"{size / 2**20:,.1f} MiB" if size >= 2**20 / 10 else f"{size / 2**10:,.1f} KiB"


def export_records(runs: pathlib.Path, path: pathlib.Path) -> None:
    """Writes a table of all runs. Raises ConfigError where there are none."""
    from cnnjax.records import export

    rows = export.list_rows(store.load_records(runs, lambda error: warn(f"{error}: left out")))
    if not rows:
        raise store.refuse_empty(runs)
    export.WRITERS[path.suffix](path, rows)
    columns = words.count(len(rows[0]), "column")
    words.say(printable(f"{words.count(len(rows), 'run')}, {columns}: {path}"))


def bundle_records(runs: pathlib.Path, path: pathlib.Path, study: str, stop: script.Stop) -> int:
    """Packs what a reviewer needs, and says what was left out; gives the exit status."""
    from cnnjax.report import bundle

    try:
        with stop.listen() as should_stop:  # what is half packed must not stay
            packed = bundle.write(path, runs, study, should_stop)
    except bundle.Stopped:
        return script.INTERRUPTED
    for line in packed.warnings:
        warn(line)
    records = words.count(packed.num_records, "record")
    reports = words.count(packed.num_reports, "report")
    words.say(printable(f"{records}, {reports}, {measure(packed.size)}: {path}"))
    return script.DONE


def list_records(runs: pathlib.Path, as_json: bool) -> None:
    """Prints a row for the runs of each setting. Raises ConfigError where there are none."""
    heads = index.list_heads(runs)
    remembered.remember(heads, runs / "records")
    rows = inventory.list_rows(heads)
    if not rows:
        raise store.refuse_empty(runs)
    if as_json:
        json.dump([row._asdict() for row in rows], sys.stdout, indent=1)
        print()
    else:
        print_rows(rows)
        size = inventory.measure_size(runs) / 2**20
        records = words.count(len(heads), "record")
        words.say(printable(f"{records}, {size:,.1f} MiB, in {runs / 'records'}"))
    unread = store.count_files(runs) - len(heads)
    if unread:
        more = words.count(unread, "more is", "more are")
        warn(f"{more} damaged or of another schema, and not read: --check names them")


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
    script.run(main, "every file is whole")
