"""Lanes and batches over the devices of a mesh: as asked for, or by the size of a network."""

import dataclasses
import functools
import json
import pathlib
import subprocess
import sys
from typing import Any

import jax
import numpy as np
import pytest

from cnnjax.config import plugins
from cnnjax.config.config import KNOBS, Config, make_config, numbers_of, structure_of
from cnnjax.config.datasets import Where
from cnnjax.config.errors import ConfigError
from cnnjax.config.mesh import MeshShape, parse_mesh
from cnnjax.records import origin
from cnnjax.records.address import record_id
from cnnjax.runs.train import describe_run, train_run
from cnnjax.sweep import backend, lanes, meshes, placement, waiting
from cnnjax.training import microbatch, program
from experiments import train as train_script

OPTAX = True  # see conftest.py
INFO = (8, 8, 1), 10
ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def eight(environment):
    """What programs are, and what lanes come to, on eight host devices."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.sweep.eight"], cwd=ROOT, capture_output=True, text=True,
        env={name: value for name, value in environment.items() if name != "XLA_FLAGS"},
        timeout=600,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.slow
def test_lanes_on_eight_devices_have_the_bits_of_one_and_never_wait_for_each_other(eight):
    one, many = eight["one"], eight["lanes"]
    assert (one["mesh"], many["mesh"]) == ({"run": 1, "data": 1}, {"run": 8, "data": 1})
    assert many["values"] == one["values"]
    assert many["collectives"] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("one", "other", "mesh"),
    [("one", "mixed", {"run": 2, "data": 4}), ("norm_one", "norm_data", {"run": 1, "data": 8})],
)
def test_a_batch_over_devices_trains_as_on_one(eight, one, other, mesh):
    """To a few units in the last place of float32 after four steps, batch statistics too."""
    assert eight[other]["mesh"] == mesh
    for found, expected in zip(eight[other]["values"], eight[one]["values"], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mixed", "norm_data", "bfloat16"])
def test_devices_add_up_sums_in_float32_and_gather_nothing(eight, name):
    assert eight[name]["collectives"] == ["all-reduce"] and eight[name]["types"] == ["f32"]


@pytest.mark.parametrize("chunk", [1, 2])
def test_gradients_of_bfloat16_are_summed_in_float32(tiny, chunk):
    """As they are traced: a compiler for CPUs would widen a narrow sum by itself."""
    config = dataclasses.replace(tiny, dtype="bfloat16", norm="batch")
    spec = program.DataSpec(*INFO, 48, 0.0, 1.0)
    functions = program.make_program(structure_of(config), spec, "tpu", axis="data")
    shape = jax.ShapeDtypeStruct
    numbers = {name: shape((2,), placement.DTYPES[KNOBS[name].type]) for name in numbers_of(config)}
    mesh = placement.lay_out(1, 2)
    states = jax.eval_shape(placement.over_lanes(functions.init, mesh, chunk, 1), numbers)
    data = program.TrainData(shape((48, 8, 8, 1), np.uint8), shape((48,), np.int32))
    advance = placement.over_lanes(functools.partial(functions.advance, reach=1), mesh, chunk, 2)
    traced = jax.make_jaxpr(advance)(numbers, states, data, np.int32(1))
    sums = [step for step in waiting.list_steps(traced.jaxpr) if "psum" in step.primitive.name]
    summed: list[Any] = [operand.aval for step in sums for operand in step.invars]
    assert {str(own.dtype) for own in summed} == {"float32"}
    # All parameters of as many lanes as are in step, wherever their axis lies.
    parameters = {chunk * leaf.size // 2 for leaf in jax.tree.leaves(states.params)}
    assert parameters <= {own.size for own in summed}


@pytest.mark.parametrize(
    ("text", "shape", "again"),
    [
        ("run:4,data:2", MeshShape(4, 2), "run:4,data:2"), ("data:2, run:4", MeshShape(4, 2), None),
        ("run:4", MeshShape(4, 1), "run:4"), ("data:1", MeshShape(None, 1), "data:1"),
        ("data:2", MeshShape(None, 2), "data:2"), ("auto", None, None),
    ],
)  # fmt: skip
def test_a_mesh_is_read(text, shape, again):
    assert parse_mesh(text) == shape
    assert again is None or str(shape) == again


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lanes:2", "'lanes' is no axis: run and data"), ("", "'' is no axis"),
        ("run:0", "run:0 is no number of devices"), ("run", "run: is no number of devices"),
        ("run:1.5", "run:1.5 is no number"), ("data:-2", "data:-2 is no number"),
        ("run:1,run:2", "'run' stands there twice"), ("run:4,", "'' is no axis"),
    ],
)  # fmt: skip
def test_what_is_no_mesh_is_said(text, words):
    with pytest.raises(ConfigError, match=f"--mesh={text}: {words}.*give auto, or devices for"):
        parse_mesh(text)


FOREIGN = '''"""Keeps statistics of its own, and calls back."""

import flax.linen as nn
import jax
import cnnjax


class Own(nn.Module):
    classes: int

    @nn.compact
    def __call__(self, images, train):
        units = images.reshape(len(images), -1)
        return nn.Dense(self.classes)(nn.BatchNorm(use_running_average=not train)(units))


@cnnjax.model("own", reads=())
def own(config, num_classes):
    """A norm of Flax."""
    return Own(num_classes)


@cnnjax.activation("printed")
def printed(units):
    """Looked at."""
    jax.debug.callback(lambda mean: None, units.mean())
    return units
'''


@pytest.fixture
def foreign(outside, tmp_path):
    path = tmp_path / "outside" / "foreign.py"
    path.write_text(FOREIGN)
    plugins.load([str(path)])


REFUSALS = {
    "run:2,data:2": ({}, "takes 4 devices, and there are 2: give fewer"),
    "data:2": ({"batch_size": 15}, "a batch of 15 images is not to be divided by 2: give another"),
    "run:1,data:2": ({"activation": "printed"}, "calls back into Python .* leave out data"),
    "data:2,run:1": ({"model": "own"}, "statistics of a batch that .* leave out data"),
}


@pytest.mark.parametrize("mesh", REFUSALS)
def test_what_cannot_train_on_a_mesh_is_refused_by_plan_and_training(
    foreign, digits, data_dir, tmp_path, mesh
):
    changes, words = REFUSALS[mesh]
    small = {"batch_size": 16, "steps": 6, "train_examples": 48}
    config = make_config({**small, **changes})
    where = Where(str(data_dir))
    for start in (
        lambda: describe_run(config, where, mesh),
        lambda: train_run(config, tmp_path / "one", where, mesh=mesh),
        lambda: meshes.make_group_mesh(structure_of(config), 1, digits, mesh),
    ):
        with pytest.raises(ConfigError, match=words):
            start()
    assert not (tmp_path / "one").exists()


@pytest.mark.parametrize("also", ["--plan", "--workdir=one"])
def test_a_script_refuses_a_mesh_in_one_line(say, also):
    status, said, _ = say(train_script.main, "", "--mesh=run:3", also)
    assert status == 2 and said.count("\n") == 1
    assert "--mesh=run:3 takes 3 devices, and there are 2" in said


# So large that each of eight accelerators has enough to do with a part of a batch.
LARGE = Config(widths=(256, 256), pool_every=1, batch_size=16384)
IMAGES = (28, 28, 1), 10


@pytest.mark.parametrize(
    ("platform", "config", "asked", "shape"),
    [
        ("tpu", Config(), "auto", (8, 1)), ("tpu", LARGE, "auto", (1, 8)),
        ("tpu", dataclasses.replace(LARGE, batch_size=16382), "auto", (4, 2)),
        ("tpu", LARGE, "run:8", (8, 1)), ("tpu", Config(), "run:2,data:4", (2, 4)),
        ("tpu", Config(), "data:4", (2, 4)), ("cpu", Config(), "auto", (3, 1)),
        ("cpu", Config(), "run:2", (2, 1)), ("cpu", Config(), "run:6", (3, 1)),
        ("cpu", Config(), "data:4", (2, 4)),
    ],
)  # fmt: skip
def test_sizes_choose_a_mesh_of_eight_devices(monkeypatch, platform, config, asked, shape):
    """Small networks take all devices for lanes, of a large one they share each batch."""
    monkeypatch.setattr(meshes, "find_devices", lambda: (platform, 8))
    assert meshes.find_shape(config, 3, IMAGES, asked) == shape


def test_how_many_accelerators_share_a_batch_is_no_matter_of_how_many_lanes(monkeypatch):
    monkeypatch.setattr(meshes, "find_devices", lambda: ("tpu", 8))
    assert len({meshes.find_shape(LARGE, lanes, IMAGES) for lanes in (1, 8, 100)}) == 1
    assert meshes.describe(LARGE, IMAGES) == (8, 8)
    assert meshes.describe(LARGE, IMAGES, "run:8") == (8, 1)


def test_a_mesh_is_in_the_address_where_it_changes_bits(tiny, digits, monkeypatch):
    machine = dict.fromkeys(backend.describe())

    def describe(mesh, config=tiny):
        return lanes.describe_origin(config, digits, "", machine, mesh)

    usual, spread, shared = (describe(mesh) for mesh in ("auto", "run:1", "data:2"))
    assert record_id(tiny, usual) == record_id(tiny, spread) != record_id(tiny, shared)
    assert origin.compare([usual, spread]) == []
    assert origin.compare([usual, shared]) == ["batch_shares: 1 against 2"]
    assert origin.compare([usual, shared], ["device"]) == []
    in_step = dataclasses.replace(tiny, lanes_strategy="vmap")
    assert usual["num_devices"] is None
    assert describe("auto", in_step)["num_devices"] == jax.local_device_count() == 2
    assert describe("run:1", in_step)["num_devices"] == 1
    monkeypatch.setattr(placement, "count_pieces", lambda *arguments: 4)
    assert describe("data:2") == usual  # pieces have the same bits on two devices
    assert describe("data:2", in_step)["batch_shares"] == 2


@pytest.mark.parametrize(
    ("given", "pieces"), [((1, 16, 4), 1), ((4, 16, 2), 4), ((2, 16, 4), 4), ((4, 24, 3), 6)]
)
def test_pieces_are_divided_evenly_among_devices(given, pieces):
    assert microbatch.divide(*given) == pieces


@pytest.mark.slow
def test_a_run_on_a_mesh_says_so_and_a_plan_before_it(tiny, data_dir, tmp_path):
    where = Where(str(data_dir))
    assert describe_run(tiny, where).mesh == "2 of cpu; mesh run:1 (1 program)"
    assert describe_run(tiny, where, "data:2").mesh == "2 of cpu; mesh run:1,data:2 (1 program)"
    alone = train_run(tiny, tmp_path / "one", where)
    shared = train_run(tiny, tmp_path / "two", where, mesh="data:2")
    assert shared["provenance"]["strategy"]["devices_a_lane"] == 2
    assert shared["provenance"]["origin"]["batch_shares"] == 2
    assert shared["test_loss"] == pytest.approx(alone["test_loss"], rel=1e-4)
    with pytest.raises(ConfigError, match="batch_shares"):
        train_run(tiny, tmp_path / "two", where)
