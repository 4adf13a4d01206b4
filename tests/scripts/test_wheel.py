"""A wheel, built and installed without network: its commands, from a folder like any other."""

import json
import os
import subprocess
import sys

import pytest

from cnnjax.config import installed
from experiments import rooms
from tests.outside import SCHEDULE


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The folder that the wheel is installed in, read-only for who runs it."""
    made = tmp_path_factory.mktemp("wheel")
    for command in (
        ["hatchling", "build", "-t", "wheel", "-d", str(made)],
        ["pip", "install", "-q", "--no-deps", "--no-index", f"--target={made / 'site'}"],
    ):
        given = sorted(map(str, made.glob("*.whl"))) if command[0] == "pip" else []
        run = subprocess.run(
            [sys.executable, "-m", *command, *given], cwd=rooms.ROOT, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
    return made / "site"


@pytest.fixture
def run(wheel, tmp_path):
    """Runs a console script from a folder that has an `experiments` of its own."""
    own = tmp_path / "experiments"
    own.mkdir()
    (own / "__init__.py").write_text("raise RuntimeError('not these experiments')\n")

    def run(name, *arguments):
        return subprocess.run(
            [sys.executable, str(wheel / "bin" / name), *arguments], cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(wheel)}, capture_output=True, text=True,
        )  # fmt: skip

    return run


@pytest.mark.parametrize("name", installed.COMMANDS)
def test_every_command_answers_by_its_own_name(run, name):
    found = run(name, "--help")
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith(f"{name} ")
    assert not any(command in found.stdout for command in installed.COMMANDS.values())


def test_the_claims_are_in_the_wheel(run):
    listed = run("cnnjax", "--list", "--json")
    assert listed.returncode == 0, listed.stderr
    assert len(json.loads(listed.stdout)["claims"]) > 30


def test_a_missing_extra_is_named_with_the_wheel(wheel):
    code = "from cnnjax.config import installed; print(installed.how_to_add('tf'))"
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(wheel)},
        cwd=wheel, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout.startswith("pip install 'cnnjax[tf] @ file:///")
    assert installed.how_to_add("tf") == "pip install -e '.[tf]'"  # here, in a checkout


def test_a_module_of_the_current_folder_is_a_plug_in(run, tmp_path):
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "mod.py").write_text(SCHEDULE.replace("HALF", "0.5"))
    found = run("cnnjax-train", "--plugin=pkg.mod", "--help=schedule")
    assert found.returncode == 0, found.stderr
    assert "half  " in found.stdout


def test_a_recipe_is_found_by_the_name_that_help_gives_it(run):
    recipe = "--flagfile=experiments/recipes/resnet20.txt"
    found = run("cnnjax-train", recipe, "--help=stem")
    assert found.returncode == 0, found.stderr
    assert "resnet20" in found.stdout
    gone = run("cnnjax-train", recipe.replace("20", "21"))
    assert gone.stderr.startswith(f"error: {recipe.replace('20', '21')} cannot be read")


def test_texts_name_the_commands_of_the_wheel(wheel, run, tmp_path):
    listed = run("cnnjax", "--list").stdout
    assert "Studies (cnnjax STUDY):" in listed and "checked by cnnjax all" in listed
    assert "launch.py" not in listed
    code = (
        "import pathlib, sys; from cnnjax.records import readme;"
        "readme.explain(pathlib.Path(sys.argv[1])); print(pathlib.Path('README.txt').read_text())"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, "."], env={**os.environ, "PYTHONPATH": str(wheel)},
        cwd=tmp_path, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "cnnjax-records --list" in told and "by cnnjax all" in told
    assert "launch.py" not in told and "python -m" not in told


@pytest.mark.slow
def test_it_trains(run, tmp_path):
    trained = run("cnnjax-train", "--steps=2", "--eval_every=2", "--workdir=one")
    assert trained.returncode == 0, trained.stderr
    assert json.loads((tmp_path / "one/config.json").read_text())["steps"] == 2
    judged = run("cnnjax", "padding", "--plan")
    assert judged.returncode == 0, judged.stderr
