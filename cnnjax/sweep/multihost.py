"""One program on the devices of many hosts, each a process that runs the same command.

Process 0 decides all: what is wanted, claimed, saved, judged. Before its devices do anything it
tells the others, who do the same on theirs: so no two can come to unlike decisions, and only it
reads and writes records. Data are read by each.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from cnnjax.config.config import Config, to_json
from cnnjax.config.errors import ConfigError, HostLost, RunError
from cnnjax.config.hosts import Hosts, split_address
from cnnjax.sweep.channel import Crew, Place, Said, gather

T = TypeVar("T")

SHUTDOWN_SECONDS = 10  # that JAX waits for the others at the end

_crew: list[Crew] = []  # of this process, as JAX's own: there can be one


def is_many() -> bool:
    """Whether this is one of several processes of one program."""
    return bool(_crew)


def join(hosts: Hosts, asked: Callable[[], bool], on_lost: Callable[[str], None]) -> Crew:
    """Meets the other processes, before any device is touched; `Crew.watch` says what is called.

    Raises RunError where one does not come, ConfigError where nothing says who they are.
    """
    place = find_place(hosts)
    crew = gather(place._replace(port=place.port + 1), hosts.join_seconds)
    crew.watch(hosts.stuck_seconds, asked, on_lost)
    jax.config.update("jax_enable_preemption_service", False)  # it would take our signals
    jax.distributed.initialize(
        f"[{place.host}]:{place.port}" if ":" in place.host else f"{place.host}:{place.port}",
        place.count, place.process, initialization_timeout=int(hosts.join_seconds),
        shutdown_timeout_seconds=SHUTDOWN_SECONDS,
    )  # fmt: skip
    _crew.append(crew)
    return crew


def find_place(hosts: Hosts) -> Place:
    """Which process this is: as asked, or as Slurm, Kubernetes, MPI or a TPU's host says."""
    from jax._src import clusters  # what `jax.distributed.initialize` asks, and tells nobody

    address, count, process = hosts[:3]
    if address is None:
        found = clusters.ClusterEnv.auto_detect_unset_distributed_params(
            None, None, None, None, None, int(hosts.join_seconds)
        )
        address, count, process = found[:3]
    if address is None or count is None or process is None:
        raise ConfigError(
            "--multihost: nothing here says which hosts there are, as Slurm, Kubernetes or a TPU"
            " does: give --coordinator_address, --num_processes and --process_id"
        )
    return Place(*split_address(address), count, process)


@contextlib.contextmanager
def together(do: str, lanes: Sequence[Config] = (), **what: Any) -> Iterator[None]:
    """Within, the devices of all processes do the same: process 0 tells the others."""
    if not _crew:
        yield
        return
    (crew,) = _crew
    if crew.leads:
        crew.tell({"do": do, "lanes": [to_json(lane) for lane in lanes], **what})
    with crew.at_work(do):
        yield


@contextlib.contextmanager
def agreed(do: str, lanes: Sequence[Config], **what: Any) -> Iterator[None]:
    """As `together`, of what may fail: behind it, all have done it.

    Raises RunError where one of the others could not.
    """
    with contextlib.ExitStack() as stack:
        if _crew and _crew[0].leads:
            stack.callback(_hear_all, _crew[0])
        with together(do, lanes, **what):
            yield


def _hear_all(crew: Crew) -> None:
    failed = {}
    for line in crew.lines.values():
        said = line.receive()
        if said is None:
            raise HostLost(f"{line.name} ended")
        if said["error"]:
            failed[line.name] = said["error"]
    for name, error in failed.items():
        raise RunError(f"{name}: {error}")


def answer(error: str | None) -> None:
    """Tells process 0 that something is done, or why not."""
    _crew[0].tell({"do": "done", "error": error})


def hear() -> Said:
    """What process 0 says next. Raises HostLost where it ended."""
    (line,) = _crew[0].lines.values()
    said = line.receive()
    if said is None:
        raise HostLost(f"{line.name} ended")
    return said


def is_asked() -> bool:
    """Whether another process was asked to stop."""
    return any(crew.asked for crew in _crew)


def settle(tree: T) -> T:
    """Arrays, of many processes only when they are there: their devices do one thing at a time."""
    return jax.block_until_ready(tree) if _crew else tree


def fetch(tree: Any) -> Any:
    """Arrays in NumPy, wherever their parts lie; of many processes, all must ask."""
    return multihost_utils.process_allgather(tree, tiled=True) if _crew else jax.device_get(tree)


def share(tree: Any, like: Any) -> Any:
    """NumPy arrays that process 0 has, `like` others in shape, as all then have them."""
    if not _crew:
        return tree
    if not _crew[0].leads:
        tree = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), like)
    return jax.tree.map(np.asarray, multihost_utils.broadcast_one_to_all(tree))


def end(status: int) -> None:
    """Ends the program: the others with the same status, or as `status` is of one of them."""
    for crew in _crew:
        crew.leave()
        if crew.leads:
            crew.tell({"do": "end", "status": status})
        if status != os.EX_TEMPFAIL:  # whoever is interrupted ends at once
            jax.distributed.shutdown()
    _crew.clear()
