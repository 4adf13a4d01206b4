"""What decorators declare, read from the source of its home. Imports no JAX, nor what it reads.

A name stands at its decorator alone: `--help`, refusals and verdicts read it there, unimported.
"""

import pathlib
import re
from collections.abc import Mapping
from typing import NamedTuple

PACKAGE = pathlib.Path(__file__).parents[1]
FACT = re.compile(r'(\w+)=(?:"([^"]*)"|(\w+))')


class Declared(NamedTuple):
    """What stands at a name's decorator, and the first line of its function's docstring."""

    facts: Mapping[str, str]  # arguments by keyword, where they are a word or a text in quotes
    help: str


def read(home: str, decorator: str) -> dict[str, Declared]:
    """The names that `decorator` declares in a file or folder of the package, in their order."""
    place = PACKAGE / home
    files = sorted(place.glob("*.py")) if place.is_dir() else [place]
    pattern = re.compile(
        rf'^@{decorator}\(\s*"(\w+)"(.*?)\)\ndef .*?"""(.*?)(?:"""|\n)', re.MULTILINE | re.DOTALL
    )
    return {
        name: Declared({key: text or word for key, text, word in FACT.findall(arguments)}, help)
        for file in files
        for name, arguments, help in pattern.findall(file.read_text(encoding="utf-8"))
    }
