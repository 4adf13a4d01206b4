"""The memory that a program may take is the least that anyone allows."""

import os
import resource
import threading

import pytest

from cnnjax.config import machine
from cnnjax.config.knobs import RunError

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Writes what a process is in, and the limits of groups by their place."""

    def write(memberships, limits):
        (tmp_path / "cgroup").write_text(memberships)
        for place, limit in limits.items():
            path = tmp_path / "root" / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{limit}\n")

    monkeypatch.setattr(machine, "MEMBERSHIPS", tmp_path / "cgroup")
    monkeypatch.setattr(machine, "CGROUPS", tmp_path / "root")
    monkeypatch.setattr(machine, "list_shell_limits", list)
    return write


@pytest.mark.parametrize(
    ("memberships", "limits", "expected"),
    [
        ("0::/a/b\n", {"a/b/memory.max": "max", "a/memory.max": 1500 << 20}, 1500 << 20),
        ("0::/a/b\n", {"a/b/memory.max": 1 << 30, "a/memory.max": 2 << 30}, 1 << 30),
        ("0::/../..\n", {"memory.max": 1 << 30}, 1 << 30),  # a container's own is the root
        ("0::/\n", {"memory.max": "max"}, MACHINE),
        ("0::/\n", {}, MACHINE),
        ("0::/a/b\n", {"a/b/memory.max": 2 << 30, "a/b/memory.high": 1 << 30}, 1 << 30),
        ("0::/a/b\n", {"a/b/memory.max": 1 << 30, "a/memory.high": 2 << 30}, 1 << 30),
        ("0::/a/b\n", {"a/b/memory.max": "max", "a/memory.high": 1 << 30}, 1 << 30),
        ("0::/a\n", {"a/memory.max": 1 << 30, "a/memory.high": "max"}, 1 << 30),
        ("0::/a\n", {"a/memory.max": "", "a/memory.high": "nonsense"}, MACHINE),
        ("1:name=x:/y\n0::/a\n", {"a/memory.max": 1 << 30}, 1 << 30),  # both versions at once
        ("5:cpu:/a\n3:memory:/a\n", {"memory/a/memory.limit_in_bytes": 1 << 30}, 1 << 30),
        ("3:cpu,memory:/x\n", {"memory/memory.limit_in_bytes": 1 << 30}, 1 << 30),
        ("3:memory:/\n", {"memory/memory.limit_in_bytes": 2**63 - 4096}, MACHINE),  # without limit
        ("5:cpu:/a\n", {"memory/a/memory.limit_in_bytes": 1 << 30}, MACHINE),
        ("", {}, MACHINE),
    ],
)
def test_control_groups(groups, memberships, limits, expected):
    groups(memberships, limits)
    assert machine.find_memory() == expected


def test_elsewhere_there_are_none(groups):
    assert machine.find_memory() == MACHINE  # no such file was written


def test_what_the_shell_allows(monkeypatch):
    allowed = {resource.RLIMIT_AS: 3 << 30, resource.RLIMIT_DATA: 2 << 30}
    infinite = resource.RLIM_INFINITY
    monkeypatch.setattr(
        resource, "getrlimit", lambda which: (allowed.get(which, infinite), infinite)
    )
    monkeypatch.setattr(machine, "list_container_limits", list)
    assert machine.find_memory() == min(2 << 30, MACHINE)


@pytest.mark.skipif(not machine.STATM.exists(), reason="the system does not say")
def test_of_a_limit_of_addresses_there_is_what_is_not_taken(monkeypatch):
    page = os.sysconf("SC_PAGE_SIZE")
    taken, resident = (page * int(own) for own in machine.STATM.read_text().split()[:2])
    room = machine.find_memory() - resident
    assert machine.find_room() == pytest.approx(room, abs=1 << 27) and resident > 1 << 27
    for left, expected in ((1 << 28, 1 << 28), (-1 << 28, 0)):
        monkeypatch.setattr(resource, "getrlimit", lambda which, own=left: (taken + own,) * 2)
        assert machine.find_room() == pytest.approx(expected, abs=1 << 27)


def test_a_container_in_which_a_compilation_may_be_killed_is_warned_of(monkeypatch, recwarn):
    machine.check_addresses()
    assert not recwarn
    monkeypatch.setattr(machine, "list_container_limits", lambda: [700 << 20])
    with pytest.warns(UserWarning, match="0.684 GiB, and JAX and its compiler take up to 1 GiB"):
        machine.check_addresses()


@pytest.mark.parametrize("allowed", [10, machine.LEAST - 1])
def test_a_limit_that_leaves_no_room_for_jax_is_one_line(monkeypatch, allowed):
    machine.check_addresses()  # there is enough here
    monkeypatch.setattr(resource, "getrlimit", lambda which: (allowed, allowed))
    with pytest.raises(RunError, match="ulimit -v allows this process .* raise it"):
        machine.check_addresses()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "no more is said"),
        (MemoryError("Unable to allocate 9 GiB"), "Unable to allocate 9 GiB"),
        (ImportError("libx.so: failed to map segment from shared object"), "libx.so: failed"),
        (ImportError("libx.so: cannot allocate memory in static TLS block"), None),
        (ImportError("No module named x"), None),
        (ValueError("memory"), None),
    ],
)
def test_memory_that_ran_out_is_told_with_what_is_allowed(monkeypatch, error, said):
    monkeypatch.setattr(machine, "list_shell_limits", lambda: [3 << 29])
    monkeypatch.setattr(machine, "list_container_limits", list)
    told = machine.explain_shortage(error)
    assert told is said if said is None else f"({said}" in told and "1.5 GiB" in told


def test_threads_that_cannot_start(monkeypatch):
    start, begun = threading.Thread.start, []

    def refuse(thread):
        if len(begun) == 5:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        start(thread)

    machine.check_threads.__wrapped__()  # there are enough here
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RunError, match="5 of 64 started"):
        machine.check_threads.__wrapped__()
    assert not any(thread.is_alive() for thread in begun)
