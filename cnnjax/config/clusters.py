"""The engines that come with cnnjax besides this machine, and where they place lanes. No JAX."""

import importlib.util
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from cnnjax.config import installed
from cnnjax.config.errors import ConfigError


class Engine(NamedTuple):
    """An engine of ours: what it imports, and the extra that has it."""

    package: str
    extra: str


class Placing(NamedTuple):
    """What an engine of ours is told of a cluster; each program of lanes is a task of it."""

    address: str | None = None  # of the cluster; None for one that is found, or else a new one here
    cpus: int = 1  # cores of a task
    gpus: int = 0
    tpus: int = 0


ENGINES: Mapping[str, Engine] = MappingProxyType({"ray": Engine("ray", "ray")})


def check(name: str) -> None:
    """Raises ConfigError, with the way to it, where what an engine of ours needs is not there."""
    own = ENGINES[name]
    if importlib.util.find_spec(own.package) is None:
        raise ConfigError(
            f"--engine={name}: {own.package} is missing: {installed.how_to_add(own.extra)}"
        )
