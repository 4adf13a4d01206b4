"""The effective receptive field of networks whose weights are known."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnnjax.measures import receptive
from cnnjax.ops import activation
from tests.foreign import SqueezeExcite
from tests.measures import shown

LINEAR = {"activation": "identity", "pool": "none", "hidden": ()}


def make_uniform(depth, shape=(15, 15, 1), **given):
    """So many linear 3x3 convolutions of one channel, all weights 1."""
    model, params, stats = shown.make_network(shape, widths=(1,) * depth, **LINEAR, **given)
    return model, jax.tree.map(jnp.ones_like, params), stats


def find_profile(depth):
    """What each pixel of a line weighs in the middle of 15: trinomial coefficients."""
    profile = np.ones(1)
    for _ in range(depth):
        profile = np.convolve(profile, np.ones(3))
    return np.pad(profile, (15 - len(profile)) // 2)


def measure(network, observed):
    model, params, stats = network

    @jax.jit
    def find(params, stats):
        return receptive.measure_receptive_field(
            model, params, stats, observed, jax.random.key(0)
        )  # fmt: skip

    return {name: float(own) for name, own in find(params, stats).items()}


@pytest.mark.parametrize(("depth", "side"), [(1, 3), (2, 5), (5, None)])
def test_stacked_uniform_kernels_weigh_as_trinomial_coefficients(depth, side):
    """Luo et al. 2016, section 2.2; one kernel has a field of exactly 3, and a deep stack one that
    is smaller than what it could see.
    """  # fmt: skip
    network, images = make_uniform(depth), shown.draw_images(3, (15, 15, 1))
    profile = np.outer(find_profile(depth), find_profile(depth))
    found = receptive.find_weights(*network, images)
    np.testing.assert_allclose(found, np.stack([profile] * 3), rtol=1e-6)
    expected = np.sqrt((profile > 0.0455 * profile.max()).sum())
    assert side in (None, expected)
    scores = measure(network, shown.show(images, 3))
    assert scores["effective_field"] == pytest.approx(expected)
    assert scores["effective_field_share"] == pytest.approx(expected / (2 * depth + 1))
    assert (scores["effective_field_share"] < 0.8) == (depth == 5)


def test_pixels_above_a_share_of_the_largest_count():
    weights = jnp.zeros((6, 6)).at[1:4, 2:5].set(0.0456).at[2, 3].set(1.0)
    assert receptive.measure_side(weights) == 3
    assert receptive.measure_side(weights.at[5, 5].set(0.0454)) == 3
    assert receptive.measure_side(50 * weights.at[5, 5].set(0.0456)) == pytest.approx(10**0.5)
    assert receptive.measure_side(weights[2:3]) == 3  # of a signal their number
    assert receptive.measure_side(0 * weights) == 0


@pytest.mark.parametrize(
    ("given", "side"),
    [
        ({"widths": (2, 2), "pool": "none"}, 5),
        ({"widths": (2, 2), "pool": "max", "pool_every": 1}, 8),  # 3, 4 behind a pooling of 2, 8
        ({"widths": (2, 2), "pool": "max", "pool_every": 2}, 5),  # a last pooling is beyond
        ({"widths": (2,) * 9, "pool": "none"}, 15),  # 19, but for the image
        ({"model": "mlp"}, None),
    ],
)
def test_what_could_be_seen_follows_from_kernels_and_strides(given, side):
    network = shown.make_network((15, 15, 1), **given)
    assert receptive.find_side(*network, shown.draw_images(1, (15, 15, 1))) == side


class Wide(nn.Module):
    """Two branches, of kernels of 7 and of 3 cells, the narrow one last."""

    @nn.compact
    def __call__(self, images, train):
        wide, narrow = (nn.Conv(2, (own, own))(images) for own in (7, 3))
        maps = nn.Conv(2, (1, 1))(nn.relu(wide + narrow))
        return nn.Dense(10)(maps.mean(axis=(1, 2)))


class Gated(nn.Module):
    """A map weighted by its mean, behind a non-linearity of ours."""

    @nn.compact
    def __call__(self, images, train):
        maps = nn.Conv(2, (3, 3))(images)
        maps = activation.activate("tanh", maps * maps.mean(axis=(1, 2), keepdims=True))
        return nn.Dense(10)(maps.mean(axis=(1, 2)))


@pytest.mark.parametrize(
    ("module", "side"),
    [
        (Gated(), 20),
        (Wide(), 7),
        (SqueezeExcite(10, squeeze=False), 8),  # 3, 4 behind a pooling of 2, two at a distance of 2
        (SqueezeExcite(10), 20),  # a global branch below the last map: the whole image
    ],
)
def test_networks_from_elsewhere_are_read_too(module, side):
    network = shown.make_foreign(module, (20, 20, 1))
    images = shown.draw_images(2, (20, 20, 1))
    assert receptive.find_side(*network, images) == side
    weights = receptive.find_weights(*network, images)
    assert weights.shape == (2, 20, 20) and (weights > 0).any()


def test_no_weight_is_beyond_what_could_be_seen():
    """Around the cell in the middle, cell by cell, of a network of several layers."""
    network = shown.make_network((15, 15, 1), widths=(3, 3), pool="none", activation="tanh")
    weights = receptive.find_weights(*network, shown.draw_images(2, (15, 15, 1)))
    inside = np.zeros((15, 15), bool)
    inside[5:10, 5:10] = True
    np.testing.assert_array_equal(weights > 0, np.stack([inside] * 2))


def test_of_a_signal_the_field_is_along_its_one_axis():
    network = shown.make_network((1, 40, 1), model="mnist1d_cnn")
    images = shown.draw_images(4, (1, 40, 1))
    assert receptive.find_side(*network, images) == 17
    found = measure(network, shown.show(images, 4))
    assert 3 <= found["effective_field"] <= 17
    assert found["effective_field_share"] == pytest.approx(found["effective_field"] / 17)


def test_weights_are_averaged_over_real_images():
    """Each image opens the gate of other pixels: relu(x) + relu(x) in its neighbourhood."""
    network = make_uniform(1, (6, 6, 1), kernel_size=(5,))
    model, params, stats = network

    def gated(params, stats, images, key=None):
        return model.apply(params, stats, jax.nn.relu(images))

    network = model._replace(apply=gated), params, stats
    images = jnp.full((4, 6, 6, 1), -1.0)
    images = images.at[0, 2, 3].set(1).at[1, 3, 3].set(1).at[2, :, 1:].set(1)
    assert measure(network, shown.show(images, 4, real=2))["effective_field"] == (
        pytest.approx(2**0.5)
    )
    assert measure(network, shown.show(images, 4, real=3))["effective_field"] == (
        pytest.approx(25**0.5)
    )


def test_where_nothing_weighs_the_field_is_0_and_without_maps_there_is_none():
    model, params, stats = shown.make_network((8, 8, 1), widths=(2, 2), pool_every=1)
    observed = shown.show(shown.draw_images(4), 4)
    for ours in (shown.silence(params), jax.tree.map(lambda leaf: leaf * jnp.nan, params)):
        found = measure((model, ours, stats), observed)
        assert found == {"effective_field": 0, "effective_field_share": 0}
    assert measure(shown.make_network(model="mlp"), observed) == {}


def test_lanes_are_measured_as_each_alone():
    lanes = [shown.make_network(widths=(4, 4), seed=seed, pool="none") for seed in (0, 1)]
    observed = shown.show(shown.draw_images(4), 4)
    find = functools.partial(receptive.measure_receptive_field, lanes[0][0])
    stacked = jax.tree.map(lambda *own: jnp.stack(own), *(own[1:] for own in lanes))
    found = jax.vmap(find, (0, 0, None, None))(*stacked, observed, None)
    for lane, own in enumerate(lanes):
        alone = measure(own, observed)["effective_field"]
        assert float(found["effective_field"][lane]) == pytest.approx(alone)
