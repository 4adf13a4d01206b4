"""How programs are compiled: quickly where there is little to train."""

import dataclasses

import jax
import pytest

from cnnjax.config.config import Config
from cnnjax.data.spec import DataSpec
from cnnjax.sweep import group

SPEC = DataSpec((8, 8, 1), 10, 600, 0.0, 1.0)


@pytest.fixture
def own_options(monkeypatch):
    monkeypatch.setattr(group, "CPU_COMPILER_OPTIONS", {"xla_backend_optimization_level": 1})


def test_what_is_trained_in_a_moment_is_compiled_quickly(own_options):
    short = Config(steps=300, batch_size=32)
    assert group.find_options(short, SPEC) == {
        "xla_backend_optimization_level": 1,
        **(group.QUICK_OPTIONS if group.takes(group.QUICK_OPTIONS) else {}),
    }
    long = dataclasses.replace(short, steps=30_000)
    assert group.find_options(long, SPEC) == {"xla_backend_optimization_level": 1}
    assert group.find_options(dataclasses.replace(long, stop_at=300), SPEC) == (
        group.find_options(long, SPEC)  # a part of a run is the same program
    )


def test_an_option_that_this_release_lacks_is_left_out(own_options, monkeypatch):
    assert group.takes(group.CPU_COMPILER_OPTIONS)
    assert not group.takes({"xla_there_is_no_such_option": True})
    monkeypatch.setattr(group, "QUICK_OPTIONS", {"xla_there_is_no_such_option": True})
    options = group.find_options(Config(steps=1), SPEC)
    assert options == {"xla_backend_optimization_level": 1}
    jax.jit(lambda x: x + 1).lower(0.0).compile(compiler_options=options)
