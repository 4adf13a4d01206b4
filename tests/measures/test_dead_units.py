"""How many units never say anything, of networks made by hand."""

import dataclasses

import jax
import numpy as np
import pytest

from cnnjax.config.config import make_config
from cnnjax.measures import dead_units
from cnnjax.networks import count
from tests import here
from tests.training.test_program import make_functions

OPTAX = True  # see conftest.py


def examine(config, digits, change=lambda params: params):
    """What the measure finds of an untrained network with changed parameters, as a record says."""
    functions, data, numbers = make_functions(config, digits)
    state = functions.init(numbers)
    state = state._replace(params=change(state.params))
    found = jax.device_get(jax.jit(functions.examine)(state, data.validation, data.test))
    return dead_units.finish(found["measures"]["dead_units"], data.spec)


@pytest.fixture(scope="module")
def config():
    return make_config(
        {"widths": (4, 6), "hidden": (5,), "pool_every": 1, "train_examples": 48,
         "batch_size": 16, "steps": 2, "measure": ("dead_units",)}
    )  # fmt: skip


def kill(params):
    """One of four channels, none of six, and two of five units never rise above 0."""
    changed = jax.tree.map(lambda leaf: np.zeros_like(leaf), params)
    biases = {"conv_1/bias": [1, 1, -1, 1], "conv_2/bias": [1] * 6,
              "head/dense_1/bias": [1, 0, 1, -2, 1]}  # fmt: skip
    named = count.flatten(params)
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: np.asarray(biases[count.name_of(path)], np.float32)
        if count.name_of(path) in biases and named else leaf,
        changed,
    )  # fmt: skip


def test_dead_units_are_those_that_are_0_for_every_image(config, digits):
    found = examine(config, digits, kill)
    assert found["dead_units_by_layer"] == {
        "conv_1": 0.25, "conv_2": 0.0, "head/dense_1": 0.4
    }  # fmt: skip
    assert found["dead_units"] == pytest.approx(3 / 15)


def test_a_unit_that_speaks_once_is_alive(config, digits):
    """One bright pixel in one validation image, and a channel that only such a pixel reaches."""
    images = np.zeros_like(digits.validation.images)
    images[7, 3, 4] = 16
    validation = digits.validation._replace(images=images)

    def sees_one(params):
        changed = jax.tree.map(np.zeros_like, params)
        kernel = np.zeros_like(params["conv_1"]["kernel"])
        kernel[1, 1, :, 0] = 1
        return {**changed, "conv_1": {"kernel": kernel, "bias": np.full(4, -1, np.float32)}}

    plain = dataclasses.replace(config, standardise="none")
    found = examine(plain, digits._replace(validation=validation), sees_one)
    assert found["dead_units_by_layer"]["conv_1"] == 0.75
    none = examine(plain, digits._replace(validation=validation._replace(images=images * 0)),
                   sees_one)  # fmt: skip
    assert none["dead_units_by_layer"]["conv_1"] == 1.0


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "share"), [("leaky_relu", 0.0), ("tanh", 0.0)])
def test_what_has_no_flat_side_has_no_dead_units(config, digits, activation, share):
    found = examine(dataclasses.replace(config, activation=activation), digits)
    assert found["dead_units"] == share


@pytest.mark.slow
def test_each_activation_of_a_residual_network_has_a_name(digits):
    config = make_config(
        {"model": "resnet20", "width_multiplier": 0.125, "train_examples": 48, "batch_size": 16,
         "steps": 2, "measure": ("dead_units",)}
    )  # fmt: skip
    by_layer = examine(config, digits)["dead_units_by_layer"]
    assert len(by_layer) == 19 and {"conv_stem", "block_1/conv_1", "block_1/conv_2"} <= set(
        by_layer
    )


@pytest.mark.slow
def test_of_a_trained_network_they_are_those_of_its_features(digits):
    """What the layer of the logits sees, at a rate that kills many, image by image."""
    config = make_config(
        {"widths": (4, 6), "hidden": (40,), "pool_every": 1, "train_examples": 48, "steps": 40,
         "batch_size": 16, "learning_rate": 0.03, "eval_every": 0, "measure": ("dead_units",)}
    )  # fmt: skip
    functions, data, numbers = make_functions(config, digits)
    advance = jax.jit(functions.advance, static_argnums=4)
    state = advance(numbers, functions.init(numbers), data.train, 40, 40)
    measured = jax.jit(functions.examine)(state, data.validation, data.test)["measures"]
    found = dead_units.finish(jax.device_get(measured["dead_units"]), data.spec)
    model = here.make_model(config, (8, 8, 1), 10)
    images = (digits.validation.images - data.spec.mean) / data.spec.std
    _, features = model.observe(state.params, {}, images.astype(np.float32))
    share = float((np.asarray(features) == 0).all(axis=0).mean())
    assert found["dead_units_by_layer"]["head/dense_1"] == pytest.approx(share) and 0 < share < 1
