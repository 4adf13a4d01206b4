"""The engines that come with cnnjax besides this machine, and where they place lanes. No JAX."""

import importlib.util
from typing import NamedTuple

from cnnjax.config import installed
from cnnjax.config.errors import ConfigError


class Placing(NamedTuple):
    """What an engine of ours is told of a cluster; each program of lanes is a task of it."""

    address: str | None = None  # of the cluster; None for one that is found, or else a new one here
    cpus: int = 1  # cores of a task
    gpus: int = 0
    tpus: int = 0


ENGINES = ("ray",)  # each imports the package of its name, which the extra of its name has


def check(name: str) -> None:
    """Raises ConfigError, with the way to it, where what an engine of ours needs is not there."""
    if importlib.util.find_spec(name) is None:
        raise ConfigError(f"--engine={name}: {name} is missing: {installed.how_to_add(name)}")
