"""What of a run's numbers is from outside: the hash of its text, and the text, kept once."""

import ast
import functools
import hashlib
import pathlib

from cnnjax.config import texts
from cnnjax.config.config import Config
from cnnjax.records.atomic import write_text
from cnnjax.records.provenance import blank_docstrings


def hash_files(config: Config) -> dict[str, str] | None:
    """A hash of each file from outside that the run uses, by its name; None where there is none."""
    found = texts.texts_of(config).items()
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
    for text in texts.texts_of(config, data=True).values():
        path = folder / "plugins" / f"{hash_text(text)}.py"
        if not path.exists():
            write_text(path, text)
