"""How much of each layer answers, of networks made by hand."""

import jax
import numpy as np
import pytest

from cnnjax.config.config import make_config
from cnnjax.measures import activity
from tests.training.test_program import make_functions

OPTAX = True  # see conftest.py


def examine(digits, change, **values):
    config = make_config(
        {"widths": (4,), "hidden": (5,), "pool": "none", "train_examples": 48,
         "batch_size": 16, "steps": 2, "measure": ("activity",), **values}
    )  # fmt: skip
    functions, data, numbers = make_functions(config, digits)
    state = functions.init(numbers)
    state = state._replace(params=change(state.params))
    found = jax.device_get(jax.jit(functions.examine)(state, data.validation, data.test))
    return activity.finish(found["measures"]["activity"], data.spec)


def test_a_unit_answers_where_it_is_not_0(digits):
    """Three of four channels answer everywhere, and one of five units to every image."""

    def only(params):
        params = jax.tree.map(np.zeros_like, params)
        params["conv_1"]["bias"] = np.array([1, 1, -1, 1], np.float32)
        params["head"]["dense_1"]["bias"] = np.array([-1, 2, 0, -1, -1], np.float32)
        return params

    found = examine(digits, only)
    assert found["active_units_by_layer"] == {
        "conv_1": pytest.approx(0.75), "head/dense_1": pytest.approx(0.2)
    }  # fmt: skip
    assert found["active_units"] == pytest.approx((0.75 * 256 + 0.2 * 5) / 261)


def test_it_is_the_share_of_images_and_cells(digits):
    """A channel that copies the image answers where that is bright."""

    def copy(params):
        params = jax.tree.map(np.zeros_like, params)
        params["conv_1"]["kernel"][1, 1] = 1
        return params

    found = examine(digits, copy, standardise="none")
    share = (digits.validation.images > 0).mean()
    assert found["active_units_by_layer"]["conv_1"] == pytest.approx(share, abs=1e-6)


def test_what_has_no_flat_side_is_always_active(digits):
    found = examine(digits, lambda params: params, activation="tanh")
    assert found["active_units"] == 1.0
