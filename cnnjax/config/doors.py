"""Rooms that can be called: `cnnjax.study(...)` though `cnnjax.study` is a package. Imports no JAX.

A package that is imported becomes an attribute of `cnnjax` and would hide a function of its name.
"""

import importlib
import inspect
import sys
import types
from typing import Any


def open_door(room: str, module: str, function: str) -> None:
    """Calls of the package `room` go to `function` of `module`, imported when it is called."""

    class Room(types.ModuleType):
        def __call__(self, *arguments: Any, **named: Any) -> Any:
            return getattr(importlib.import_module(module), function)(*arguments, **named)

        @property
        def __signature__(self) -> inspect.Signature:  # what a notebook shows of a call
            return inspect.signature(getattr(importlib.import_module(module), function))

    sys.modules[room].__class__ = Room
