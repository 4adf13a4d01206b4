"""What a cell declares is known by its text, or by its code where no text is kept."""

import linecache
import pathlib
import subprocess
import sys

import pytest

import cnnjax
from cnnjax.config import cells
from cnnjax.config.config import Config
from cnnjax.records.plugins import hash_files

CODE = "def bent(units):\n    return units * {slope} if units in {{'a', 'b', 'c'}} else units\n"


def declare(slope):
    namespace = {"__name__": "__cell__"}
    exec(CODE.format(slope=slope), namespace)
    return namespace["bent"]


@pytest.fixture
def kept(monkeypatch):
    """As Python 3.13 keeps the text of `python -c`, under the name of all that is a string."""
    text = CODE.format(slope=1)
    lines = text.splitlines(keepends=True)
    monkeypatch.setitem(linecache.cache, "<string>", (len(text), None, lines, "<string>"))


def test_what_is_run_as_a_string_is_not_taken_for_another_string(kept):
    texts = {cells.read(declare(slope))[0] for slope in (2, -7)}
    assert len(texts) == 2 and not any("units * 1" in text for text in texts)


def test_code_without_a_text_is_the_same_in_every_process():
    lines = ["from cnnjax.config import cells", f"exec({CODE.format(slope=2)!r})"]
    read = "\n".join([*lines, "print(cells.read(bent)[0])"])
    texts = {
        subprocess.run(
            [sys.executable, "-c", read],
            env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True,
        ).stdout
        for seed in "123"
    }  # fmt: skip
    assert len(texts) == 1


NAMED = """
import functools, beside, numpy as np
SCALE, TABLE, RATES = 2.0, np.arange(3), {"a": [1, 2]}
class Half:
    by = 0.5
    def take(self, units): return units * self.by
def helper(units): return inner(units) * SCALE
def inner(units): return units + 1
def make(slope): return lambda units: units * slope
closed = make(3.0)
tied = functools.partial(lambda units, by: units * by, by=4)
def bent(units):
    def within(): return [closed(tied(units)) * TABLE.sum() for _ in RATES["a"]]
    return helper(units) + beside.START + Half().take(units) + within()[0] + (bent is None)
cnnjax.activation("bent")(bent)
"""


@pytest.mark.parametrize(
    ("cell", "changed"),
    [
        ("def helper(units): return inner(units) / SCALE", True),
        ("def inner(units): return units + 2", True),
        ("SCALE = 3.0", True),
        ("TABLE = np.arange(4)", True),
        ("RATES = {'a': [1, 3]}", True),
        ("closed = make(5.0)", True),
        ("tied = functools.partial(tied.func, by=5)", True),
        ("Half.by = 0.25", True),
        ("SCALE = 2.0; TABLE = np.arange(3); RATES = {'a': [1, 2]}", False),
        ("other = 3; units = 4; sum = 5", False),
    ],
)
def test_what_a_cell_names_of_others_is_in_its_address(outside, monkeypatch, cell, changed):
    monkeypatch.syspath_prepend(str(pathlib.Path(outside["beside"]).parent))
    scope = {"__name__": "__cell__", "cnnjax": cnnjax}
    exec(NAMED, scope)
    first = hash_files(Config(activation="bent"))
    assert set(first or ()) == {"__cell__:bent", "beside.py"}
    assert hash_files(Config(activation="bent")) == first
    exec(cell, scope)
    assert (hash_files(Config(activation="bent")) != first) is changed


def test_what_was_typed_is_addressed_alike_in_every_process():
    code = (
        "import cnnjax\nfrom cnnjax.config.config import Config\n"
        "from cnnjax.records.plugins import hash_files\n"
        "import dataclasses\nNAMES, THING = {'a', 'b', 'c'}, object()\n"
        "@dataclasses.dataclass\nclass Kept:\n    one: int\n    other: object = THING\n"
        "KEPT = Kept(3)\n"
        "@cnnjax.activation('typed')\ndef typed(units):\n"
        "    return NAMES and THING and KEPT and (lambda x: 2 * x)(units)\n"
        "print(hash_files(Config(activation='typed')))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, check=True
        ).stdout
        for text in (code, code, code.replace("2 * x", "3 * x"))
    }
    assert len(said) == 2 and all(line.startswith("{'__main__:typed': '") for line in said)
