"""How programs are compiled: quickly where there is little to train."""

import dataclasses

import jax
import pytest

from cnnjax.config.config import Config
from cnnjax.data.spec import DataSpec
from cnnjax.sweep import group

SPEC = DataSpec((8, 8, 1), 10, 600, 0.0, 1.0)
USUAL = {"xla_backend_optimization_level": 1}
SHORT = Config(steps=300, batch_size=32)
LONG = dataclasses.replace(SHORT, steps=100_000)


@pytest.fixture(autouse=True)
def usual(monkeypatch):
    monkeypatch.setattr(group, "CPU_COMPILER_OPTIONS", USUAL)


def test_what_is_trained_in_a_moment_is_compiled_quickly():
    quick = {**USUAL, **(group.QUICK_OPTIONS if group.takes(group.QUICK_OPTIONS) else {})}
    found = group.find_options(SHORT, SPEC, "cpu")
    assert found == {"advance": quick, "init": {**quick, **group.RUN_ONCE}, "": quick}
    longer = dataclasses.replace(SHORT, steps=2000)
    assert group.find_options(longer, SPEC, "cpu") == {**found, "advance": USUAL}
    assert group.find_options(LONG, SPEC, "cpu") == {"advance": USUAL, "init": USUAL, "": USUAL}


def test_a_part_of_a_run_is_the_same_program():
    part = dataclasses.replace(LONG, stop_at=300)
    assert group.find_options(part, SPEC, "cpu") == group.find_options(LONG, SPEC, "cpu")


def test_an_accelerator_is_told_nothing():
    assert group.find_options(SHORT, SPEC, "gpu") == {"": {}}


def test_an_option_that_this_release_lacks_is_left_out(monkeypatch):
    assert group.takes(USUAL)
    assert not group.takes({"xla_there_is_no_such_option": True})
    monkeypatch.setattr(group, "QUICK_OPTIONS", {"xla_there_is_no_such_option": True})
    options = group.find_options(SHORT, SPEC, "cpu")
    assert options["advance"] == USUAL
    jax.jit(lambda x: x + 1).lower(0.0).compile(compiler_options=options["advance"])
