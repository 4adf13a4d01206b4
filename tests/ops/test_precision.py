"""The precision that a run asks for reaches every product and convolution in it."""

import functools

import jax
import numpy as np
import pytest

from cnnjax.config.config import KNOBS, from_json, numbers_of, override, structure_of, to_json
from cnnjax.data import batches
from cnnjax.sweep import group, meshes, placed, placement
from cnnjax.training import program
from tests import here
from tests.small import make_small

OPTAX = True
PRODUCTS = ("dot_general", "conv_general_dilated")
SPEC = program.DataSpec((12, 12, 3), 10, 32, 100.0, 50.0)
# Every form of convolution and of a dense layer, and the optimiser that has products of its own.
RUNS = {
    "patches": make_small("cnn", image_size=0, conv_form="patches"),
    "winograd": make_small("cnn", conv_form="winograd2", optimizer="muon"),
    "native": make_small("cnn", conv_form="native", conv="separable"),
    "unshared": make_small("cnn", conv="unshared", head="global_avg"),
    "lenet5": make_small("lenet5"),
    "resnet20": make_small("resnet20", flip=True, rotation=5.0),
}


def find_products(jaxpr):
    """Every product and convolution in a program, at whatever depth."""
    for equation in jaxpr.eqns:
        if equation.primitive.name in PRODUCTS:
            yield equation
        for value in jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda leaf: hasattr(leaf, "eqns")
        ):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from find_products(inner)


def shape(*sizes, dtype="float32"):
    return jax.ShapeDtypeStruct(sizes, dtype)


def trace_all(config):
    """The jaxprs of a run's functions, by name."""
    structure = structure_of(config)
    own = here.make_program(structure, SPEC, num_pieces=1)
    numbers = {
        name: shape(dtype=placement.DTYPES[KNOBS[name].type]) for name in numbers_of(structure)
    }
    state = jax.eval_shape(own.init, numbers)
    data = program.TrainData(shape(32, 12, 12, 3, dtype="uint8"), shape(32, dtype="int32"))
    split = batches.Batches(
        shape(2, 8, 12, 12, 3, dtype="uint8"), shape(2, 8, dtype="int32"), shape(2, 8)
    )
    return {
        "init": jax.make_jaxpr(own.init)(numbers),
        "advance": jax.make_jaxpr(functools.partial(own.advance, reach=2))(numbers, state, data, 2),
        "evaluate": jax.make_jaxpr(own.evaluate)(state, split),
        "examine": jax.make_jaxpr(own.examine)(state, split, split),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "precision"),
    [*((name, "high") for name in RUNS), ("patches", "default"), ("patches", "highest")],
)
def test_every_product_has_the_precision_of_the_run(name, precision):
    values = {**to_json(RUNS[name]), "precision": precision, "batch_size": 8}
    wanted = getattr(jax.lax.Precision, precision.upper())
    for function, traced in trace_all(from_json(values)).items():
        found = list(find_products(traced.jaxpr))
        assert found or function == "init"
        for equation in found:
            assert equation.params["precision"] == (wanted, wanted), (function, equation)


def test_the_precision_around_a_run_does_not_reach_it():
    with jax.default_matmul_precision("bfloat16"):
        traced = trace_all(RUNS["patches"])["advance"]
    highest = (jax.lax.Precision.HIGHEST,) * 2
    assert {equation.params["precision"] for equation in find_products(traced.jaxpr)} == {highest}


@pytest.mark.slow
def test_on_a_cpu_the_precision_changes_no_bit(digits, tiny, compiled_as_for_users):
    losses = []
    for precision in KNOBS["precision"].choices:
        config = override(tiny, {"precision": precision})
        mesh = meshes.make_group_mesh(config, 1, digits)
        data = placed.place_data(config, digits, mesh)
        numbers = placement.stack_numbers([config], mesh, data.spec)
        lengths = group.segment_lengths(config)
        executables = group.compile_group(config, numbers, data, mesh, max(lengths))
        segments = group.train_group(executables, config, numbers, data, lengths)
        losses.append([np.asarray(segment.states.sums[0]) for segment in segments])
    np.testing.assert_array_equal(losses, [losses[0]] * 3)
