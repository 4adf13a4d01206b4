"""How much memory this process may take, whoever limits it."""

import contextlib
import functools
import os
import pathlib
import resource
import threading
from collections.abc import Iterator

from cnnjax.config.knobs import RunError

CGROUPS, MEMBERSHIPS = pathlib.Path("/sys/fs/cgroup"), pathlib.Path("/proc/self/cgroup")
THREADS = 64  # twice the pool of array_record
NO_THREADS = (
    "this process can start no more threads: raise ulimit -v or -u, or what the container allows"
)


def find_memory() -> int:
    """The least of what the machine has, what its containers have, and what the shell allows.

    Of containers those of Linux: cgroups of version 1 and 2, each with all that it lies in.
    """
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *list_shell_limits(), *list_container_limits()])


@functools.cache
def check_threads() -> None:
    """Raises RunError where this process cannot start the threads that libraries in C++ will.

    These wait for ever, or end the process, where one of theirs is refused.
    """
    gate, begun = threading.Event(), []
    try:
        for _ in range(THREADS):
            thread = threading.Thread(target=gate.wait, daemon=True)
            thread.start()
            begun.append(thread)
    except RuntimeError:
        raise RunError(f"{NO_THREADS} ({len(begun)} of {THREADS} started)") from None
    finally:
        gate.set()
        for thread in begun:
            thread.join()


def list_shell_limits() -> list[int]:
    """What `ulimit -v`, `-d` and `-m` allow."""
    names = ("RLIMIT_AS", "RLIMIT_DATA", "RLIMIT_RSS")
    found = [resource.getrlimit(getattr(resource, name))[0] for name in names]
    return [limit for limit in found if limit != resource.RLIM_INFINITY]


def list_container_limits(
    memberships: pathlib.Path | None = None, root: pathlib.Path | None = None
) -> list[int]:
    """Bytes that the control groups allow in which this process is.

    `memberships` is such a file as /proc/self/cgroup: lines of number:controllers:path. A container
    may see its own group as the root of `root`, under whatever path it is in.
    """
    memberships, root = memberships or MEMBERSHIPS, root or CGROUPS
    found = []
    for place, name in _list_places(memberships, root):
        with contextlib.suppress(OSError, ValueError):  # no file, or the word max
            found.append(int((place / name).read_text()))
    return found


def _list_places(
    memberships: pathlib.Path, root: pathlib.Path
) -> Iterator[tuple[pathlib.Path, str]]:
    """Folders that may hold a limit, each with the name of its file."""
    try:
        lines = memberships.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            top, name = root, "memory.max"
        elif "memory" in controllers.split(","):
            top, name = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        below = top.joinpath(*(part for part in path.split("/") if part not in ("", "..")))
        for place in (below, *below.parents):
            yield place, name
            if place == top:
                break
