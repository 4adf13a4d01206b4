"""Whether a value is of the type that is declared, and that type in words. Imports no JAX."""

import types
import typing
from collections.abc import Callable, Collection, Mapping
from fractions import Fraction
from numbers import Integral, Real
from typing import Any, Literal

WORDS = {
    Any: "a value", str: "a text", bool: "True or False", int: "an integer", float: "a number",
    type(None): "None", Fraction: "a fraction", Callable: "a function", Mapping: "a dict",
    Collection: "a tuple",
}  # fmt: skip


def is_row(value: Any) -> bool:
    """Whether a value is a NamedTuple."""
    return isinstance(value, tuple) and hasattr(value, "_fields")


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type, as far as what is declared has such types."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin is Literal:
        return value in inner
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, one) for one in inner)
    if origin is tuple:
        row = isinstance(value, (tuple, list)) and not is_row(value)
        return row and all(fits(one, inner[0]) for one in value)
    if origin is not None:
        named = isinstance(value, Mapping) and all(isinstance(name, str) for name in value)
        return named and all(fits(one, inner[1]) for one in value.values())
    if hint in (int, float):
        kind = Real if hint is float else Integral
        return isinstance(value, kind) and not isinstance(value, bool)
    if hint is Collection and isinstance(value, str):
        return False
    return isinstance(value, hint)


def describe(hint: Any) -> str:
    """A type in words."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return f"one of {', '.join(inner)}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(describe, inner)))
    if origin is tuple:
        return f"a tuple, each {describe(inner[0])}"
    if origin is not None:
        of = f", of {describe(inner[1])}" if inner[1] is not Any else ""
        return f"a dict by name of knob{of}"
    return WORDS.get(hint) or f"a {hint.__name__}"
