"""What would stand still on a CPU: programs of plug-ins that wait for the threads they run in."""

import dataclasses

import jax
import pytest

from cnnjax.config import contracts, measured, plugins
from cnnjax.config.config import structure_of
from cnnjax.config.errors import PluginError
from cnnjax.networks import cost
from cnnjax.sweep import meshes, runner, waiting

OPTAX = True  # see conftest.py
INFO = (8, 8, 1), 10
CALLING = '''"""Calls back."""

import jax
import jax.numpy as jnp
import numpy as np

import cnnjax


@cnnjax.activation("printed")
def printed(units):
    """Looked at."""
    jax.debug.callback(lambda mean: None, units.mean())
    return jnp.maximum(units, 0)


@jax.custom_jvp
def rectify(units):
    same = jax.ShapeDtypeStruct(units.shape, units.dtype)
    return jax.pure_callback(
        lambda own: np.maximum(np.asarray(own), 0), same, units, vmap_method="sequential"
    )


@rectify.defjvp
def push(primals, tangents):
    return rectify(*primals), (primals[0] > 0) * tangents[0]


@cnnjax.activation("hosted")
def hosted(units):
    """By the host."""
    return rectify(units)


@cnnjax.choice("init", "square")
def square(key, shape, dtype=jnp.float32):
    """Orthogonal."""
    return jax.nn.initializers.orthogonal()(key, shape, dtype)
'''


@pytest.fixture
def calling(outside, tmp_path):
    path = tmp_path / "outside" / "calling.py"
    path.write_text(CALLING)
    plugins.load([str(path)])


@pytest.mark.parametrize("name", ["printed", "hosted"])
def test_what_calls_back_trains_on_one_device(tiny, digits, calling, name):
    config = dataclasses.replace(tiny, activation=name)
    assert waiting.takes_one_device(structure_of(config), INFO)
    assert meshes.make_group_mesh(structure_of(config), 3, digits).size == 1
    assert meshes.make_group_mesh(structure_of(tiny), 3, digits).size == len(jax.devices())
    assert cost.measure(config, *INFO) == cost.measure(tiny, *INFO)
    lanes = [dataclasses.replace(config, seed=seed) for seed in (0, 1)]
    found = [result for result in runner.run_lanes(lanes, digits)]
    relu = [dataclasses.replace(tiny, activation="relu", seed=seed) for seed in (0, 1)]
    known = [result for result in runner.run_lanes(relu, digits)]
    assert [own.scores.keys() for own in found] == [own.scores.keys() for own in known]


def test_many_factorisations_at_once_are_refused(tiny, calling):
    config = dataclasses.replace(tiny, init="square")
    assert not waiting.takes_one_device(structure_of(config), INFO)  # one after the other
    in_step = dataclasses.replace(config, lanes_strategy="vmap")
    said = r"calling\.py: several matrices .*\(.*\).*sequential_vmap, or leave out --lanes"
    with pytest.raises(PluginError, match=said):
        waiting.check_choices([(structure_of(in_step), INFO)])
    own = dataclasses.replace(in_step, init="orthogonal")
    assert not waiting.takes_one_device(structure_of(own), INFO)


def test_no_measure_factorises_many_at_once(tiny):
    """Not even of lanes in step, and of the kernels of a colour image."""
    names = tuple(sorted(measured.read_built_in()))
    config = dataclasses.replace(tiny, measure=names, lanes_strategy="vmap")
    info = ((8, 8, 3), 10)
    for asked in (config, dataclasses.replace(config, lanes_strategy="map")):
        calls, factorisation = waiting._find_waiting(structure_of(asked), info)
        assert (calls, factorisation) == (False, "")


def test_an_error_that_jax_tells_of_a_callback_is_located(outside):
    plugins.load([outside["gem_outside"]])
    told = (
        'INTERNAL: CpuCallback error: Traceback (most recent call last):\n  File "jax.py", line 9\n'
        f'  File "{outside["gem_outside"]}", line 5, in fail\nRuntimeError: no such number\n'
    )
    located = f"{outside['gem_outside']}:5: RuntimeError: no such number"
    assert plugins.locate(RuntimeError(told)) == located
    assert plugins.locate(RuntimeError(told.replace("gem_outside", "another"))) is None


def test_a_choice_that_is_declared_anew_is_traced_anew(tiny, calling, monkeypatch):
    traced = []

    def trace(structure, *others):
        traced.append(structure)
        return []

    structure = structure_of(dataclasses.replace(tiny, activation="printed"))
    contracts.forget("")
    monkeypatch.setattr(waiting.trial, "trace", trace)
    for _ in range(2):
        assert not waiting.takes_one_device(structure, INFO)
    assert len(traced) == 1
    contracts.forget("")
    waiting.takes_one_device(structure, INFO)
    assert len(traced) == 2
    contracts.forget("")  # what was not traced in truth
