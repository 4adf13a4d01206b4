"""The text of what is from outside: of files, of those beside them, of a notebook's cells.

It is kept as it is first read, when a plug-in is loaded, whatever becomes of the file. Imports no
JAX.
"""

import ast
import os
import pathlib
import sys
import sysconfig
from collections.abc import Iterator
from typing import Any

from cnnjax.config import callers, cells, contracts, register, rules
from cnnjax.config.config import Config
from cnnjax.config.errors import ConfigError

READ: dict[str, dict[pathlib.Path, str]] = {}  # by file, the texts of it and of those beside it


def list_sources() -> list[str]:
    """All files, or modules without one, from which something is declared."""
    choices = [own for known in register.CHOICES.values() for own in known.values() if own.source]
    found = [file for own in choices for file in (own.source, callers.find_file(own.make))]
    found += [knob.source for knob in rules.KNOBS.values()]
    return [source for source in dict.fromkeys(found) if source]


def texts_of(config: Config, data: bool = False) -> dict[str, str]:
    """The texts of all from outside that a run uses, by name of the file.

    Its data are known by their contents: their text is given with `data` only.
    That is where its choices are declared, and those of its own knobs that are not at their
    default, with the files beside it that these import; of a notebook's cell what is declared,
    with all that its code names.
    """
    texts: dict[str, str] = {}
    for thing, source in _list_used(config, data):
        if os.path.isfile(source):
            made = callers.find_file(thing)  # by a file beside it, say, of a function of this one
            for file in filter(None, dict.fromkeys((source, made))):
                texts |= read_files(file)
        else:
            text, files = cells.read(thing)
            texts[f"{source}:{callers.name_of(thing)}"] = text
            for file in files:
                texts |= read_files(file)
    return dict(sorted(texts.items()))


def _list_used(config: Config, data: bool) -> Iterator[tuple[Any, str]]:
    for knob, known in register.CHOICES.items():
        if knob == "dataset" and not data:
            continue
        value = getattr(config, knob, ())
        names = (value,) if isinstance(value, str) else value
        if knob == "corruption" and "robustness" in config.measure:
            names = tuple(known)
        if knob == "measure":
            names = (*names, *(name for name, own in known.items() if own.traits["always"]))
        for name in names:
            if name in known and known[name].source:
                yield known[name].make, known[name].source
    for own in config.own:
        source = rules.KNOBS[next(iter(vars(own)))].source
        yield type(own), source


def read_files(source: str) -> dict[str, str]:
    """The texts of a file and of those beside it that it imports, by name, as first read."""
    root = _root_of(source)
    return {path.relative_to(root).as_posix(): text for path, text in _read_closure(source).items()}


def read_paths(source: str) -> list[str]:
    """The paths of these; none of what has no file."""
    return [str(path) for path in _read_closure(source)] if os.path.isfile(source) else []


def _read_closure(source: str) -> dict[pathlib.Path, str]:
    if source not in READ:
        READ[source] = _read_anew(source)
    return READ[source]


def _forget(source: str) -> None:
    """A file that is loaded again is read again, and so are those that import it."""
    for own in [own for own, texts in READ.items() if pathlib.Path(source) in texts]:
        del READ[own]


contracts.REMEMBERED.append(_forget)


def _read_anew(source: str) -> dict[pathlib.Path, str]:
    root, texts = _root_of(source), {}
    waiting = [pathlib.Path(source)]
    while waiting:
        path = waiting.pop()
        if path in texts:
            continue
        try:
            texts[path] = path.read_text(encoding="utf-8")
            tree = ast.parse(texts[path])
        except (SyntaxError, ValueError):  # said where it is imported
            continue
        for module in _list_imports(tree, path, root):
            waiting += _find_beside(module, pathlib.Path(source), root)
    return texts


def _root_of(source: str) -> pathlib.Path:
    """The folder from which a file's modules are named: that above its packages."""
    root = pathlib.Path(source).parent
    while (root / "__init__.py").is_file():
        root = root.parent
    return root


def _list_imports(tree: ast.AST, path: pathlib.Path, root: pathlib.Path) -> Iterator[str]:
    """The names of modules that a file may import, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                within = path.relative_to(root).parent.parts
                above = within[: len(within) - node.level + 1]
                base = ".".join((*above, *filter(None, [base])))
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _find_beside(module: str, source: pathlib.Path, root: pathlib.Path) -> list[pathlib.Path]:
    """The files of a module and of the packages around it, where they lie beside the source.

    Raises ConfigError where another module of that name was there before.
    """
    top, found = module.partition(".")[0], []
    installed = root in map(pathlib.Path, sysconfig.get_paths().values())
    own = source.relative_to(root).parts[0].removesuffix(".py")
    if not top or top == callers.PACKAGE or installed and top != own:
        return []
    place, name = root, ""
    for part in module.split("."):
        place, name = place / part, f"{name}.{part}".lstrip(".")
        files = [
            file for file in (place / "__init__.py", place.with_suffix(".py")) if file.is_file()
        ]
        if not files:
            continue  # a folder may be a package without a file of its own
        file = files[0]
        there = getattr(sys.modules.get(name), "__file__", None)
        if there and pathlib.Path(there).resolve() != file.resolve():
            if file == source:
                break
            raise ConfigError(
                f"{source}: {file.name} beside it is not what it imports, which is {there}: rename"
                " the file"
            )
        found.append(file)
    return found
