"""The plug-ins of docs/extend.md work as they stand there, from a folder outside the checkout."""

import json
import pathlib
import re
import subprocess
import sys

import pytest

from cnnjax.study import claims

ROOT = pathlib.Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", TEXT, re.DOTALL))
SMALL = ["--train_examples=64", "--batch_size=16", "--steps=8", "--widths=4,4", "--runs=runs"]
ABLATE = ["-m", "experiments.ablate", "--seeds=1"]
LAUNCH = [str(ROOT / "launch.py")]


@pytest.fixture
def outside(tmp_path, environment):
    """Runs a command in a folder that has the plug-ins of the page; nothing else may change."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    before = look()

    def run(*arguments, status=0):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True,
            env={**environment, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    yield run
    assert look() == before


def look():
    """Every file of the checkout with when it was written."""
    return {
        path: path.stat().st_mtime_ns
        for folder in ("cnnjax", "experiments", "docs")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def read_records(folder):
    paths = (folder / "runs" / "records").glob("*/record.json")
    return [json.loads(path.read_text()) for path in paths]


def test_the_page_has_five_plug_ins_and_names_each_in_a_command():
    assert list(FILES) == ["gem.py", "squeeze.py", "stripes.py", "macro_f1.py", "gem_study.py"]
    for name in FILES:
        compile(FILES[name], name, "exec")
        assert f"--plugin={name}" in TEXT or f"import {name.removesuffix('.py')} " in TEXT


@pytest.mark.parametrize(
    "part", [claims.Study, claims.Claim, claims.Comparison, claims.Tuning, claims.Choosing,
             claims.Published],
)  # fmt: skip
def test_the_page_has_every_field_of_a_study_with_its_default(part):
    table = TEXT.partition(f"\n`{part.__name__}`:\n")[2].lstrip().partition("\n\n")[0]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]
    told = {name: row[1] for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    assert [*told] == list(part._fields) and all(len(row) == 3 for row in rows)
    for name, default in told.items():
        known = part._field_defaults
        assert default == (f"`{known[name]!r}`" if name in known else "")


@pytest.mark.slow
def test_a_pooling_that_learns(outside, tmp_path):
    outside(*ABLATE, "--plugin=gem.py", "--grid=pool=avg,gem", "--pool_every=1", *SMALL)
    sizes = {one["config"]["pool"]: one["cost"]["parameters"] for one in read_records(tmp_path)}
    assert sizes["gem"] == sizes["avg"] + 2  # an exponent for each of two layers
    assert "gem" in outside("-m", "experiments.ablate", "--plugin=gem.py", "--help")
    said = outside(*ABLATE, "--plugin=gem.py", "--grid=pool=avg,gen", *SMALL, status=2)
    assert "gem" in said


@pytest.mark.slow
def test_a_network_with_a_knob_of_its_own(outside, tmp_path):
    squeeze = ["--plugin=squeeze.py", "--model=squeeze"]
    outside(*ABLATE, *squeeze, "--grid=se_ratio=2,4", *SMALL)
    records = read_records(tmp_path)
    parameters = {one["config"].get("se_ratio", 4): one["cost"]["parameters"] for one in records}
    assert parameters[2] > parameters[4]
    assert all(one["cost"]["macs"] > 0 for one in records)
    refused = outside(*ABLATE, *squeeze, "--grid=kernel_size=3,5", *SMALL, status=2)
    assert "kernel_size" in refused and "squeeze" in refused


def test_a_data_set_from_a_function(outside, tmp_path):
    plan = outside(*ABLATE, "--plugin=stripes.py", "--dataset=stripes", "--grid=pool=max,avg",
                   "--plan", *SMALL)  # fmt: skip
    assert "200 test images of 12x12x1" in plan and "4 classes" in plan


@pytest.mark.slow
def test_a_study_that_pits_the_pooling_against_the_built_in_ones(outside, tmp_path):
    study = ["--plugin=gem_study.py", "--seeds=3", *SMALL, "--steps=60", "--learning_rate=0.01"]
    assert "gem " in outside(*LAUNCH, "--list", "--plugin=gem_study.py")
    said = outside(*LAUNCH, "gem", *study)
    assert "macro F1" in said and "18 lanes trained" in said
    (head, *_) = json.loads((tmp_path / "runs" / "gem" / "verdicts.json").read_text())
    assert head["metric"] == "macro_f1" and head["margin"] == 0.01
    records = read_records(tmp_path)
    assert {one["config"]["dataset"] for one in records} == {"digits", "stripes"}
    found = [one["scores"]["macro_f1"] for one in records if not one["scores"]["failed"]]
    assert found and all(0 <= score <= 1 for score in found)
    names = {tuple(one["provenance"]["class_names"]) for one in records}
    assert ("upright", "rising", "level", "falling") in names
    again = outside(*LAUNCH, "all", "--board=pooling", *study)
    assert "0 lanes trained" in again
    board = (tmp_path / "runs" / "board-pooling" / "report.html").read_text()
    assert "A learned exponent beats the maximum." in board and "table 4" in board


@pytest.mark.slow
def test_what_changes_in_a_plug_in_trains_its_lanes_anew_and_no_others(outside, tmp_path):
    command = [*ABLATE, "--plugin=gem.py", "--plugin=stripes.py", "--plugin=macro_f1.py",
               "--grid=pool=avg,gem", "--pool_every=1", *SMALL]  # fmt: skip
    assert "2 lanes trained, 0 read" in outside(*command)
    for name, old, new in (
        ("gem.py", "constant(3.0)", "constant(2.0)"), ("macro_f1.py", "2 * right", "right * 2"),
        ("stripes.py", "(800) %", "(1000) %"),
    ):  # fmt: skip
        assert old in FILES[name]
        (tmp_path / name).write_text(FILES[name].replace(old, new))
    assert "1 lane trained, 1 read" in outside(*command)
    by_metric = [*command, "--metric=macro_f1"]
    assert "2 lanes trained, 0 read" in outside(*by_metric)
    (tmp_path / "macro_f1.py").write_text(
        FILES["macro_f1.py"].replace("2 * right", "right + right")
    )
    assert "2 lanes trained, 0 read" in outside(*by_metric)
