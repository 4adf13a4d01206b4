"""What nothing in a folder of runs needs any more: found by fixed rules, and removed.

What belongs to one run is removed under its lease, as whoever trains it holds it. Links are left
as they are. Imports no JAX.
"""

import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import stat
import time
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from cnnjax.config import datasets
from cnnjax.records import holder, index, kept, leases, readme, store
from cnnjax.records.leases import Leases
from cnnjax.records.record import CHECKPOINTS, DamagedRecord, load_record, record_path

OLD_SECONDS = 3600.0  # a file is written in moments, a report in a minute
PAUSE_SECONDS = 0.5  # between two looks at heartbeats
TEMPORARY = re.compile(r"\.(.+)\.(new|[a-z0-9_]{8})")  # of `atomic`, and of `report.folders`
# What such files become, in the folder itself, among the records, and of one run.
ABOVE = (readme.NAME, "index.html")
OF_RUN = re.compile(r"record\.json|predictions\.npz|[\w-]+\.safetensors")
OF_REPORT = re.compile(
    r"report\.html|about\.json|figures|records\.csv|arms\.tex|variance\.csv|(verdicts|scoreboard)\.\w+"
)
OURS = (*datasets.BUILT_IN, *datasets.FILES)


class Leftover(NamedTuple):
    """What can go, and why."""

    path: pathlib.Path  # a file or a folder
    size: int  # bytes
    reason: str


def prune(
    runs: pathlib.Path, say: Callable[[str], None], named: Collection[str] = (), plan: bool = False,
    stale_seconds: float = leases.STALE_SECONDS,
) -> Iterator[Leftover]:  # fmt: skip
    """Removes what is not needed, and yields it; only finds it where it is but a `plan`.

    What a launch that is alive holds is left, which is said. `named` are hashes of texts of
    plug-ins that reports need. Raises OSError where something cannot be removed.
    """
    folder = runs / leases.FOLDER
    looking = contextlib.nullcontext(Leases(folder, stale_seconds))  # which writes nothing
    with looking if plan else leases.open_leases(folder, stale_seconds) as held:
        stale, busy = _watch(held, folder, lambda who: say(
            f"watching for {stale_seconds:g} seconds whether {who} still works on {runs}"
        ))  # fmt: skip
        claims = {key: _describe(folder / "claims" / key, "its launch has ended") for key in stale}
        beats = _list_heartbeats(folder)
        for id in _list_ids(runs):
            found = find_of_run(runs, id)
            if found and (id in busy or not plan and not held.claim(id)):
                say(f"{id} is left: {busy.get(id, 'another process')} has it")
            elif found:
                yield from found if plan else _remove(find_of_run(runs, id))
                held.release(id)
        found = find_shared(runs, named, bool(busy))
        yield from found if plan else _remove(found)
        for key, claim in claims.items():
            if plan or held.claim(key):
                held.release(key)
                yield claim
        yield from beats if plan else _remove(beats)


def _remove(found: Collection[Leftover]) -> Iterator[Leftover]:
    for own in found:
        shutil.rmtree(own.path) if own.path.is_dir() else own.path.unlink(missing_ok=True)
        yield own


def _watch(
    held: Leases, folder: pathlib.Path, on_unsure: Callable[[str], None]
) -> tuple[list[str], dict[str, str]]:
    """The keys of stale claims, and those of launches that are alive, each with who in words.

    Of one on another machine only its heartbeat tells, which is watched until it moves or has stood
    still for long.
    """
    keys, said = _list_names(folder / "claims"), False
    while True:
        busy = held.held_by_others(keys)
        unsure = [who for key, who in busy.items() if not held.is_alive(key)]
        if not unsure:
            return [key for key in keys if key not in busy], busy
        if not said:
            on_unsure(unsure[0])
        said = True
        time.sleep(PAUSE_SECONDS)
        held.beat()


def _list_heartbeats(folder: pathlib.Path) -> list[Leftover]:
    """Those of processes that have ended, or hold nothing and stood still; others come again."""
    keys = _list_names(folder / "claims")
    claims = [path for key in keys for path in (folder / "claims" / key).glob("*")]
    holding = {own.name for path in claims if (own := holder.read(path)) is not None}
    found = []
    for path in (folder / "holders" / name for name in _list_names(folder / "holders")):
        own = holder.read(path)
        if own and holder.is_gone(own) or path.name not in holding and _is_old(path):
            found.append(_describe(path, "the heartbeat of an ended process"))
    return found


def _list_names(folder: pathlib.Path) -> list[str]:
    """What is in a folder, in order; nothing where it is none, or a link."""
    if folder.is_symlink():
        return []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return sorted(os.listdir(folder))
    return []


def _list_ids(runs: pathlib.Path) -> list[str]:
    names = {*_list_names(runs / CHECKPOINTS), *_list_names(runs / "records")}
    return sorted(name for name in names - {kept.FOLDER} if leases.KEY.fullmatch(name))


def find_of_run(runs: pathlib.Path, id: str) -> list[Leftover]:
    """What can go of one run that nobody trains."""
    training, done = runs / CHECKPOINTS / id, record_path(runs, id).parent
    names = _list_names(training), _list_names(done)
    aside = f"{record_path(runs, id).name}.damaged"
    has_trained = training.is_dir() and not training.is_symlink()  # and may be empty
    finished = (has_trained or aside in names[1]) and _is_sound(runs, id)
    found = []
    if finished and has_trained:
        # One that is younger is of a run that is made again, for its weights.
        files = (own for own in _list_status(training) if not stat.S_ISDIR(own.st_mode))
        newest = max((own.st_mtime for own in files), default=0.0)
        if newest <= record_path(runs, id).stat().st_mtime:
            found, names = [_describe(training, "checkpoints of a finished run")], ([], names[1])
    for folder, own in zip((training, done), names, strict=True):
        for name in own:
            before = name.removesuffix(".damaged")
            replaced = folder == training or before in own and (before != "record.json" or finished)
            if before != name and OF_RUN.fullmatch(before) and replaced:
                found.append(_describe(folder / name, "was damaged and set aside"))
    return _list_real(found) + _find_temporary(training, OF_RUN) + _find_temporary(done, OF_RUN)


def find_shared(runs: pathlib.Path, named: Collection[str], is_busy: bool) -> list[Leftover]:
    """What can go and is of no single run; texts of plug-ins only where nobody is busy."""
    found = [
        *_find_temporary(runs, re.compile("|".join(map(re.escape, ABOVE)))),
        *_find_temporary(runs / "records", re.compile(re.escape(index.FILE))),
        *_find_temporary(runs / "records" / kept.FOLDER, re.compile(r"\w+\.py")),
        *_find_reports(runs),
    ]
    return found if is_busy else found + _find_texts(runs, named)


def _is_sound(runs: pathlib.Path, id: str) -> bool:
    try:
        return load_record(runs, id) is not None
    except DamagedRecord:
        return False


def _find_temporary(folder: pathlib.Path, wanted: re.Pattern[str]) -> list[Leftover]:
    """Files of a folder that writers left which were killed: old, named so, and locked by none."""
    found = []
    for name in _list_names(folder):
        match = TEMPORARY.fullmatch(name)
        if match and wanted.fullmatch(match[1]) and not (folder / name).is_dir():
            found.append(_describe(folder / name, "a file half written"))
    return [own for own in _list_real(found) if _is_old(own.path) and not _is_locked(own.path)]


def _is_locked(path: pathlib.Path) -> bool:
    """Whether a process that lives writes the file."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # gone, or no locks here
        return False
    return False


def _find_reports(runs: pathlib.Path) -> list[Leftover]:
    """Folders of reports that were not finished: they hold nothing else that is nowhere else.

    Where the one before had been moved out of the way already, both are left.
    """
    found, names = [], _list_names(runs)
    for name in names:
        match = TEMPORARY.fullmatch(name)
        if match and f"{name}.old" not in names and (runs / name).is_dir():
            before = _list_names(runs / match[1])
            if all(_is_of_report(own) or own in before for own in _list_names(runs / name)):
                found.append(_describe(runs / name, "a report half written"))
    return [own for own in _list_real(found) if _is_old(own.path)]


def _is_of_report(name: str) -> bool:
    match = TEMPORARY.fullmatch(name)
    return bool(OF_REPORT.fullmatch(match[1] if match else name))


def _find_texts(runs: pathlib.Path, named: Collection[str]) -> list[Leftover]:
    """Texts of plug-ins that none names; nothing where a record does not say all that it used."""
    folder = runs / "records" / kept.FOLDER
    texts = [name for name in _list_names(folder) if re.fullmatch(r"\w+\.py", name)]
    if not texts:
        return []
    unread: list[object] = []
    used = {*named}
    for record in store.load_records(runs, unread.append):
        used |= {*kept.list_texts(record.provenance).values()}
        dataset = str(record.config.get("dataset", "")).partition(":")[0]
        if kept.TEXTS not in record.provenance and dataset not in OURS:
            return []
    if unread:
        return []
    found = [
        _describe(folder / name, "the text of a plug-in that no record names")
        for name in texts if name.removesuffix(".py") not in used
    ]  # fmt: skip
    return [own for own in _list_real(found) if _is_old(own.path)]


def _describe(path: pathlib.Path, reason: str) -> Leftover:
    sizes = (own.st_size for own in _list_status(path) if not stat.S_ISDIR(own.st_mode))
    return Leftover(path, sum(sizes), reason)


def _list_real(found: list[Leftover]) -> list[Leftover]:
    return [own for own in found if not own.path.is_symlink()]


def _list_status(path: pathlib.Path) -> list[os.stat_result]:
    """Of a path and all below it; what goes meanwhile is left out."""
    found = []
    for own in (path, *path.rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            found.append(own.lstat())
    return found


def _is_old(path: pathlib.Path) -> bool:
    """Whether nothing in it was written of late."""
    newest = max((own.st_mtime for own in _list_status(path)), default=0.0)
    return time.time() - newest > OLD_SECONDS
