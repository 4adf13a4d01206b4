"""Launches on one folder whose clock is set by hand, and whose processes die at a word."""

import pytest

from cnnjax.records.leases import Leases


class Clock:
    """A monotonic clock that is set by hand."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def join(tmp_path, clock):
    """One more launch on one folder; whether its process is gone is known of the `dead` alone."""

    def join(dead=()):
        return Leases(tmp_path / "leases", 30, clock, lambda holder: holder.name in dead)

    return join


def watch(clock, observer, seconds, *alive):
    """The observer watches for so long, and the living renew their heartbeats."""
    for _ in range(int(seconds)):
        clock.now += 1
        for launch in (observer, *alive):
            launch.beat()
