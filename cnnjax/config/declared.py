"""What decorators declare, read from the source of its home. Imports no JAX, nor what it reads.

A name stands at its decorator alone: `--help`, refusals and verdicts read it there, unimported.
"""

import pathlib
import re
from collections.abc import Mapping
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parents[2]
FACT = re.compile(r'(\w+)=(?:"([^"]*)"|([\w.]+))')
READS = re.compile(r"\breads=\(([^)]*)\)")  # a tuple of texts
QUOTED = re.compile(r'"(\w+)"')
ARGUMENT = re.compile(r"(\w+): ")  # of a function: each has a type


class Declared(NamedTuple):
    """What stands at a name's decorator, and the first line of its function's docstring."""

    facts: Mapping[str, str]  # arguments by keyword: words, numbers, texts in quotes
    help: str
    reads: frozenset[str]  # the names in `reads`, and those of the function's arguments


def read(module: str, decorator: str, first: str = "") -> dict[str, Declared]:
    """The names that `decorator`, a regular expression, declares in a module, in their order.

    Of a package it reads all modules in it. `first` is what may stand before a name: of
    `@register.choice("schedule", "cosine")` the knob.
    """
    place = ROOT / module.replace(".", "/")
    place = place if place.is_dir() else place.with_suffix(".py")
    files = sorted(place.glob("*.py")) if place.is_dir() else [place]
    before = rf'(?:"{first}",\s*)?' if first else ""
    pattern = re.compile(
        rf'^@(?:{decorator})\(\s*{before}"([^"]+)"(.*?)^def (.*?)"""(.*?)(?:"""|$)',
        re.MULTILINE | re.DOTALL,
    )
    return {
        name: Declared(
            {key: text or word for key, text, word in FACT.findall(said)},
            help,
            frozenset(QUOTED.findall("".join(READS.findall(said))) + ARGUMENT.findall(function)),
        )
        for file in files
        for name, said, function, help in pattern.findall(file.read_text(encoding="utf-8"))
    }
