"""What tests of a person's own files share."""

import os

import pytest


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache that holds nothing that another test left."""
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path / "cache"))
