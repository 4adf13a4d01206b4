"""The README: a page long, and its commands run as they stand, in order, in one shell."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from typing import NamedTuple

import pytest

from experiments import rooms

README = (rooms.ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?:<!-- (?P<mark>[^\n]*) -->\n)?```sh\n(?P<code>.*?)```", re.DOTALL)
SMALL = "--seeds=3 --train_examples=50 --steps=20"


class Block(NamedTuple):
    """Commands of the README, and the mark above them."""

    mark: str
    code: str


BLOCKS = [Block(found["mark"] or "", found["code"]) for found in BLOCK.finditer(README)]


def as_run(block):
    """A block's commands as they are tried here: what is marked as small with its sizes.

    What makes the environment is left out (it asks the package index), and of the tests all but
    a few: both commands are what `.ci/run` begins with.
    """
    code = block.code.strip()
    if block.mark in ("launch", "test"):
        made, code = code.rsplit(" && ", 1)
        assert made.startswith("python3 -m venv .venv && .venv/bin/pip install -q -c versions.txt")
        return f"{code} {SMALL if block.mark == 'launch' else '--version'}"
    small = block.mark.removeprefix("small: ") if block.mark else ""
    lines = code.split("\n")
    return "\n".join(
        f"{line} {small}" if re.match(r"python (launch|-m experiments)", line) else line
        for line in lines
    ).rstrip()


def test_it_is_a_page():
    assert len(README.splitlines()) <= 150


def test_the_commands_are_marked_or_plain():
    marks = [block.mark.partition(":")[0] for block in BLOCKS]
    assert marks[:3] == ["launch", "test", ""] and set(marks[3:]) == {"small", ""}
    assert BLOCKS[2].code == ". .venv/bin/activate\n"


@pytest.mark.parametrize(
    "page", ["README.md", *(f"docs/{path.name}" for path in rooms.ROOT.glob("docs/*.md"))]
)
def test_links_lead_somewhere(page):
    path = rooms.ROOT / page
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_every_page_is_in_the_index():
    index = (rooms.ROOT / "docs/README.md").read_text(encoding="utf-8")
    for path in rooms.ROOT.glob("docs/*.md"):
        assert path.name == "README.md" or f"({path.name})" in index


@pytest.mark.slow
def test_its_commands_run_in_order_in_a_fresh_copy(tmp_path):
    clone = tmp_path / "clone"
    names = ["cnnjax", "experiments", "tests", "launch.py", "pyproject.toml", "versions.txt"]
    for name in names:
        path = rooms.ROOT / name
        if path.is_dir():
            shutil.copytree(path, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, clone / name)
    (clone / ".venv").symlink_to(pathlib.Path(sys.prefix), target_is_directory=True)
    script = "\n".join(as_run(block) for block in BLOCKS)
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=clone, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(clone)},
    )  # fmt: skip
    assert run.returncode == 0, f"{run.stdout[-3000:]}\n{run.stderr[-3000:]}"
    assert (clone / "runs/pooling-padding/report.html").exists()
    assert (clone / "runs/padding/report.html").exists()
    config = json.loads((clone / "runs/own/config.json").read_text(encoding="utf-8"))
    assert config["dataset"] == "arrays:own.npz"
