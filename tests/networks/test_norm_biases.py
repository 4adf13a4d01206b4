"""Which parameters are the biases of norms, for `norm_bias_rate`."""

import pytest

from cnnjax.config.config import make_config
from cnnjax.networks import models
from tests import here
from tests.small import make_small

SHAPE, CLASSES = (16, 16, 1), 10


@pytest.mark.parametrize("norm", ["batch", "layer", "group"])
@pytest.mark.parametrize("model", ["cnn", "resnet20", "airbench94", "mlp"])
def test_they_are_those_of_every_norm_and_no_other(model, norm):
    network = here.make_model(make_small(model, norm=norm), SHAPE, CLASSES)
    params, _ = models.find_shapes(network)
    every = models.count.flatten(params)
    expected = {name for name in every if "norm_" in name and name.endswith("/bias")}
    assert network.roles.norm_biases == expected and expected
    number = {"cnn": 3, "resnet20": 21, "airbench94": 6, "mlp": 1}[model]
    assert len(expected) == number


def test_a_network_without_norms_has_none():
    assert not here.make_model(make_config({}), SHAPE, CLASSES).roles.norm_biases
