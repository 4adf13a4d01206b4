"""What the layers of a network say, seen as it answers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnnjax.config.config import make_config
from cnnjax.measures import units
from cnnjax.networks import models
from tests.measures import shown


class Foreign(nn.Module):
    """A network that uses no layer and no non-linearity of ours."""

    @nn.compact
    def __call__(self, images, train):
        maps = nn.relu(nn.Conv(3, (3, 3), name="first")(images))
        return nn.Dense(10, name="last")(maps.mean(axis=(1, 2)))


@pytest.fixture
def images():
    return jax.random.normal(jax.random.key(1), (5, 8, 8, 1))


@pytest.fixture
def network():
    config = make_config({"widths": (4, 6), "hidden": (5,), "pool_every": 1})
    model = models.make_model(config, (8, 8, 1), 10, "cpu")
    return model, *model.init(jax.random.key(0))


def test_units_are_seen_behind_each_non_linearity_by_its_layer(network, images):
    logits, seen = units.see_units(*network, images)
    shapes = {"conv_1": (5, 8, 8, 4), "conv_2": (5, 4, 4, 6), "head/dense_1": (5, 5)}
    assert {name: own.shape for name, own in seen.items()} == shapes
    described = units.describe_units(*network, images)
    assert {name: own.shape for name, own in described.items()} == shapes
    assert all((own >= 0).all() for own in seen.values())
    assert np.array_equal(logits, network[0].apply(*network[1:], images)[0])


def test_what_is_added_goes_on(network, images):
    """The gradient by the units of the last layer is its row of weights."""
    _, seen = units.see_units(*network, images)
    zero = {"head/dense_1": jnp.zeros_like(seen["head/dense_1"])}

    def first_logit(added):
        return units.see_units(*network, images, added)[0][:, 0].sum()

    found = jax.grad(first_logit)(zero)["head/dense_1"]
    kernel = network[1]["head"]["logits"]["kernel"][:, 0]
    np.testing.assert_allclose(found, np.tile(kernel, (5, 1)), rtol=1e-6)


def test_of_a_network_from_elsewhere_the_layers_themselves_are_seen(images):
    module = Foreign()
    variables = module.init(jax.random.key(0), images, train=False)

    def apply(params, stats, images, key=None):
        return module.apply({"params": params}, images, train=False), stats

    model = models.Model(lambda key: (variables["params"], {}), apply, None, None)
    network = model, variables["params"], {}
    _, seen = units.see_units(*network, images)
    assert [*seen] == ["first", "last"] and (seen["first"] < 0).any()
    assert units.see_activated(*network, images) == {}


class Looped(nn.Module):
    """Layers that JAX traces by themselves, in a loop and to be computed again, between others."""

    @nn.compact
    def __call__(self, images, train):
        maps = nn.Conv(3, (3, 3), name="first")(images)
        step = nn.scan(Step, variable_axes={"params": 0}, split_rngs={"params": True}, length=3)
        maps, _ = step(name="loop")(maps, None)
        maps = nn.remat(nn.Conv)(3, (3, 3), name="again")(maps)
        return nn.Dense(10, name="last")(maps.mean(axis=(1, 2)))


class Step(nn.Module):
    @nn.compact
    def __call__(self, maps, nothing):
        return nn.relu(nn.Conv(3, (3, 3))(maps)), nothing


def test_what_is_traced_by_itself_is_not_seen(images):
    network = shown.make_foreign(Looped())
    logits, seen = jax.jit(lambda images: units.see_units(*network, images))(images)
    assert [*seen] == ["first", "last"]
    np.testing.assert_allclose(logits, network[0].apply(*network[1:], images)[0], rtol=1e-5)
    assert units.find_last_map(*network, images)[0] == "first"


def test_layers_stay_in_their_order_beyond_the_tenth():
    network = shown.make_network(widths=(2,) * 11, hidden=(), pool="none")
    names = [f"conv_{place}" for place in range(1, 12)]
    assert [*units.describe_units(*network, shown.draw_images(1))] == names
    _, seen = jax.jit(lambda images: units.see_units(*network, images))(shown.draw_images(1))
    assert [*seen] == names
    name, own = units.find_last_map(*network, shown.draw_images(3))
    assert name == "conv_11" and own.shape == (3, 8, 8, 2)
    assert units.find_last_map(*shown.make_network(model="mlp"), shown.draw_images(1)) is None
