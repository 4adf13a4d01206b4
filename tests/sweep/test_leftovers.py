"""What hundreds of groups leave in memory is given back."""

import dataclasses
import gc
import itertools

import jax
import jax.numpy as jnp
import pytest

from cnnjax.sweep import leftovers, runner
from experiments.endure import memory
from experiments.endure.memory import Taken

OPTAX = True  # see conftest.py


def trace(sizes):
    """Traces functions of JAX's own for arrays of these sizes, as a group of each would."""
    for size in sizes:
        jax.jit(lambda x: jnp.median(jnp.where(x > 0, x, 0))).lower(
            jax.ShapeDtypeStruct((size,), "float32")
        )


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(leftovers, "EVERY", 2)
    monkeypatch.setattr(leftovers, "_ended", itertools.count(1))


def count_objects():
    gc.collect()
    return len(gc.get_objects())


def test_traces_are_kept_until_enough_groups_have_ended(often):
    trace([99])  # what JAX imports and registers once
    jax.clear_caches()
    before = count_objects()
    trace(range(100, 120))
    leftovers.give_back()
    kept = count_objects() - before
    leftovers.give_back()
    assert kept > 1000 and count_objects() - before < kept / 5


def test_another_allocator_has_nothing_to_give(monkeypatch):
    monkeypatch.setattr(leftovers.ctypes, "CDLL", lambda name: object())
    leftovers.give_back()


@pytest.mark.slow
def test_each_group_of_a_sweep_gives_back(tiny, digits, monkeypatch):
    ended = []
    monkeypatch.setattr(leftovers, "give_back", lambda: ended.append(1))
    lanes = [dataclasses.replace(tiny, batch_size=size, seed=seed)
             for size in (8, 16) for seed in range(2)]  # fmt: skip
    assert len(list(runner.run_lanes(lanes, digits))) == 4 and len(ended) == 2


def test_no_two_groups_of_the_endurance_test_are_alike():
    groups = memory.list_groups(memory.GROUPS, 0)
    assert len({*runner.group_lanes(groups)}) == len(groups) == 300
    assert all(config.batch_size <= config.train_examples for config in groups)


@pytest.mark.parametrize(
    ("last", "faults"),
    [(Taken(60, 540, 6, 80), 0), (Taken(60, 560, 6, 80), 1), (Taken(60, 500, 7, 81), 2)],
)
def test_what_grows_is_a_fault(last, faults):
    tally = memory.judge(
        [Taken(10, 400, 5, 70), Taken(20, 500, 6, 80), Taken(40, 500, 6, 80), last]
    )
    assert len(tally.faults) == faults and "540 MiB after 60" in tally.figures or faults
