"""What a head keeps of the last map, and what it learns there."""

import jax
import numpy as np
import pytest

from cnnjax.config.config import Config, make_config
from cnnjax.networks import cost
from tests import here

SHAPE, CLASSES = (8, 8, 1), 10
RESNET = {"model": "resnet20", "width_multiplier": 0.25}


@pytest.mark.parametrize("given", [{}, RESNET, {"model": "all_cnn_c", "image_size": 12}], ids=str)
def test_a_generalised_mean_begins_with_an_exponent_of_3_and_is_one_parameter_more(given):
    gem, mean = (make_config({**given, "head": f"global_{name}"}) for name in ("gem", "avg"))
    params, _ = jax.jit(here.make_model(gem, SHAPE, CLASSES).init)(jax.random.key(0))
    assert float(params["gem"]["exponent"]) == 3.0 and params["gem"]["exponent"].shape == ()
    one, other = (cost.measure(config, SHAPE, CLASSES) for config in (gem, mean))
    assert one.parameters == other.parameters + 1
    assert (one.macs, one.receptive_field) == (other.macs, other.receptive_field)


def test_a_generalised_mean_of_exponent_1_is_the_mean_and_its_exponent_learns():
    gem, mean = (Config(head=f"global_{name}", hidden=()) for name in ("gem", "avg"))
    images = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)
    one, other = (here.make_model(config, SHAPE, CLASSES) for config in (gem, mean))
    params, stats = one.init(jax.random.key(0))
    set_to_1 = {**params, "gem": {"exponent": np.float32(1)}}
    plain = {name: own for name, own in params.items() if name != "gem"}
    logits = one.apply(set_to_1, stats, images, None)[0]
    np.testing.assert_allclose(logits, other.apply(plain, stats, images, None)[0], atol=1e-5)

    def first_logit(params):
        return one.apply(params, stats, images, None)[0][0, 0]

    assert abs(float(jax.grad(first_logit)(params)["gem"]["exponent"])) > 1e-6
    assert one.roles.kernels == other.roles.kernels  # an exponent neither decays nor turns
