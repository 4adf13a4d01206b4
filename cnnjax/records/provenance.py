"""By what code and on what machine a record was made.

What decides a lane's numbers follows from the imports: it is all that one root imports, and what
that imports in turn. Nothing else may reach the root, or touching a report would retrain a sweep.
"""

import ast
import contextlib
import functools
import hashlib
import importlib.metadata
import os
import pathlib
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import platformdirs

from cnnjax.config import models as models  # declares the rows
from cnnjax.config import register
from cnnjax.records import atomic

PACKAGE = pathlib.Path(__file__).parents[1]
ROOT = "cnnjax.sweep.session"  # trains lanes and measures them
# What it says stands in each Config, and so in the address, as values.
IN_CONFIG = frozenset({"cnnjax.config.presets"})
# Lines for a terminal, how commands are called and paths written, which name was meant: for
# readers, as docstrings are. The numbers that `words` reads from a text stand in each Config as
# values.
FOR_READERS = frozenset(
    f"cnnjax.config.{name}" for name in ("hints", "installed", "paths", "words")
)
# What hosts of one program tell each other: which steps to take, and bits as they are.
# Reads weights that a run starts from, whose hash stands in its origin as it gives them.
TOLD = frozenset({"cnnjax.sweep.start"})
BETWEEN_HOSTS = frozenset({"cnnjax.config.hosts", "cnnjax.sweep.channel", "cnnjax.sweep.multihost"})
DECLARATIONS = ("structure", "number", "choice")  # of knobs; the second argument is their help
TEXTS = ("help", "allowed")
# What a model says of itself beside its layers: values in the Config, or which may be given.
ROW = ("reads", "defaults", "small", "instead", "images")
STOOD_FOR = ("cnn", "mlp")  # the networks of twins, whose own rows are in no Config


@functools.cache
def find_modules() -> dict[str, pathlib.Path]:
    """The files of the package, by module."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


def read_imports(path: pathlib.Path) -> Iterator[tuple[str, list[str]]]:
    """What a file imports, wherever in it: modules, each with the names that are taken from it.

    Raises ValueError on a relative import, which would be followed wrongly.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                raise ValueError(f"{path}:{node.lineno}: imports are absolute")
            yield node.module, [alias.name for alias in node.names]


def list_imports(module: str) -> set[str]:
    """The modules of the package that one imports."""
    known, found = find_modules(), set()
    for source, names in read_imports(known[module]):
        found |= {f"{source}.{name}" for name in names} & set(known) or {source}
    return found & set(known)


def list_closure(root: str = ROOT) -> list[str]:
    """All modules that `root` imports, itself among them, whether at once or through others."""
    seen: set[str] = set()
    waiting = [root]
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += [] if module in TOLD else list_imports(module)
    return sorted(seen - IN_CONFIG - FOR_READERS - BETWEEN_HOSTS - TOLD)


@functools.cache
def program_version() -> str:
    """A hash of our code that decides a lane's numbers: without comments, docstrings and texts.

    Kept by the bytes of all our code and by the Python that read it: to find it takes a while.
    """
    place = None
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # the last where no home is known
        cache = pathlib.Path(platformdirs.user_cache_dir("cnnjax"))
        place = cache / "program" / hash_files()
        if re.fullmatch("[0-9a-f]{16}", kept := place.read_text(encoding="ascii")):
            return kept
    found = find_version()
    if place is not None and place.is_absolute():
        with contextlib.suppress(OSError):
            atomic.write_text(place, found)
    return found


def hash_files() -> str:
    """A hash of all our code, by its bytes, and of the Python that reads it."""
    digest = hashlib.sha256(sys.version.encode())
    for module, path in find_modules().items():
        digest.update(f"{module} {path.stat().st_size}\n".encode() + path.read_bytes())
    digest.update(repr([describe_row(model) for model in STOOD_FOR]).encode())
    return digest.hexdigest()


def find_version() -> str:
    """That of the code as it is."""
    digest, known = hashlib.sha256(), find_modules()
    for module in list_closure():
        digest.update(code_only(known[module].read_text(encoding="utf-8")).encode())
    digest.update(repr([describe_row(model) for model in STOOD_FOR]).encode())
    return digest.hexdigest()[:16]


def describe_row(model: str) -> tuple[Any, ...]:
    """The knobs that a built-in model reads and its defaults, in alphabetical order."""
    row = register.find("model", model).traits
    return sorted(row["reads"]), sorted(row["defaults"].items())


def code_only(source: str) -> str:
    """Python without what is for readers: comments, docstrings, what knobs and models say of
    themselves, and what a refusal says.

    Whether a rule refuses counts: what a twin keeps of its CNN's knobs follows from the rules.
    """  # fmt: skip
    tree = blank_docstrings(ast.parse(source))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in DECLARATIONS:
            del node.args[1:]
            node.keywords = [keyword for keyword in node.keywords if keyword.arg not in TEXTS]
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "model":
            node.keywords = [keyword for keyword in node.keywords if keyword.arg not in ROW]
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            node.exc.args, node.exc.keywords = [], []
        if isinstance(node, ast.FunctionDef) and _is_wording(node):
            node.body = [ast.Pass()]
    return ast.unparse(tree)


def _is_wording(function: ast.FunctionDef) -> bool:
    """Whether a function gives words for a message: its name says so, and its type."""
    named = function.name.lstrip("_").startswith("describe_")
    return named and isinstance(function.returns, ast.Name) and function.returns.id == "str"


def blank_docstrings(tree: ast.Module) -> ast.Module:
    """The tree itself, every docstring in it empty."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            if isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):
                body[0].value.value = ""
    return tree


def describe_environment() -> dict[str, Any]:
    """Versions, machine and code revision, for provenance; `clean` is None without a revision."""
    revision = code_revision(pathlib.Path(__file__))
    return {
        "cnnjax": _find_version(),
        "code_revision": revision,
        "clean": None if revision is None else not revision.endswith("+"),
        "host": platform.node(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _find_version() -> str:
    try:
        return importlib.metadata.version("cnnjax")
    except importlib.metadata.PackageNotFoundError:  # run from its sources, on a path
        return "not installed"


def code_revision(file: pathlib.Path) -> str | None:
    """The git commit of the checkout that tracks a file, with '+' where files were changed since.

    None where none tracks it: a package may be installed below another project's repository.
    """
    commands = (
        ["ls-files", "--error-unmatch", file.name],
        ["rev-parse", "HEAD"],
        ["status", "--porcelain", "--untracked-files=no"],
    )
    try:
        _, head, changes = (
            subprocess.run(
                ["git", "-C", os.fspath(file.parent), *command],
                capture_output=True, text=True, check=True, timeout=10,
            ).stdout.strip()
            for command in commands
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return head + ("+" if changes else "")
