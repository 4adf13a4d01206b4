"""A file imports only from floors below its own, and what must answer at once imports no JAX."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]

# Each floor may import from those above it in this list; a folder is one room.
FLOORS = (
    ("cnnjax.presets", "cnnjax.knobs", "cnnjax.disk", "cnnjax.origin"),
    ("cnnjax.names", "cnnjax.backend"),
    ("cnnjax.config", "cnnjax.ops", "cnnjax.stats"),
    ("cnnjax.decision", "cnnjax.power"),
    (
        "cnnjax.flags",
        "cnnjax.explain",
        "cnnjax.study",
        "cnnjax.layouts",
        "cnnjax.augment",
        "cnnjax.corrupt",
        "cnnjax.optim",
        "cnnjax.data",
    ),
    ("cnnjax.layers", "cnnjax.norms"),
    ("cnnjax.networks",),
    ("cnnjax.models",),
    ("cnnjax.cost",),
    ("cnnjax.microbatch", "cnnjax.examine", "cnnjax.notes"),
    ("cnnjax.program",),
    ("cnnjax.spread", "cnnjax.store"),
    ("cnnjax.outcome",),
    ("cnnjax.group",),
    ("cnnjax.metrics", "cnnjax.archive"),
    (
        "cnnjax.checkpoint",
        "cnnjax.sweep",
        "cnnjax.judge",
        "cnnjax.plan",
        "cnnjax.tuning",
        "cnnjax.foresight",
    ),
    ("cnnjax.engines", "cnnjax.report"),
    ("experiments",),
    ("launch",),
)
ROOMS = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FILES = [
    path
    for path in (
        *ROOT.glob("cnnjax/**/*.py"),
        *ROOT.glob("experiments/**/*.py"),
        ROOT / "launch.py",
    )
    if path != ROOT / "cnnjax" / "__init__.py"
]


def room_of(module: str) -> str:
    return next(room for room in ROOMS if module == room or module.startswith(room + "."))


def imported_modules(path: pathlib.Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            if node.module == "cnnjax":  # from cnnjax import stats
                found |= {f"cnnjax.{alias.name}" for alias in node.names}
            else:
                found.add(node.module)
    return {name for name in found if name.split(".")[0] in ("cnnjax", "experiments", "launch")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_only_from_floors_below(path):
    own = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    for module in imported_modules(path):
        other = room_of(module)
        assert other == own or ROOMS[other] < ROOMS[own], f"{path} imports {module}"


@pytest.mark.parametrize(
    "module",
    [
        "cnnjax.config",
        "cnnjax.stats",
        "cnnjax.decision",
        "cnnjax.flags",
        "cnnjax.origin",
        "cnnjax.backend",
        "experiments.claims",
        "experiments.claims.known_answers",
        "experiments.judge",
        "launch",
    ],
)
def test_imports_no_jax(module):
    code = f"import sys, {module}; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
