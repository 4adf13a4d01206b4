"""A file imports only from rooms below its own, and what must answer at once imports no JAX."""

import ast
import re
import subprocess
import sys

import numpy as np
import pytest

from cnnjax.records import provenance
from experiments import rooms

WITHOUT_JAX = ("config", "records", "study")
LAZY = ("cnnjax.study.plan", "cnnjax.study.foresight")  # reach for shapes of networks


def name_of(path):
    return ".".join(path.relative_to(rooms.ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = {name_of(path): path for path in rooms.list_files()}


@pytest.mark.parametrize("module", FILES)
def test_imports_only_from_rooms_below(module):
    own = rooms.ROOMS.index(rooms.room_of(module))
    for other in rooms.list_imports(FILES[module]):
        room = rooms.room_of(other)
        assert rooms.ROOMS.index(room) <= own, f"{module} imports {other}"


# Upwards by name alone: nobody is imported but for who asks for what lives there.
BY_NAME = {
    # Homes of choices: read as text by --help and refusals, imported when a choice is made.
    "cnnjax.config.register": {"ops", "networks", "data", "measures", "training", "study"},
    "cnnjax.config.installed": {"experiments"},  # console scripts start there
    # Packages that can be called: `cnnjax.records(...)` and `cnnjax.sweep(...)`.
    "cnnjax.records": {"notebook"},
    "cnnjax.sweep": {"notebook"},
    "cnnjax.records.provenance": {"sweep"},  # hashes its text, and that of all that it imports
}


def test_what_is_named_upwards_in_a_text_is_declared():
    found = {}
    for module, path in FILES.items():
        own = rooms.ROOMS.index(rooms.room_of(module))
        named = {rooms.room_of(other) for other in rooms.list_named(path)} & set(rooms.ROOMS)
        if above := {room for room in named if rooms.ROOMS.index(room) > own}:
            found[module] = above
    assert found == BY_NAME


def test_a_text_that_is_a_module_is_seen(tmp_path):
    path = tmp_path / "x.py"
    path.write_text("import_module('cnnjax.api')\nimport_module(f'cnnjax.data.{name}')\n")
    assert {rooms.room_of(own) for own in rooms.list_named(path)} == {"api", "data"}


def test_an_arrow_upwards_is_seen(tmp_path):
    path = tmp_path / "x.py"
    path.write_text("def f():\n    from cnnjax.report import page\n    from cnnjax import api\n")
    assert rooms.list_imports(path) == {"cnnjax.report", "cnnjax.api"}
    path.write_text("from . import page\n")
    with pytest.raises(ValueError, match="absolute"):
        rooms.list_imports(path)


def test_the_package_is_rooms():
    top = sorted(path.name for path in (rooms.ROOT / "cnnjax").glob("*.py"))
    assert len(top) <= 3, top
    assert set(map(rooms.room_of, FILES)) <= set(rooms.ROOMS)


@pytest.mark.parametrize("room", [room for room in rooms.list_arrows() if room != "launch"])
def test_a_room_says_what_lives_there_and_what_it_imports(room):
    if (path := FILES.get(f"cnnjax.{room}")) is None:
        return
    text = ast.get_docstring(ast.parse(path.read_text()))
    assert text and "imports" in text and len(text.splitlines()) >= 3
    assert ("imports nothing of ours" in text) == (not rooms.list_arrows()[room])


def test_the_picture_is_of_these_imports():
    assert rooms.SVG.read_text() == rooms.draw(), "run python -m experiments.rooms"


def trace(path, steps=20):
    """Points along a path of cubic curves."""
    numbers = [tuple(map(int, pair)) for pair in re.findall(r"(\d+) (\d+)", path)]
    for first in range(0, len(numbers) - 1, 3):
        for t in np.linspace(0, 1, steps):
            weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
            yield weights @ np.array(numbers[first : first + 4])


def test_no_arrow_of_the_picture_is_behind_a_box():
    places = rooms.place_rooms(rooms.reduce(rooms.list_arrows()))
    arrows = re.findall(r'<path d="([^"]+)" fill="none"', rooms.draw())
    assert len(arrows) > 10
    for x, y in [point for arrow in arrows for point in trace(arrow)]:
        for room, (left, top) in places.items():
            inside = left < x < left + rooms.WIDTH and top < y < top + rooms.HEIGHT
            assert not inside, room


def test_the_code_page_names_each_room_in_their_order_and_counts_the_floors():
    text = (rooms.ROOT / "docs" / "code.md").read_text()
    order = re.search(r"The order, lowest first:(.*?)\.\s+Modules", text, re.DOTALL)
    assert order and tuple(re.findall(r"`(\w+)(?:\.py)?`", order[1])) == rooms.ROOMS
    listed = re.findall(r"^    (?:cnnjax/)?(\w+)(?:/|\.py) ", text, re.MULTILINE)
    assert tuple(listed) == (*rooms.ROOMS, "tests")
    floors = rooms.find_floors(rooms.list_arrows())
    assert f"rooms stand on {max(floors.values()) + 1} now" in text


def find_printing(path):
    """The lines of a file that print, or write to the terminal's streams."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "words.say"):
            yield node.lineno
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.stdout", "sys.stderr"):
            yield node.lineno


def test_what_python_calls_prints_nothing():
    reached = {
        name: list(find_printing(FILES[name]))
        for name in provenance.list_closure("cnnjax.notebook")
        if name in FILES
    }
    assert "cnnjax.data.sources.official" in reached and "cnnjax.api" in reached
    assert not {name: lines for name, lines in reached.items() if lines}


QUICK = [
    *(m for m in FILES if rooms.room_of(m) in WITHOUT_JAX and m not in LAZY),
    "cnnjax.sweep.backend",
    "experiments.claims",
    "experiments.claims.known_answers",
    "experiments.judge",
    "experiments.records",
    "launch",
]


@pytest.fixture(scope="session")
def with_jax():
    """The modules after whose import JAX is there; one process tries all, in order."""
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "    if 'jax' in sys.modules: print(name)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *QUICK], cwd=rooms.ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


@pytest.mark.parametrize("module", QUICK)
def test_imports_no_jax(module, with_jax):
    assert module not in with_jax


def test_help_waits_for_no_arithmetic():
    """Importing JAX takes seconds, SciPy half of one, NumPy a tenth."""
    code = (
        "import contextlib, importlib, io, sys\n"
        "for name in sys.argv[1:]:\n"
        "    script = importlib.import_module(name)\n"
        "    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "        script.main([name, '--help'], None)\n"
        "    print(name, *{'jax', 'scipy', 'numpy'} & {*sys.modules})\n"
    )
    scripts = ["launch", "experiments.ablate", "experiments.train", "experiments.judge",
               "experiments.records", "experiments.export"]  # fmt: skip
    run = subprocess.run(
        [sys.executable, "-c", code, *scripts], cwd=rooms.ROOT, capture_output=True, text=True
    )
    assert run.stdout.split() == scripts, run.stderr
