"""One program on the devices of many hosts, each a process that runs the same command.

Process 0 decides all: what is wanted, claimed, saved, judged. Before its devices do anything it
tells the others, who do the same on theirs: so no two can come to unlike decisions, and only it
reads and writes records. Data are read by each.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from cnnjax.config.config import Config, to_json
from cnnjax.config.errors import ConfigError, RunError
from cnnjax.config.hosts import Hosts, split_address
from cnnjax.sweep.channel import Crew, OnLost, Place, Said, gather

T = TypeVar("T")

LAST_PORT = 65535
SHUTDOWN_SECONDS = 10  # that JAX waits for the others at the end

_crew: list[Crew] = []  # of this process, as JAX's own: there can be one


def is_many() -> bool:
    """Whether this is one of several processes of one program."""
    return bool(_crew)


def join(hosts: Hosts, asked: Callable[[], bool], on_lost: OnLost) -> Crew:
    """Meets the other processes, before any device is touched; `Crew.watch` says what is called.

    Raises RunError where one does not come, ConfigError where nothing says who they are.
    """
    place, local = find_place(hosts)
    beside = place.port + (1 if place.port < LAST_PORT else -1)
    crew = gather(place._replace(port=beside), hosts.join_seconds)
    crew.watch(hosts.stuck_seconds, asked, on_lost)
    jax.config.update("jax_enable_preemption_service", False)  # it would take our signals
    jax.distributed.initialize(
        f"[{place.host}]:{place.port}" if ":" in place.host else f"{place.host}:{place.port}",
        place.count, place.process, local, initialization_timeout=int(hosts.join_seconds),
        shutdown_timeout_seconds=SHUTDOWN_SECONDS, cluster_detection_method="deactivate",
    )  # fmt: skip
    _crew.append(crew)
    return crew


def find_place(hosts: Hosts) -> tuple[Place, Sequence[int] | None]:
    """Which process this is, as asked or as Slurm, Kubernetes, MPI or a TPU's host says; and which
    devices of its host are its own, None for all.
    """  # fmt: skip
    from jax._src import clusters  # what `jax.distributed.initialize` asks, and tells nobody

    address, count, process = hosts[:3]
    local = None
    if address is None:
        found = clusters.ClusterEnv.auto_detect_unset_distributed_params(
            None, None, None, None, None, int(hosts.join_seconds)
        )
        address, count, process, local = found
    if address is None or count is None or process is None:
        raise ConfigError(
            "--multihost: nothing here says which hosts there are, as Slurm, Kubernetes or a TPU"
            " does: give --coordinator_address, --num_processes and --process_id"
        )
    if os.environ.get("SLURM_STEP_TASKS_PER_NODE", "").partition("(")[0] == "1":
        local = None  # a task alone on its node has all that are there, and JAX would take one
    return Place(*split_address(address), count, process), local


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
    failed = {}
    try:
        with together(do, lanes, **what):
            yield
    finally:  # what went wrong here counts more than what did elsewhere
        if _crew and _crew[0].leads:
            failed = _hear_all(_crew[0])
    for name, error in failed.items():
        raise RunError(f"{name}: {error}")


def _hear_all(crew: Crew) -> dict[str, str]:
    """What others say went wrong, each by its name."""
    failed = {}
    for line in crew.lines.values():
        with crew.at_work(f"waiting for {line.name}"):
            error = line.hear()["error"]
        if error:
            failed[line.name] = error
    return failed


def answer(error: str | None) -> None:
    """Tells process 0 that something is done, or why not."""
    _crew[0].tell({"do": "done", "error": error})


def hear() -> Said:
    """What process 0 says next. Raises HostLost where it ended."""
    (line,) = _crew[0].lines.values()
    return line.hear()


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
    """NumPy arrays that process 0 has, `like` others in shape, as all then have them.

    They go as bits: they are added to zeros, which a zero with a sign would not outlast.
    """
    if not _crew:
        return tree
    leads = _crew[0].leads
    if not leads:
        tree = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), like)
    sent = jax.tree.map(lambda leaf: leaf.view(f"u{leaf.dtype.itemsize}"), tree)
    got = multihost_utils.broadcast_one_to_all(sent, is_source=leads)
    return jax.tree.map(lambda own, leaf: np.asarray(own).view(leaf.dtype), got, tree)


def busy(do: str) -> contextlib.AbstractContextManager[None]:
    """Within, this process is at work on what others wait for."""
    return _crew[0].at_work(do) if _crew else contextlib.nullcontext()


def end(status: int) -> None:
    """Ends the program: the others with the same status.

    But for where all is done, this process ends at once: others may be anywhere, and JAX would wait
    for them.
    """
    for crew in _crew.copy():
        _crew.clear()
        crew.leave()
        if crew.leads:
            crew.tell({"do": "end", "status": status})
        if status:
            sys.stdout.flush()
            os._exit(status)
        jax.distributed.shutdown()
