"""What of a run's numbers is from outside: the hash of its text, and the text, kept once."""

import ast
import functools
import hashlib
import os
import pathlib
from collections.abc import Mapping

from cnnjax.config import plugins, texts
from cnnjax.config.config import Config
from cnnjax.records.atomic import write_text
from cnnjax.records.provenance import blank_docstrings


def hash_files(config: Config, data: bool = False) -> dict[str, str] | None:
    """A hash of each file from outside that the run uses, by its name; None where there is none.

    Those of its data, which are known by their contents, with `data` only.
    """
    found = texts.texts_of(config, data).items()
    return {name: hash_text(text) for name, text in found} or None


@functools.cache
def hash_text(text: str) -> str:
    """A hash of Python without comments and docstrings; of other text as it is."""
    try:
        text = ast.unparse(blank_docstrings(ast.parse(text)))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        pass
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def keep_texts(folder: pathlib.Path, config: Config) -> None:
    """Writes each text from outside that the run uses to plugins/HASH.py, where it is not there.

    A hash says that a number may be another; the text says why.
    """
    _keep(folder, texts.texts_of(config, data=True))


def keep_loaded(folder: pathlib.Path) -> dict[str, str]:
    """Likewise each text of the plug-ins that are loaded; gives their hashes by name."""
    return _keep(folder, _read_loaded())


def hash_loaded() -> dict[str, str]:
    """The hashes of the texts of the plug-ins that are loaded, by name."""
    return {name: hash_text(text) for name, text in _read_loaded().items()}


def _read_loaded() -> dict[str, str]:
    files = (getattr(module, "__file__", None) for module in plugins.LOADED.values())
    found = {}
    for source in files:
        if source and os.path.isfile(source):
            found |= texts.read_files(source)
    return found


def _keep(folder: pathlib.Path, found: Mapping[str, str]) -> dict[str, str]:
    hashes = {name: hash_text(text) for name, text in found.items()}
    for name, hash in hashes.items():
        path = folder / "plugins" / f"{hash}.py"
        if not path.exists():
            write_text(path, found[name])
    return hashes
