"""The text of what a notebook's cell or a prompt declares, and of all there that its code names.

A function is what it says and what the names in it stand for: functions and classes of other cells,
and plain values. They are read as they are now, which is what the function would find. Imports no
JAX.
"""

import contextlib
import dis
import functools
import hashlib
import inspect
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

from cnnjax.config import callers

PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...))
# What Python writes into a dataclass, and no person.
WRITTEN = {"__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__"}


class Found(NamedTuple):
    """What is reached from one thing of a cell."""

    texts: dict[int, str]  # by id, in the order in which they are found
    files: dict[str, None]  # a person's own, of what its code names
    seen: dict[int, Any]  # by id: kept here, so that no other thing gets the same


def read(thing: Any) -> tuple[str, list[str]]:
    """The text of what a cell declares with what it names, and the files that it names.

    The text is Python. An object that is no plain value, array, function or class is known by its
    class alone.
    """
    found = Found({}, {}, {})
    value = _follow(thing, found)
    texts = [text for text in found.texts.values() if text]
    if not isinstance(inspect.unwrap(thing), (types.FunctionType, type)):
        texts.append(f"declared = {value}")
    return "\n".join(texts), list(found.files)


def _follow(value: Any, found: Found) -> str:
    """A value as Python; the text of what it is made of is added to what is found."""
    if isinstance(value, PLAIN):
        return repr(value)
    value = inspect.unwrap(value) if callable(value) else value
    if isinstance(value, types.ModuleType):
        return _name(value, value.__name__, found)
    again = id(value) in found.seen
    found.seen[id(value)] = value
    if isinstance(value, (types.FunctionType, type)):
        name = f"{value.__module__}.{value.__qualname__}"
        if isinstance(value, type) and not again:
            _follow_class(value, name, found)
        elif isinstance(value, types.FunctionType) and not again:
            _follow_function(value, name, found)
        return repr(name)
    return repr(type(value).__name__) if again else _describe(value, found)


def _describe(value: Any, found: Found) -> str:
    """An object: an array by its numbers, a container or dataclass by what is in it."""
    if isinstance(value, functools.partial):
        return _list(["'partial'", value.func, value.args, value.keywords], found)
    if isinstance(value, types.MethodType):
        return _list([value.__self__, value.__func__], found)
    if isinstance(value, (list, tuple)):
        return _list(value, found)
    if isinstance(value, (set, frozenset)):
        return f"{{{', '.join(sorted(_follow(item, found) for item in value))}}}"
    if isinstance(value, Mapping):
        items = [f"{_follow(key, found)}: {_follow(item, found)}" for key, item in value.items()]
        return f"{{{', '.join(items)}}}"
    if all(hasattr(value, name) for name in ("dtype", "shape", "tobytes")):
        digest = hashlib.sha256(value.tobytes()).hexdigest()
        return repr(("array", str(value.dtype), tuple(value.shape), digest))
    own = []
    if is_dataclass(value):
        own = [getattr(value, field.name, None) for field in fields(value)]
    return _list([type(value), getattr(value, "__name__", None), own], found)


def _list(values: Sequence[Any], found: Found) -> str:
    return f"[{', '.join(_follow(value, found) for value in values)}]"


def _name(module: types.ModuleType | None, name: str, found: Found) -> str:
    """A name that stands in a file, which is noted where it is a person's own."""
    if module is not None and callers.is_own(module):
        found.files[str(module.__file__)] = None
    return repr(name)


def _follow_function(function: types.FunctionType, name: str, found: Found) -> None:
    """Of one that stands in a file, what is around it: the file says the rest."""
    typed = "__file__" not in function.__globals__
    found.texts[id(function)] = text = _read_source(function) if typed else ""
    if typed and not text:
        text = _describe_code(function.__code__)
    if not typed:
        _name(sys.modules.get(function.__module__), name, found)
    values = [*_list_enclosed(function), *(_list_named(function) if typed else ())]
    lines = [f"{key} = {_follow(value, found)}" for key, value in values]
    found.texts[id(function)] = "\n".join(filter(None, [text, *lines]))


def _describe_code(code: types.CodeType) -> str:
    """Code of which no text is kept, by what it does: the same in every process."""
    consts = [_describe_constant(const) for const in code.co_consts]
    names = [code.co_names, code.co_varnames, code.co_freevars]
    return f"code = {(code.co_code, consts, *names)!r}"


def _describe_constant(const: Any) -> str:
    if isinstance(const, types.CodeType):
        return _describe_code(const)
    if isinstance(const, frozenset):  # of text, whose order is another in each process
        return repr(sorted(map(repr, const)))
    return repr(const)


def _list_enclosed(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # not yet given a value
            yield name, cell.cell_contents


def _list_named(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """What the global names in a function stand for, but for Python's own; and its defaults."""
    for name in sorted(_list_globals(function.__code__)):
        if name in function.__globals__:
            yield name, function.__globals__[name]
    if function.__defaults__:
        yield "defaults", function.__defaults__
    if function.__kwdefaults__:
        yield "keyword_defaults", function.__kwdefaults__


def _list_globals(code: types.CodeType) -> set[str]:
    names = {
        step.argval
        for step in dis.get_instructions(code)
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    inner = (const for const in code.co_consts if isinstance(const, types.CodeType))
    return names.union(*map(_list_globals, inner))


def _follow_class(cls: type, name: str, found: Found) -> None:
    module = sys.modules.get(cls.__module__)
    if cls.__module__ in sys.builtin_module_names or getattr(module, "__file__", None):
        _name(module, name, found)
        return
    found.texts[id(cls)] = text = _read_source(cls)
    lines: list[str] = []
    if not text and is_dataclass(cls):
        text = repr([(field.name, str(field.type)) for field in fields(cls)])
        lines = [_follow(field.default, found) for field in fields(cls)]
    lines += [_follow(base, found) for base in cls.__bases__ if base is not object]
    for key, value in sorted(vars(cls).items()):
        value = getattr(value, "__func__", getattr(value, "fget", value))  # static, of class, read
        written = is_dataclass(cls) and key in WRITTEN
        if isinstance(value, types.FunctionType) and not written:
            _follow(value, found)
        elif isinstance(value, PLAIN) and not key.startswith("__"):
            lines.append(f"{key} = {value!r}")
    found.texts[id(cls)] = "\n".join(filter(None, [text, *lines]))


def _read_source(thing: Any) -> str:
    """What was typed; empty where no text is kept of it.

    All that is run as a string has one name, under which Python 3.13 keeps the text of its
    `-c` alone.
    """
    code = getattr(thing, "__code__", None)
    if code is not None and code.co_filename == "<string>":
        return ""
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        return ""
