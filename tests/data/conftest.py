"""What tests of data share: caches of their own, and a host on the loopback."""

import json
import os
import pathlib
import sys

import pytest

from cnnjax.data.sources import official
from tests import true_formats

CHILD = [sys.executable, os.fspath(pathlib.Path(__file__).parents[1] / "prepare_from_loopback.py")]
DEAD_PORT = 9  # nothing listens there


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache that holds nothing that another test left."""
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path / "cache"))


@pytest.fixture
def host():
    with true_formats.serve() as host:
        yield host


@pytest.fixture
def told(monkeypatch):
    """Sets what the preparing child is told."""

    def tell(**settings):
        monkeypatch.setattr(official, "COMMAND", CHILD)
        monkeypatch.setenv("LOOPBACK", json.dumps(settings))
        monkeypatch.setenv("PYTHONPATH", os.fspath(pathlib.Path(__file__).parents[2]))

    return tell


@pytest.fixture
def cifar10(tmp_path, host, told):
    """CIFAR-10 on the host, with its checksum published; the images and labels it holds."""
    sets = true_formats.write_cifar10(tmp_path / "host")
    host.offer(tmp_path / "host")
    url = true_formats.CIFAR10_URL
    archive = tmp_path / "host" / "cifar-10-binary.tar.gz"
    told(port=host.port, published={url: true_formats.published(archive)})
    return sets
