"""What decorators declare, read from the source of its home. Imports no JAX, nor what it reads.

A name stands at its decorator alone: `--help`, refusals and verdicts read it there, unimported.
"""

import ast
import pathlib
import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

ROOT = pathlib.Path(__file__).parents[2]
ARGUMENT = re.compile(r"(\w+): ")  # of a function: each has a type


class Declared(NamedTuple):
    """What stands at a name's decorator, and the first line of its function's docstring."""

    facts: Mapping[str, Any]  # arguments by keyword: values, or the source of what is no literal
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
        name: declare(read_facts(said), ARGUMENT.findall(function), help)
        for file in files
        for name, said, function, help in pattern.findall(file.read_text(encoding="utf-8"))
    }


def declare(facts: Mapping[str, Any], arguments: Collection[str], help: str) -> Declared:
    """What a decorator declares of a function with these arguments."""
    said = facts.get("reads", ())
    return Declared(facts, help, frozenset(() if isinstance(said, str) else said) | {*arguments})


def read_facts(arguments: str) -> dict[str, Any]:
    """The arguments by keyword of a decorator, from its source behind the name.

    >>> read_facts(", margin=5e-3, sees=lambda size: 1)")
    {'margin': 0.005, 'sees': 'lambda size: 1'}
    """
    call = ast.parse(f"@name(''{arguments}def function(): ...").body[0]
    assert isinstance(call, ast.FunctionDef)
    decorator = call.decorator_list[0]
    assert isinstance(decorator, ast.Call)
    return {own.arg: _evaluate(own.value) for own in decorator.keywords if own.arg}


def _evaluate(value: ast.expr) -> Any:
    try:
        return ast.literal_eval(value)
    except ValueError:
        return ast.unparse(value)
