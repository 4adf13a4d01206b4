"""What a cell declares is known by its text, or by its code where no text is kept."""

import linecache
import subprocess
import sys

import pytest

from cnnjax.config import cells

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
