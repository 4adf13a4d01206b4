"""The text of what is from outside: of files, of those beside them, of a notebook's cells.

It is kept as it is first read, when a plug-in is loaded, whatever becomes of the file. Imports no
JAX.
"""

import ast
import importlib.machinery
import os
import pathlib
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from typing import Any

from cnnjax.config import callers, cells, contracts, register, rules
from cnnjax.config.config import Config
from cnnjax.config.errors import ConfigError

Texts = dict[pathlib.Path, tuple[str, str]]  # by path a name and the text
READ: dict[str, Texts] = {}  # by file, the texts of it and of those beside it


def list_sources() -> list[str]:
    """All files, or modules without one, from which something is declared."""
    choices = [own for known in register.CHOICES.values() for own in known.values() if own.source]
    found = [file for own in choices for file in (own.source, callers.find_home(own.make))]
    found += [knob.source for knob in rules.KNOBS.values()]
    return [source for source in dict.fromkeys(found) if source]


def texts_of(config: Config, data: bool = False) -> dict[str, str]:
    """The texts of all from outside that a run uses, by name of the file.

    Its data are known by their contents: their text is given with `data` only.
    That is where its choices are declared, and those of its own knobs that are not at their
    default, and where these stand if that is elsewhere, with the person's own files that these
    import; of a notebook's cell what is declared, with all that its code names.
    """
    texts: dict[str, str] = {}
    for thing, source in _list_used(config, data):
        home, declared = callers.find_home(thing), os.path.isfile(source)
        if declared:
            texts |= read_files(source)
        if home and home not in read_paths(source):
            texts |= read_files(home)
        if home == "" or not declared:
            text, files = cells.read(thing)
            texts[f"{os.path.basename(source)}:{callers.name_of(thing)}"] = text
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
    """The texts of a file and of a person's own that it imports, by name, as first read."""
    return dict(_read_closure(source).values())


def read_paths(source: str) -> list[str]:
    """The paths of these; none of what has no file."""
    return [str(path) for path in _read_closure(source)] if os.path.isfile(source) else []


def _read_closure(source: str) -> Texts:
    """By path a name and the text, as first read."""
    if source not in READ:
        READ[source] = _read_anew(source)
    return READ[source]


def _forget(source: str) -> None:
    """A file that is loaded again is read again, and so are those that import it."""
    for own in [own for own, texts in READ.items() if pathlib.Path(source) in texts]:
        del READ[own]


contracts.REMEMBERED.append(_forget)


def _read_anew(source: str) -> Texts:
    root, parts = _find_root(pathlib.Path(source))
    own = parts[0] if root in map(pathlib.Path, sysconfig.get_paths().values()) else ""
    texts: Texts = {}
    waiting = [(".".join(parts), pathlib.Path(source))]
    while waiting:
        module, path = waiting.pop()
        if path in texts:
            continue
        near = path.relative_to(root) if path.is_relative_to(root) else None
        name = near.as_posix() if near else f"{module.replace('.', '/')}/{path.name}"
        try:
            text = path.read_text(encoding="utf-8")
            texts[path] = name, text
            tree = ast.parse(text)
        except (SyntaxError, ValueError):  # said where it is imported
            continue
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for name in _list_imports(tree, package):
            if not own or name.partition(".")[0] == own:  # of what is installed its own alone
                waiting += _find_files(name, pathlib.Path(source), root)
    return texts


def _find_root(source: pathlib.Path) -> tuple[pathlib.Path, list[str]]:
    """The folder from which a file's modules are named, and the parts of its own name.

    A package may be without a file of its own: then how the file was imported says it.
    """
    root, parts = source.parent, [source.stem] if source.stem != "__init__" else []
    while (root / "__init__.py").is_file():
        root, parts = root.parent, [root.name, *parts]
    above, names = root, parts
    while above != above.parent:
        if _find_file(sys.modules.get(".".join(names))) == source.resolve():
            return above, names
        above, names = above.parent, [above.name, *names]
    return root, parts


def _find_file(module: Any) -> pathlib.Path | None:
    file = getattr(module, "__file__", None)
    return pathlib.Path(file).resolve() if file else None


def _list_imports(tree: ast.AST, package: str) -> Iterator[str]:
    """The names of modules that a file of a package may import, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _resolve("." * node.level + (node.module or ""), package)
            yield base
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            name = getattr(node.args[0], "value", None)
            if called in ("import_module", "__import__") and isinstance(name, str):
                yield _resolve(name, package)


def _resolve(name: str, package: str) -> str:
    """A module's name, which may be relative to a package, such as ..parts."""
    level = len(name) - len(name.lstrip("."))
    above = package.split(".") if package else []
    return ".".join([*above[: len(above) - level + 1], *filter(None, [name[level:]])]
                    if level else [name])  # fmt: skip


def _find_files(
    module: str, source: pathlib.Path, root: pathlib.Path
) -> Iterator[tuple[str, pathlib.Path]]:
    """The files of a module and of the packages around it that are a person's own, with names.

    Raises ConfigError where another module of that name was there before one beside the source.
    """
    within: Sequence[str] | None = None
    place, name = root, ""
    for part in module.split(".") if module.partition(".")[0] not in ("", callers.PACKAGE) else ():
        place, name = place / part, f"{name}.{part}".lstrip(".")
        files = [
            file for file in (place / "__init__.py", place.with_suffix(".py")) if file.is_file()
        ]
        there, within = _locate(name, within)
        if not files and there is None:
            continue  # a folder may be a package without a file of its own
        if not files:
            if not callers.is_own_file(name, str(there)):
                return
            yield name, pathlib.Path(str(there))
            continue
        found = _find_file(sys.modules.get(name))
        if found and found != files[0].resolve():
            if files[0] == source:
                return
            raise ConfigError(
                f"{source}: {files[0].name} beside it is not what it imports, which is {found}:"
                " rename the file"
            )
        yield name, files[0]


def _locate(name: str, within: Sequence[str] | None) -> tuple[str | None, Sequence[str] | None]:
    """The file that Python has for a module, or would import, and where its own modules lie."""
    module: Any = sys.modules.get(name)
    if module is not None:
        return getattr(module, "__file__", None), [*getattr(module, "__path__", ())]
    spec = importlib.machinery.PathFinder.find_spec(name, within)
    if spec is None:
        return None, ()  # and None would be all of sys.path
    return spec.origin if spec.has_location else None, spec.submodule_search_locations or ()
