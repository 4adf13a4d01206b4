"""The engines that come with cnnjax besides this machine, and where they place lanes. No JAX."""

import importlib.util
import shutil
from typing import NamedTuple

from cnnjax.config import installed
from cnnjax.config.errors import ConfigError


class Placing(NamedTuple):
    """What an engine of ours is told of a cluster; each program of lanes is a task of it."""

    address: str | None = None  # of Ray's; None for one that is found, or else a new one here
    cpus: int = 1  # cores of a task, on each of its nodes
    gpus: int = 0
    tpus: int = 0
    nodes: int = 1  # that train a task together, as one mesh of all their devices
    minutes: int = 60  # after which Slurm stops a task and lets it go on
    partition: str | None = None
    account: str | None = None
    constraint: str | None = None
    options: tuple[tuple[str, str], ...] = ()  # more of sbatch's, by name; an empty one is a switch


PACKAGES = {"ray": "ray", "slurm": "submitit"}  # what each engine imports, of the extra of its name
ENGINES = tuple(PACKAGES)


def check(name: str) -> None:
    """Raises ConfigError, with the way to it, where what an engine of ours needs is not there."""
    package = PACKAGES[name]
    if importlib.util.find_spec(package) is None:
        raise ConfigError(f"--engine={name}: {package} is missing: {installed.how_to_add(name)}")
    if name == "slurm" and shutil.which("sbatch") is None:
        raise ConfigError("--engine=slurm: no sbatch is here: launch where Slurm's users log in")
