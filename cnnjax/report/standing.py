"""Whether a report stands as it would be written again: then nothing is drawn.

Drawing takes most of the time of a command all of whose runs are recorded.
"""

import functools
import hashlib
import importlib.metadata
import json
import pathlib
from collections.abc import Sequence

from cnnjax.records import atomic, plugins, shared
from cnnjax.records.provenance import PACKAGE, hash_files
from cnnjax.report import folders, mistaken
from cnnjax.report.thumbnails import Look, look_nowhere
from cnnjax.study.judge import Judgement
from cnnjax.study.options import FORMATS

SHOWN_BY = ("matplotlib", "numpy", "scipy", "jinja2", "pillow")  # packages that decide how it looks
TEXTS = (".html", ".css", ".js", ".json")  # beside our code


def write_report(
    judgement: Judgement, runs: pathlib.Path, command: str, scoreboard: str = "",
    form: str = FORMATS[0], look: Look = look_nowhere,
) -> pathlib.Path:  # fmt: skip
    """As `page.write_report`, but that a report which stands is left as it is."""
    errors = mistaken.collect(judgement, runs, look)
    key = make_key(judgement, errors, command, scoreboard, form)
    folder = runs / judgement.study.name
    if not stands(folder, key):
        from cnnjax.report import page  # draws figures, whose library takes a while to import

        return page.write_report(judgement, runs, command, scoreboard, form, errors, key)
    plugins.keep_loaded(runs / "records")
    shared.push(folder.resolve())
    shared.push(folders.write_index(runs))
    return folder / folders.PAGE


def make_key(
    judgement: Judgement, errors: Sequence[mistaken.Section], command: str, scoreboard: str,
    form: str,
) -> str:  # fmt: skip
    """A hash of all that a report is made of: results, words, and our own code."""
    digest = hashlib.sha256(_hash_code())
    told = [judgement._replace(arms=()), errors, command, scoreboard, form, plugins.hash_loaded()]
    digest.update(repr(told).encode())
    for arm in judgement.arms:
        digest.update(repr([arm.name, arm.config, arm.cost]).encode())
        for record in arm.records:
            digest.update(json.dumps([record.id, record.provenance, record.cost]).encode())
    return digest.hexdigest()[:32]


@functools.cache
def _hash_code() -> bytes:
    digest = hashlib.sha256(hash_files().encode())
    for name in SHOWN_BY:
        digest.update(f"{name} {importlib.metadata.version(name)}".encode())
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix in TEXTS:
            digest.update(path.read_bytes())
    return digest.digest()


def stands(folder: pathlib.Path, key: str) -> bool:
    """Whether the report there was made of the same, and every file of it is as it was written."""
    try:
        about = atomic.parse_json(atomic.read_bytes(folder / folders.ABOUT))
        if about["made_of"] != key:
            return False
        return about["files"] == folders.hash_files(folder, about["files"])
    except (OSError, ValueError, TypeError, KeyError):
        return False
