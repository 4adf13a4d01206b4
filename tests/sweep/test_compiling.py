"""How programs are compiled: quickly where there is little to train."""

import dataclasses
import re

import jax
import pytest

from cnnjax.config.config import Config, structure_of
from cnnjax.data.spec import DataSpec
from cnnjax.sweep import group
from cnnjax.sweep.session import open_session

OPTAX = True  # see conftest.py
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
    assert found == {"advance": quick, "": quick}
    longer = dataclasses.replace(SHORT, steps=2000)
    assert group.find_options(longer, SPEC, "cpu") == {**found, "advance": USUAL}
    assert group.find_options(LONG, SPEC, "cpu") == {"advance": USUAL, "": USUAL}


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


HOST = re.compile(r"\b(infeed|outfeed|send|recv)\(|callback")  # what asks the host in a program


@pytest.mark.parametrize("own", [{}, {"norm": "batch", "dropout": 0.2, "rotation": 10.0}])
def test_a_segment_is_one_program_that_asks_nothing_of_the_host(own, tiny, digits):
    lane = dataclasses.replace(tiny, steps=6, eval_every=2, **own)
    session = open_session(structure_of(lane), [lane], digits)
    advance, calls = session.executables.advance, []
    assert not HOST.search(advance.as_text())

    def count(*arguments):
        calls.append(int(arguments[-1]))
        return advance(*arguments)

    counted = session._replace(executables=session.executables._replace(advance=count))
    segments = [segment.step for segment in counted.train([lane])]
    assert segments == [2, 4, 6] and calls == [2, 2, 2]


def test_what_asks_the_host_would_be_found():
    asks = jax.jit(lambda x: jax.pure_callback(lambda y: y, x, x)).lower(0.0).compile()
    assert HOST.search(asks.as_text())


def test_states_are_updated_in_place(tiny, digits):
    session = open_session(structure_of(tiny), [tiny], digits)
    states = session.init([tiny])
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(states)) / len(states.step)
    per_device = size * len(states.step) / session.mesh.size
    aliased = session.executables.advance.memory_analysis().alias_size_in_bytes
    assert aliased >= 0.99 * per_device
    list(session.train([tiny], states, [0]))
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(states.params))
