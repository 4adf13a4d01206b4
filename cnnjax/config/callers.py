"""Who declares a choice, and what it is called. Imports no JAX."""

import functools
import inspect
import os
import pathlib
import re
import sys
import sysconfig
import traceback
import types
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from cnnjax.config.errors import ConfigError

D = TypeVar("D", bound=Callable[..., Any])
PACKAGE = __name__.partition(".")[0]
OURS = (PACKAGE, "experiments")  # no package of a person's own is called so
RUNS: dict[tuple[str, str], Any] = {}  # by kind and name, the code that ran as it was declared


def find_place(asking: str) -> tuple[str, int]:
    """The file that calls a decorator, or its module where it has none, and the line.

    Empty for one of ours. `asking` is the module of the decorator. What is declared may have been
    made elsewhere.
    """
    frame = inspect.currentframe()
    while frame and frame.f_globals.get("__name__") in (__name__, asking):
        frame = frame.f_back
    scope = frame.f_globals if frame else {}
    module = scope.get("__name__", "__main__")
    ours = module.partition(".")[0] == PACKAGE
    return "" if ours else scope.get("__file__") or module, frame.f_lineno if frame else 0


def find_source(asking: str) -> str:
    """The file of `find_place`."""
    return find_place(asking)[0]


def declares_twice(source: str, kind: str, name: str) -> bool:
    """Whether a file declares a name for the second time as it runs once.

    What is loaded again is compiled anew. A notebook's cell may declare as often as it will: what
    each of its functions is made of is in the address.
    """
    frame = inspect.currentframe()
    while frame and (frame.f_locals is not frame.f_globals):
        frame = frame.f_back
    before, RUNS[kind, name] = RUNS.get((kind, name)), frame.f_code if frame else None
    return os.path.isfile(source) and before is not None and before is RUNS[kind, name]


def find_line(error: BaseException | None, files: Collection[str]) -> str | None:
    """The last line in one of these files that led to an error, or to the one that it is from."""
    while error is not None:
        lines = [
            f"{frame.f_code.co_filename}:{line}"
            for frame, line in traceback.walk_tb(error.__traceback__)
            if frame.f_code.co_filename in files
        ]
        if lines:
            return lines[-1]
        error = error.__cause__ or error.__context__
    return None


def find_told(error: BaseException, files: Collection[str]) -> str | None:
    """As `find_line`, with what was raised, of an error that tells a traceback in its own words.

    So do JAX's where a compiled program called back into Python.
    """
    told = str(error)
    lines = [f"{file}:{line}" for file, line in re.findall(r'File "(.+?)", line (\d+)', told)
             if file in files]  # fmt: skip
    return f"{lines[-1]}: {told.strip().splitlines()[-1]}" if lines else None


def unwrap(make: Any) -> Any:
    """The function or class of a `functools.partial`, and of what wraps it."""
    if isinstance(make, functools.partial):
        return unwrap(make.func)
    return unwrap(make.__wrapped__) if hasattr(make, "__wrapped__") else make


def name_of(make: Callable[..., Any]) -> str:
    """The name of a function, a class or a partial of one, or of the class of what is called."""
    own = unwrap(make)
    return getattr(own, "__qualname__", type(own).__qualname__)


def is_own(module: types.ModuleType) -> bool:
    """Whether a module is a file of a person's own: neither installed nor Python's nor ours."""
    return is_own_file(module.__name__, getattr(module, "__file__", None) or "")


def is_own_file(module: str, file: str) -> bool:
    """As `is_own`, of a module by its name and file."""
    path = pathlib.Path(file)
    if path.suffix != ".py" or module.partition(".")[0] in OURS:
        return False
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    return not installed and not path.is_relative_to(sysconfig.get_path("stdlib"))


def find_home(thing: Any) -> str | None:
    """The file of a person's own in which a function or class stands; empty for a cell.

    None where it is neither, or of ours. Of another object that is where its class stands.
    """
    own = unwrap(thing)
    if isinstance(own, types.FunctionType):
        scope = own.__globals__
        name, file = scope.get("__name__", ""), scope.get("__file__") or ""
    else:
        name = (own if isinstance(own, type) else type(own)).__module__
        file = getattr(sys.modules.get(name), "__file__", None) or ""
    if not file:
        return None if name in sys.builtin_module_names else ""
    return file if is_own_file(name, file) else None


def check_named(name: Any, decorator: str, *first: str, more: str = "") -> None:
    """Raises ConfigError where a decorator without parentheses is given what it stands above."""
    if callable(name):
        own = getattr(name, "__name__", "name").strip("_")
        given = ", ".join([f'"{text}"' for text in (*first, own)])
        raise ConfigError(
            f"@cnnjax.{decorator} has no name: write @cnnjax.{decorator}({given}{more})"
        )


def _name() -> None:
    """Stands for what a decorator without a name stands above."""


LACKING = {"model": ", reads=()", "metric": ", margin=0.01"}


def needs_name(decorator: D) -> D:
    """A decorator that needs more than a name says so where it stands without parentheses."""

    @functools.wraps(decorator)
    def checked(*arguments: Any, **named: Any) -> Any:
        if len(arguments) == 1 and not named and decorator.__name__ == "choice":
            first = "schedule" if callable(arguments[0]) else arguments[0]
            check_named(arguments[0] if callable(arguments[0]) else _name, "choice", first)
        elif len(arguments) == 1 and not named:
            check_named(arguments[0], decorator.__name__, more=LACKING[decorator.__name__])
        return decorator(*arguments, **named)

    return checked  # pyright: ignore[reportReturnType]
