"""How this cnnjax was installed: its scripts by their names, and how to add an extra.

A checkout has launch.py and the package `experiments` beside cnnjax; a wheel has both in the folder
`cnnjax/scripts`, so that no other `experiments` stands in their way. Imports no JAX.
"""

import importlib
import json
import os
import pathlib
import sys

from cnnjax.config import paths

PACKAGE = pathlib.Path(__file__).parents[1]
IN_WHEEL = PACKAGE / "scripts"  # not there in a checkout
RECIPES = "experiments/recipes/"  # as texts name them
COMMANDS = {  # what a console script is in a checkout
    "cnnjax-train": "python -m experiments.train",
    "cnnjax-ablate": "python -m experiments.ablate",
    "cnnjax-tune": "python -m experiments.tune",
    "cnnjax-judge": "python -m experiments.judge",
    "cnnjax-records": "python -m experiments.records",
    "cnnjax-export": "python -m experiments.export",
    "cnnjax-predict": "python -m experiments.predict",
    "cnnjax-evaluate": "python -m experiments.evaluate",
    "cnnjax-look": "python -m experiments.look",
    "cnnjax": "python launch.py",
}


def launch() -> None:
    """The console script `cnnjax`."""
    _run("launch", "finished lanes are saved")


def train() -> None:
    """The console script `cnnjax-train`."""
    _run("experiments.train", "the run is saved up to its last checkpoint, if it reached one")


def ablate() -> None:
    """The console script `cnnjax-ablate`."""
    _run("experiments.ablate", "finished lanes are saved")


def tune() -> None:
    """The console script `cnnjax-tune`."""
    _run("experiments.tune", "finished lanes are saved")


def judge() -> None:
    """The console script `cnnjax-judge`."""
    _run("experiments.judge", "nothing was written")


def records() -> None:
    """The console script `cnnjax-records`."""
    _run("experiments.records", "every file is whole")


def export() -> None:
    """The console script `cnnjax-export`."""
    _run("experiments.export", "nothing was written")


def predict() -> None:
    """The console script `cnnjax-predict`."""
    _run("experiments.predict", "nothing was written")


def evaluate() -> None:
    """The console script `cnnjax-evaluate`."""
    _run("experiments.evaluate", "nothing was written")


def look() -> None:
    """The console script `cnnjax-look`."""
    _run("experiments.look", "nothing was written")


def _run(module: str, go_on: str) -> None:
    """Runs the script that a module is, as `python PATH` does in a checkout."""
    sys.path.insert(0, str(find_scripts()))
    sys.path.append("")  # the current folder, for plug-ins: behind all else, as a script has none
    sys.argv[0] = f"{module.replace('.', '/')}.py"
    importlib.import_module("experiments.early")
    script = importlib.import_module("experiments.script")
    found = importlib.import_module(module)
    vars(found)["DESCRIPTION"] = name_commands(found.DESCRIPTION)
    script.run(found.main, go_on)


def find_scripts() -> pathlib.Path:
    """The folder that has launch.py and the package `experiments`."""
    return IN_WHEEL if IN_WHEEL.is_dir() else PACKAGE.parent


def find_recipe(path: str) -> str:
    """Where a file of flags lies: one of ours, unless the current folder has it, is installed."""
    here = paths.expand(path)
    if os.path.exists(here) or not path.startswith(RECIPES):
        return str(here)
    return str(find_scripts() / path)


def name_commands(text: str) -> str:
    """A text in which commands are named as this installation has them."""
    if IN_WHEEL.is_dir():
        for name, command in COMMANDS.items():
            text = text.replace(command, name)
    return text


def how_to_add(extra: str) -> str:
    """The command that installs an extra beside what is there."""
    if not IN_WHEEL.is_dir():
        return f"pip install -e '.[{extra}]'"
    from importlib import metadata  # slow to import

    try:
        whence = metadata.distribution("cnnjax").read_text("direct_url.json")
    except metadata.PackageNotFoundError:  # unpacked by hand
        whence = None
    url = f" @ {json.loads(whence)['url']}" if whence else ""
    return f"pip install 'cnnjax[{extra}]{url}'"
