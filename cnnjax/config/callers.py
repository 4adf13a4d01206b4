"""Who declares a choice, and what it is called. Imports no JAX."""

import functools
import inspect
import pathlib
import sysconfig
import types
from collections.abc import Callable
from typing import Any

PACKAGE = __name__.partition(".")[0]


def find_source(asking: str) -> str:
    """The file that calls a decorator, or its module where it has none; empty for one of ours.

    `asking` is the module of the decorator. What is declared may have been made elsewhere.
    """
    frame = inspect.currentframe()
    while frame and frame.f_globals.get("__name__") in (__name__, asking):
        frame = frame.f_back
    scope = frame.f_globals if frame else {}
    module = scope.get("__name__", "__main__")
    return "" if module.partition(".")[0] == PACKAGE else scope.get("__file__") or module


def unwrap(make: Callable[..., Any]) -> Any:
    """The function or class of a `functools.partial`."""
    return unwrap(make.func) if isinstance(make, functools.partial) else make


def name_of(make: Callable[..., Any]) -> str:
    """The name of a function, a class or a partial of one, or of the class of what is called."""
    own = unwrap(make)
    return getattr(own, "__qualname__", type(own).__qualname__)


def is_own(module: types.ModuleType) -> bool:
    """Whether a module is a file of a person's own: neither installed nor Python's nor ours."""
    path = pathlib.Path(getattr(module, "__file__", None) or "")
    if path.suffix != ".py" or module.__name__.partition(".")[0] == PACKAGE:
        return False
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    return not installed and not path.is_relative_to(sysconfig.get_path("stdlib"))
