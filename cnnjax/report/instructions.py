"""What a bundle says to who judges it: how to unpack it, by what it was made, which commands."""

import pathlib
import shlex
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from cnnjax.config import installed
from cnnjax.records.record import Record

RUNS, PLUGINS = "runs", "plugins"  # folders within
TEXT = """\
Runs of cnnjax, for who judges them without training

runs/records/ID/       a finished run: its settings, scores, learning curve, by what code, where and
                       when (record.json), what it answered for each test image
runs/records/plugins/  the text of each plug-in that a run or a report used, by its hash
runs/STUDY/            a report: open report.html; verdicts.json and the tables have its numbers
plugins/STUDY/         the plug-ins that the command of a report loads, by their names
SHA256SUMS             checksums of all this

The runs were made by

{revisions}

Unpack it in a checkout of that (another may judge otherwise), installed as its README says, and see
that it is whole:

    unzip FILE.zip -d bundle
    (cd bundle && sha256sum -c SHA256SUMS)  # on macOS shasum -a 256 -c
    python -m experiments.records --check --runs=bundle/runs

Each report below is made again from its records by the command under it. Nothing is trained, and no
code of a plug-in runs but where --plugin names its file: read that before. The same checksums then
tell what is the same: verdicts.json and all tables; report.html and about.json name the command.

{reports}"""


class Report(NamedTuple):
    """A report that is packed."""

    folder: pathlib.PurePath  # below the folder of runs
    about: dict[str, Any]


def describe(reports: Sequence[Report], records: Iterable[Record], members: Collection[str]) -> str:
    """README.txt."""
    made: dict[str, None] = {}
    for own in (record.provenance for record in records):
        revision = str(own.get("code_revision") or "unknown").removesuffix("+")
        changed = ", changed since" if str(own.get("code_revision")).endswith("+") else ""
        versions = ", ".join(
            f"{name} {own[name]}" for name in ("cnnjax", "python", "system") if name in own
        )
        made[f"    revision {revision}{changed}" + (f" ({versions})" if versions else "")] = None
    said = []
    for report in reports:
        place = report.folder.as_posix()
        command = judge_command(str(report.about["command"]), place, members)
        said.append(f"{RUNS}/{place}\n\n    {command}\n")
    text = TEXT.format(revisions="\n".join(made), reports="\n".join(said))
    return installed.name_commands(text)


def judge_command(command: str, place: str, members: Collection[str]) -> str:
    """The command that makes a report again from the records of an unpacked bundle.

    What was a call in Python is given as it was.
    """
    try:
        first, *given = shlex.split(command)
    except ValueError:
        return command or "(the report does not name its command)"
    if first != "python" and not first.startswith("cnnjax") or "(" in first:
        return command
    arguments = [first]
    skip = False
    for own, after in zip(given, [*given[1:], ""], strict=True):
        name, equals, value = own.partition("=")
        name = "--" + name.lstrip("-") if name.startswith("-") else name
        if skip:
            skip = False
        elif name == "--plugin":
            skip = not equals
            arguments.append(f"--plugin={_find_plugin(value or after, place, members)}")
        elif name in ("--runs", "--engine"):
            skip = not equals
        elif name.endswith("/launch.py"):
            arguments.append("launch.py")
        elif name not in ("--judge_only", "--nojudge_only"):
            arguments.append(own)
    return " ".join(map(shlex.quote, [*arguments, "--judge_only", f"--runs=bundle/{RUNS}"]))


def _find_plugin(given: str, place: str, members: Collection[str]) -> str:
    """Where a plug-in lies in the bundle; as it was given where it is not there."""
    folder = f"{PLUGINS}/{place}/"
    names = [own for own in members if own.startswith(folder)]
    wanted = pathlib.PurePath(given).name
    found = next((own for own in names if pathlib.PurePath(own).name == wanted), None)
    return f"bundle/{found}" if found else given
