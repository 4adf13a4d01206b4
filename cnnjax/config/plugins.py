"""Plug-ins: files and modules from outside, loaded where they are asked for. Imports no JAX.

What they declare stands in the register beside what is ours. A child process is given the names of
those that its parent has loaded by a variable of the environment.
"""

import contextlib
import importlib
import importlib.util
import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any, NamedTuple

from cnnjax.config import callers, guard, paths, texts
from cnnjax.config.errors import ConfigError, PluginError

GROUP = "cnnjax.plugins"  # of entry points
VARIABLE = "CNNJAX_PLUGINS"  # for child processes: the names as JSON
LOADED: dict[str, ModuleType] = {}  # by path or name of the module
WAITING: list[Callable[[], None]] = []  # what is checked when all are loaded; empty at other times


class Place(NamedTuple):
    """Where a plug-in lies: a file, or a module that Python finds."""

    name: str  # of the module
    path: pathlib.Path | None = None
    origin: str = ""  # the file of a module


def load(names: Sequence[str]) -> None:
    """Imports plug-ins, each FILE.py, package.module or the name of an entry point.

    Raises ConfigError, in one line with file and line, where one cannot be.
    """
    with _loading():
        for name in names:
            _load(name)


def _load(name: str) -> None:
    place = find_place(name)
    key = str(place.path or place.name)
    if key in LOADED:
        return
    try:
        if place.path:
            LOADED[key] = _import_file(place.path)
        else:
            LOADED[key] = importlib.import_module(place.name)
    except (Exception, SystemExit) as error:
        raise ConfigError(f"--plugin={name}: {locate(error, place.origin or key)}") from error
    sources = [*texts.list_sources(), str(place.path or place.origin)]
    for source in sources:  # as it is now, whatever becomes of the files
        if os.path.isfile(source):
            texts.read_files(source)
    os.environ[VARIABLE] = json.dumps([*LOADED])


@contextlib.contextmanager
def _loading() -> Iterator[None]:
    """Within, checks wait for all plug-ins: one may name what the next one declares."""
    outermost, WAITING[:] = not WAITING, WAITING or [_nothing]
    try:
        yield
        if outermost:
            for check in WAITING:
                check()
    finally:
        if outermost:
            WAITING.clear()


def _nothing() -> None:
    """The first of what waits."""


def when_loaded(check: Callable[[], None]) -> None:
    """Calls it at once, or behind the plug-ins that are being loaded."""
    if WAITING:
        WAITING.append(check)
    else:
        check()


def load_inherited() -> None:
    """In a child process: what its parent has loaded."""
    load(json.loads(os.environ.get(VARIABLE, "[]")))


def find_place(name: str) -> Place:
    """Where the plug-in of a name lies. Raises ConfigError where there is none."""
    path = paths.expand(name)
    if path.suffix == ".py" or os.sep in name:
        if not path.is_file():
            raise ConfigError(f"--plugin={name}: there is no such file")
        return Place(path.stem, path.resolve())
    from importlib import metadata

    points = {point.name: point.module for point in metadata.entry_points(group=GROUP)}
    module = points.get(name, name)
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        found = None
    if found is None:
        hint = f"did you mean {name}.py?" if os.path.isfile(f"{path}.py") else (
            f"give FILE.py, package.module or one of: {', '.join(points) or 'no names here'}"
        )  # fmt: skip
        raise ConfigError(f"--plugin={name}: there is no such module: {hint}")
    return Place(module, origin=found.origin or "")


def _import_file(path: pathlib.Path) -> ModuleType:
    """The file as the module of its name; what it imports is looked for beside it first."""
    there = sys.modules.get(path.stem)
    found = getattr(there, "__file__", None)
    if there is not None and found and pathlib.Path(found).resolve() == path:
        return there  # another plug-in has imported it
    spec = importlib.util.find_spec(path.stem) if there is None else there.__spec__
    if there is not None or spec and pathlib.Path(spec.origin or "").resolve() != path:
        raise ConfigError(f"{path.name} is called as module {path.stem} is: rename the file")
    folder = str(path.parent)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    finally:
        sys.path.remove(folder)
    if folder not in sys.path:
        sys.path.append(folder)  # for what a function of it imports, and for child processes
    return module


def find_engine(text: str) -> Callable[..., Any]:
    """The engine module:function. Raises ConfigError where there is none."""
    module, colon, name = text.rpartition(":")
    if not colon or not module or not name:
        raise ConfigError(f"--engine={text}: give module:function, or FILE.py:function")
    try:
        load([module])
    except ConfigError as error:
        raise ConfigError(str(error).replace("--plugin=", "--engine=", 1)) from error
    place = find_place(module)
    found = getattr(LOADED[str(place.path or place.name)], name, None)
    if not callable(found):
        raise ConfigError(f"--engine={text}: {module} has no function {name}")
    where = guard.find_definition(found)
    said = f"--engine={text}: {where}: " if where else f"--engine={text}: "
    if not guard.takes(found, "jobs", "observer"):
        raise ConfigError(f"{said}write a function of (jobs, observer)")

    def run(jobs: Any, observer: Any) -> Iterator[Any]:
        given = found(jobs, observer)
        if not isinstance(given, Iterable):
            given = guard.describe(given)
            raise ConfigError(
                f"{said}it gives {given}: give the groups that failed, or none, in a row"
            )
        for failure in given:
            if not (hasattr(failure, "group") and hasattr(failure, "error")):
                given = guard.describe(failure)
                raise ConfigError(
                    f"{said}it gives {given}: give a Failure of each group that failed"
                )
            yield failure

    return run


def locate(error: BaseException, source: str = "") -> str | None:
    """An error of a plug-in in one line, such as 'mine.py:7: ZeroDivisionError: division by zero'.

    The place is the last line of a plug-in that led to it, of `source` if none did; None where it
    is none of theirs.
    """
    if isinstance(error, PluginError):
        return str(error)
    own = [module.__file__ for module in LOADED.values() if getattr(module, "__file__", None)]
    known = {source, *LOADED, *map(str, own), *texts.list_sources()} - {""}
    files = {path for key in known for path in (key, *texts.read_paths(key))}
    if isinstance(error, SyntaxError) and (source or error.filename in files):
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    place = callers.find_line(error, files) or source
    if not place:
        return callers.find_told(error, files)
    return f"{place}: {guard.say(error).removeprefix(f'{source}: ')}"
