"""Which process of a program on many hosts this is, in the words of its flags. Imports no JAX."""

from typing import NamedTuple

from cnnjax.config.errors import ConfigError

JOIN_SECONDS = 300.0  # that hosts may come one after the other
STUCK_SECONDS = 900.0  # of one thing that devices do, compiling included
DAY = 86400.0  # seconds


class Hosts(NamedTuple):
    """What is asked for; of the first three all or none, which JAX then finds out by itself."""

    address: str | None = None  # HOST:PORT of process 0; it takes a port beside it too
    count: int | None = None  # processes
    process: int | None = None  # which of them this is
    join_seconds: float = JOIN_SECONDS
    stuck_seconds: float = STUCK_SECONDS


def check(hosts: Hosts) -> None:
    """Raises ConfigError where there can be no such process."""
    named = {
        "coordinator_address": hosts.address, "num_processes": hosts.count,
        "process_id": hosts.process,
    }  # fmt: skip
    if not 1 <= hosts.join_seconds <= DAY:
        raise ConfigError(
            f"--join_minutes={hosts.join_seconds / 60:g}: give a second (1/60) to a day"
        )
    lacking = [f"--{name}" for name, value in named.items() if value is None]
    if 0 < len(lacking) < len(named):
        raise ConfigError(f"{', '.join(lacking)}: give all of {', '.join(named)}, or none of them")
    if hosts.address is not None:
        split_address(hosts.address)
    if hosts.count is not None and hosts.process is not None and hosts.process >= hosts.count:
        raise ConfigError(
            f"--process_id={hosts.process} of --num_processes={hosts.count}: they are numbered"
            f" from 0 to {hosts.count - 1}"
        )


def split_address(address: str) -> tuple[str, int]:
    """Host and port. Raises ConfigError where there is no such port."""
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise ConfigError(
            f"--coordinator_address={address}: give HOST:PORT of process 0, such as 10.0.0.2:8476"
        )
    return host.strip("[]"), int(port)
