"""Records, plug-ins and reports in one zip file, for a reviewer who judges them elsewhere."""

import csv
import hashlib
import io
import os
import pathlib
import re
import stat
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from cnnjax.config import words
from cnnjax.config.knobs import ConfigError
from cnnjax.records import atomic, check, kept, leases, predictions, store
from cnnjax.records.record import Record, load_record, record_path
from cnnjax.report import folders
from cnnjax.report.instructions import PLUGINS, RUNS, Report, describe

README, SUMS = "README.txt", "SHA256SUMS"
TIME = (1980, 1, 1, 0, 0, 0)  # of every file within: the same things make the same bundle
NAME = re.compile(r"\w[\w.+-]*")  # of what is packed: the folder of a report, a file
OF_REPORT = re.compile(
    r"report\.html|report\.md|about\.json|(records|verdicts|variance)\.csv|arms\.tex|(verdicts|scoreboard)\.\w+"
)
OF_RECORD = re.compile(rf"record\.json|{re.escape(predictions.FILE)}|[\w-]+\.safetensors")
VALIDATION = "-validation"  # of the report on what chose the arms


class Stopped(Exception):
    """The caller asked to stop; nothing is written."""


class Bundled(NamedTuple):
    """What was packed."""

    num_records: int
    num_reports: int
    size: int  # bytes
    warnings: list[str]  # what was left out, a line each


def write(
    path: pathlib.Path, runs: pathlib.Path, study: str = "",
    should_stop: Callable[[], bool] = lambda: False,
) -> Bundled:  # fmt: skip
    """Writes the bundle of a folder of runs, or of one report there and what it compares.

    It is written whole or not at all. What is damaged is left out. Raises ConfigError where there
    is no record, or no such report, and Stopped soon after the caller asked to stop.
    """
    reports, warnings = _list_reports(runs, study), list[str]()
    wanted = _list_compared(runs, reports) if study else None
    if study and wanted is None:
        warnings.append(f"{runs / study} does not name its records: all are packed")
    digests: dict[str, str] = {}
    records: list[Record] = []
    texts: dict[str, Mapping[str, str]] = {}
    with atomic.open_new(path) as file, zipfile.ZipFile(file, "w") as bundle:

        def add(name: str, content: bytes) -> None:
            if should_stop():
                raise Stopped
            digests[name] = hashlib.sha256(content).hexdigest()
            _add(bundle, name, content)

        for record in _list_sound(runs, wanted, warnings):
            folder = record_path(runs, record.id).parent
            for own in _list_files(folder, OF_RECORD):
                add(f"{RUNS}/records/{record.id}/{own.name}", _read(own))
            records.append(record._replace(scores={}, metrics=[]))
        if not records:
            raise _refuse(runs, study, wanted)
        for report in reports:
            place = f"{RUNS}/{report.folder.as_posix()}"
            for own in _list_files(runs / report.folder, OF_REPORT):
                add(f"{place}/{own.name}", _read(own))
            for own in _list_files(runs / report.folder / "figures", NAME):
                add(f"{place}/figures/{own.name}", _read(own))
            texts[place] = _list_plugins(report, records)
        used = {hash for own in texts.values() for hash in own.values()}
        used |= {hash for own in records for hash in kept.list_texts(own.provenance).values()}
        found = _read_texts(runs, used, warnings)
        for hash, text in found.items():
            add(f"{RUNS}/records/{kept.FOLDER}/{hash}.py", text)
        for report in reports:
            for name, hash in texts[f"{RUNS}/{report.folder.as_posix()}"].items():
                if hash in found and _is_plain(name):
                    add(f"{PLUGINS}/{report.folder.as_posix()}/{name}", found[hash])
        add(README, describe(reports, records, digests).encode(errors="backslashreplace"))
        sums = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
        _add(bundle, SUMS, sums.encode())
    return Bundled(len(records), len(reports), path.stat().st_size, warnings)


def _add(bundle: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, TIME)
    info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16  # wherever it is made
    packed = name.endswith((".npz", ".safetensors", ".pdf"))
    info.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    bundle.writestr(info, content)


def _list_files(folder: pathlib.Path, wanted: re.Pattern[str]) -> list[pathlib.Path]:
    """The files of a folder that have such a name, in order; links and what is below are none."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    return [
        folder / name for name in sorted(os.listdir(folder))
        if wanted.fullmatch(name) and stat.S_ISREG((folder / name).lstat().st_mode)
    ]  # fmt: skip


def _read(path: pathlib.Path) -> bytes:
    """What a file holds. Raises OSError where a link has taken its place."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(handle, "rb") as file:
        return file.read()


def _list_reports(runs: pathlib.Path, study: str) -> list[Report]:
    """All reports; of one study its newest, with that on what chose its arms."""
    found = []
    for place in folders.list_places(runs):
        names = place.parts
        linked = any((runs / own).is_symlink() for own in (place, place.parent))
        if linked or not all(map(NAME.fullmatch, names)):
            continue
        if not study or len(names) == 1 and names[0] in (study, study + VALIDATION):
            found.append(Report(place, folders.read_about(runs / place)))
    if study and study not in [report.folder.name for report in found]:
        raise ConfigError(f"--study={study}: there is no report {runs / study / folders.PAGE}")
    return found


def _list_compared(runs: pathlib.Path, reports: Iterable[Report]) -> set[str] | None:
    """The ids of the records that reports compare; None where one does not name them."""
    ids: set[str] = set()
    for report in reports:
        try:
            text = (runs / report.folder / "records.csv").read_text(encoding="utf-8")
        except (OSError, ValueError):
            return None
        own = {row.get("record") or "" for row in csv.DictReader(io.StringIO(text))}
        if not own or "" in own:
            return None
        ids |= own
    return ids


def _list_sound(
    runs: pathlib.Path, wanted: Collection[str] | None, warnings: list[str]
) -> Iterator[Record]:
    """Records, one after the other, with nothing damaged beside them; warns of others."""
    folder = runs / "records"
    names = sorted(os.listdir(folder) if folder.is_dir() else []) if wanted is None else wanted
    for id in sorted(names):
        path = record_path(runs, id)
        if not leases.KEY.fullmatch(id) or path.parent.is_symlink() or not os.path.lexists(path):
            if wanted is not None:
                warnings.append(f"{path} is gone, which the report compares")
            continue
        problems = list(check.list_problems(runs, id))
        spoilt = any(problem.spoils for problem in problems)
        warnings += [problem.text + ": left out" * spoilt for problem in problems]
        record = None if spoilt else load_record(runs, id)
        if record is not None:
            yield record


def _refuse(
    runs: pathlib.Path, study: str, wanted: Collection[str] | None
) -> ConfigError:  # fmt: skip
    """Of a folder, or a report, of which no record can be packed."""
    if wanted is None:
        return store.refuse_empty(runs)
    what = words.count(len(wanted), "record that it compares is", "records that it compares are")
    return ConfigError(f"{runs / study}: {what} damaged or gone: --check names what is damaged")


def _list_plugins(report: Report, records: Iterable[Record]) -> Mapping[str, str]:
    """By name the hashes of the texts that a report was made with; of older ones, its records'."""
    own = report.about.get("plugins")
    if isinstance(own, dict):
        return {name: hash for name, hash in own.items() if isinstance(hash, str)}
    return {
        name: hash for record in records
        for name, hash in kept.list_texts(record.provenance).items()
    }  # fmt: skip


def _is_plain(name: str) -> bool:
    """Whether a plug-in's name is a path that stays below a folder; that of a cell is none."""
    return all(NAME.fullmatch(part) for part in name.split("/")) and name.endswith(".py")


def _read_texts(
    runs: pathlib.Path, hashes: Iterable[str], warnings: list[str]
) -> dict[str, bytes]:  # fmt: skip
    """The texts of plug-ins that are kept, by hash."""
    found = {}
    folder = runs / "records" / kept.FOLDER
    there = {path.stem: path for path in _list_files(folder, re.compile(r"\w+\.py"))}
    for hash in sorted(hashes):
        if hash in there:
            found[hash] = _read(there[hash])
        else:
            warnings.append(f"{folder / hash}.py is gone, a plug-in that was used: left out")
    return found
