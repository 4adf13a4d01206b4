"""What the texts of plug-ins that are kept with records declare. It is read, and nothing is run."""

import ast
import contextlib
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from cnnjax.config import declared, register, rules
from cnnjax.config.declared import Declared
from cnnjax.records.atomic import read_bytes

# By decorator the knob whose name it declares; `choice` names its knob itself.
KNOBS = {
    "pooling": "pool", "activation": "activation", "model": "model", "dataset": "dataset",
    "measure": "measure", "metric": "metric",
}  # fmt: skip
TYPES: Mapping[str, Any] = {
    "int": int, "float": float, "bool": bool, "str": str, "tuple[int, ...]": tuple[int, ...],
    "tuple[str, ...]": tuple[str, ...],
}  # fmt: skip
FOLDER = "plugins"
TEXTS = "texts"  # of provenance: all that were kept, by name of the file its hash


class Field(NamedTuple):
    """A knob of a family."""

    type: Any  # None where it is not said plainly
    default: Any  # likewise
    facts: Mapping[str, Any]  # the other arguments that are literals

    @property
    def is_plain(self) -> bool:
        """Whether the text says what it is."""
        return self.type is not None and self.default is not None


class Text(NamedTuple):
    """A text and what it declares by literals."""

    plugin: str  # the file and where its text lies, in words
    source: str  # what tells the plug-in from others
    choices: dict[tuple[str, str], Declared]  # by knob and name
    families: dict[str, dict[str, Field]]


def read_texts(folder: pathlib.Path, provenances: Iterable[Mapping[str, Any]]) -> list[Text]:
    """The texts kept in a folder's plugins, those first that the newest records used."""
    names: dict[str, str] = {}
    for own in sorted(provenances, key=lambda own: own.get("date", ""), reverse=True):
        names |= {hash: name for name, hash in list_hashes(own).items() if hash not in names}
    paths = {path.stem: path for path in sorted((folder / FOLDER).glob("*.py"))}
    order = dict.fromkeys([*(hash for hash in names if hash in paths), *paths])
    return [_read(paths[hash], names.get(hash, "")) for hash in order]


def list_hashes(provenance: Mapping[str, Any]) -> Mapping[str, str]:
    """By name of the file, the hash of each text from outside that a run was made with."""
    origin = provenance.get("origin")
    return (origin.get("plugins") if isinstance(origin, Mapping) else None) or {}


def list_texts(provenance: Mapping[str, Any]) -> Mapping[str, str]:
    """Likewise all texts that were kept for a run; of an older record without those of its data."""
    return provenance.get(TEXTS) or list_hashes(provenance)


def name_missing(
    config: Mapping[str, Any], provenance: Mapping[str, Any], folder: pathlib.Path
) -> str:
    """How to give the plug-ins that a run's config needs and that are not loaded.

    `folder` is that in which their texts were kept. Empty where none is known.
    """
    lacking = {("", name) for name in config if name not in rules.KNOBS}
    for knob in ("dataset", "measure", *(n for n, own in rules.KNOBS.items() if own.registered)):
        value = config.get(knob, ())
        names = value if isinstance(value, (list, tuple)) else [value]
        known = register.names(knob)
        lacking |= {(knob, name) for name in names if name not in known}
    found = []
    for text in read_texts(folder, [provenance]):
        own = {("measure" if knob == "metric" else knob, name) for knob, name in text.choices}
        own |= {("", name) for family in text.families.values() for name in family}
        if own & lacking:
            found.append(text.plugin)
            lacking -= own
    if not found:
        found = [
            name_plugin(name, folder / FOLDER / f"{hash}.py")
            for name, hash in list_hashes(provenance).items()
            if not (folder / FOLDER / f"{hash}.py").is_file()
        ]
    return " and ".join(found)


def name_plugin(name: str, path: pathlib.Path) -> str:
    """How to give a plug-in that is not loaded, and where its text lies."""
    text = f"its text is {path}" if path.is_file() else "its text was not kept"
    if ":" in name:
        return f"the cell of {name.rpartition(':')[2]} ({text})"
    return f"--plugin={name} ({text})" if name else f"--plugin={path}"


def _read(path: pathlib.Path, name: str) -> Text:
    choices: dict[tuple[str, str], Declared] = {}
    families: dict[str, dict[str, Field]] = {}
    tree = ast.parse("")
    with contextlib.suppress(OSError, SyntaxError, ValueError, MemoryError, RecursionError):
        tree = ast.parse(read_bytes(path).decode())
    made = [own for own in ast.walk(tree) if isinstance(own, (ast.FunctionDef, ast.ClassDef))]
    for node in made:
        for decorator in node.decorator_list:
            if _name(decorator) == "family" and isinstance(node, ast.ClassDef):
                families[node.name] = dict(_list_fields(node))
            choices |= _read_choice(decorator, node)
    by_name = {node.name: node for node in made}
    for call in ast.walk(tree):  # cnnjax.pooling("gem")(make)
        if isinstance(call, ast.Call) and call.args:
            choices |= _read_choice(call.func, by_name.get(getattr(call.args[0], "id", "")))
    return Text(name_plugin(name, path), name or str(path), choices, families)


def _name(node: ast.expr) -> str:
    """The last name of `cnnjax.pooling`, called or not."""
    node = node.func if isinstance(node, ast.Call) else node
    return getattr(node, "attr", getattr(node, "id", ""))


def _read_choice(call: ast.expr, made: Any) -> dict[tuple[str, str], Declared]:
    """What a call of a decorator declares, nothing where it is none."""
    if not isinstance(call, ast.Call):
        return {}
    decorator, given = _name(call), [getattr(own, "value", None) for own in call.args]
    if decorator == "choice" and len(given) == 2:
        knob, name = given
    elif decorator in KNOBS and len(given) == 1:
        knob, name = KNOBS[decorator], given[0]
    else:
        return {}
    if not (isinstance(knob, str) and isinstance(name, str)):
        return {}
    arguments = made.args if isinstance(made, ast.FunctionDef) else None
    every = [*arguments.args, *arguments.kwonlyargs] if arguments else []
    said = ast.get_docstring(made) if made else ""
    help = (said or "").partition("\n")[0]
    facts = dict(_list_literals(call))
    return {(knob, name): declared.declare(facts, [own.arg for own in every], help)}


def _list_literals(call: ast.Call) -> Iterator[tuple[str, Any]]:
    for own in call.keywords:
        with contextlib.suppress(ValueError):
            yield own.arg or "", ast.literal_eval(own.value)


def _list_fields(family: ast.ClassDef) -> Iterator[tuple[str, Field]]:
    for node in family.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            call = node.value
            if isinstance(call, ast.Call) and _name(call) == "structure":
                said = dict(_list_literals(call))
                for name, value in zip(("default", "help"), call.args, strict=False):
                    with contextlib.suppress(ValueError):
                        said[name] = ast.literal_eval(value)
                default, facts = said.pop("default", None), said
                yield node.target.id, Field(_read_type(node.annotation), default, facts)


def _read_type(annotation: ast.expr) -> Any:
    if isinstance(annotation, ast.Subscript) and _name(annotation.value) == "Literal":
        with contextlib.suppress(ValueError):
            return Literal[ast.literal_eval(annotation.slice)]  # pyright: ignore[reportInvalidTypeForm]
    return TYPES.get(ast.unparse(annotation).strip("'"))
