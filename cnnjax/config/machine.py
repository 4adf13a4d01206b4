"""How much memory this process may take, whoever limits it."""

import contextlib
import functools
import os
import pathlib
import resource
import threading
import warnings
from collections.abc import Iterator

from cnnjax.config.knobs import RunError

CGROUPS, MEMBERSHIPS = pathlib.Path("/sys/fs/cgroup"), pathlib.Path("/proc/self/cgroup")
STATM = pathlib.Path("/proc/self/statm")  # first numbers: pages of addresses, pages in memory
NO_ROOM = ("failed to map segment from shared object", "Cannot allocate memory")  # for a library
SCANT = 2**30  # bytes: what a new network's compilation takes beside JAX may come close to it
LEAST = 3 * 2**29  # bytes of addresses that JAX and what it imports take before anything is done
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


def find_room() -> int:
    """As `find_memory` without what this process has taken; of addresses where `ulimit -v` is set.

    JAX alone takes gigabytes of those. What gets close to the limit may fail without a word: XLA
    was seen to go on with other numbers.
    """
    if not STATM.exists():
        return find_memory()
    page = os.sysconf("SC_PAGE_SIZE")
    addresses, resident = (page * int(count) for count in STATM.read_text().split()[:2])
    allowed, room = resource.getrlimit(resource.RLIMIT_AS)[0], find_memory() - resident
    if allowed != resource.RLIM_INFINITY:
        room = min(room, allowed - addresses)
    return max(room, 0)


def explain_shortage(error: BaseException) -> str | None:
    """What to tell of an error that comes of too little memory, in one line; None of another.

    A library that finds no room cannot be imported.
    """
    said = (str(error).strip().splitlines() or ["no more is said"])[0]
    refused = isinstance(error, ImportError) and said.endswith(NO_ROOM)
    if not refused and not isinstance(error, MemoryError):
        return None
    allowed = f"{find_memory() / 2**30:.3g} GiB"
    return (
        f"memory ran out ({said}): this process may have {allowed}: raise ulimit -v, or what the"
        " container allows, or ask for less at once"
    )


def check_addresses() -> None:
    """Raises RunError where there is no room for libraries, and warns where there is hardly any.

    How they fail is a matter of luck: one cannot be imported, OpenBLAS tries again for ever.
    """
    allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
    if allowed != resource.RLIM_INFINITY and allowed < LEAST:
        raise RunError(
            f"ulimit -v allows this process {allowed / 2**30:.3g} GiB, and JAX alone takes"
            f" {LEAST / 2**30:.3g} GiB: raise it"
        )
    there = find_memory()
    if there < SCANT:
        warnings.warn(
            f"this process may have {there / 2**30:.3g} GiB, and JAX and its compiler take up to"
            f" {SCANT / 2**30:.3g} GiB: what takes more than a container allows is killed without"
            " a word",
            stacklevel=2,
        )


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
    for path in _list_files(memberships, root):
        with contextlib.suppress(OSError, ValueError):  # no file, or the word max
            found.append(int(path.read_text()))
    return found


def _list_files(memberships: pathlib.Path, root: pathlib.Path) -> Iterator[pathlib.Path]:
    """Files that may hold a limit."""
    try:
        lines = memberships.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            top, names = root, ("memory.max", "memory.high")  # beyond the latter it hardly moves
        elif "memory" in controllers.split(","):
            top, names = root / "memory", ("memory.limit_in_bytes",)
        else:
            continue
        below = top.joinpath(*(part for part in path.split("/") if part not in ("", "..")))
        for place in (below, *below.parents):
            yield from (place / name for name in names)
            if place == top:
                break
