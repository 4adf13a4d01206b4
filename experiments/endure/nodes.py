"""Clusters whose nodes are processes of this machine: finding, watching and killing them."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence

WORKER = "cnnjax.sweep.worker"


def find_port(count: int = 2) -> int:
    """A port that is free, and those behind it, so many in all."""
    while True:
        with contextlib.ExitStack() as stack:
            one = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            port = one.getsockname()[1]
            try:
                for more in range(1, count):
                    stack.enter_context(socket.create_server(("127.0.0.1", port + more)))
                return port
            except (OSError, OverflowError):
                continue


def can_connect(port: int) -> bool:
    """Whether somebody listens at a port of this machine."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False


def wait_until(is_so: Callable[[], bool], otherwise: str, seconds: float = 60.0) -> None:
    """Raises RuntimeError where something does not come about in time."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise RuntimeError(f"{otherwise} within {seconds:g} s")
        time.sleep(0.05)


def find_workers(pids: Sequence[int] | None = None) -> list[int]:
    """Processes that train a task, of these or of this machine."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if WORKER.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return sorted(own for own in found if pids is None or own in pids)


def list_children(pid: int) -> list[int]:
    """The processes that one of this machine started, by whichever of its threads."""
    found = []
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has ended
            found += map(int, path.read_text().split())
    return found


def list_descendants(root: int) -> list[int]:
    """The processes that a process started, and those that they did."""
    own = list_children(root)
    return [*own, *(number for child in own for number in list_descendants(child))]


def kill(node: subprocess.Popen[bytes]) -> None:
    """SIGKILL to all of a node; some of its processes have groups of their own."""
    for number in (*list_descendants(node.pid), node.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    node.wait()
