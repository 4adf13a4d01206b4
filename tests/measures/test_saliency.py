"""Explanations of answers against what they must be of functions written by hand."""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnnjax.data.source import spread_places
from cnnjax.measures import saliency, units
from cnnjax.networks import count
from tests.foreign import SqueezeExcite
from tests.measures import shown

SMALL = {"widths": (4, 6), "hidden": (5,), "pool_every": 1}
CLASSES = jnp.array([3, 0, 9, 1, 3])
MANY = 40  # in batches of 16, and so 8 of padding
PLACES = [own for own in spread_places(48, saliency.IMAGES) if own < MANY]


@pytest.fixture(scope="module")
def network():
    return shown.make_network(**SMALL)


@pytest.fixture(scope="module")
def images():
    return shown.draw_images(5)


def test_of_a_linear_network_they_are_its_weights():
    """The largest channel of the gradient; the sum of each weight times its value."""
    weights = jax.random.normal(jax.random.key(2), (4, 5, 3, 10))
    network = shown.make_function(lambda images: jnp.einsum("nhwc,hwck->nk", images, weights) + 7)
    images = shown.draw_images(5, (4, 5, 3))
    own = jnp.moveaxis(weights[..., CLASSES], -1, 0)
    found = saliency.gradient(*network, images, CLASSES)
    np.testing.assert_allclose(found, jnp.abs(own).max(axis=-1), rtol=1e-6)
    found = saliency.integrated_gradients(*network, images, CLASSES)
    np.testing.assert_allclose(found, (own * images).sum(axis=-1), rtol=1e-4, atol=1e-5)


def test_where_a_logit_is_saturated_only_the_path_to_the_image_tells():
    """1 - relu(1 - x) at x = 2 (Sundararajan et al. 2017, section 2.1): gradient 0, but 1 is added.

    And of a square, whose gradient is linear on the way, all that it adds.
    """
    image = jnp.full((1, 1, 1, 1), 2.0)

    def answer(images):
        x = images[:, 0, 0]
        return jnp.concatenate([1 - jax.nn.relu(1 - x), 3 * x**2], axis=-1)

    network = shown.make_function(answer)
    for chosen, slope, added in ((0, 0, 1), (1, 12, 12)):
        given = *network, image, jnp.array([chosen])
        assert saliency.gradient(*given).item() == slope
        assert saliency.integrated_gradients(*given).item() == pytest.approx(added, rel=1e-5)
        assert saliency.find_differences(*given).item() == added


def test_what_pixels_add_is_what_the_logit_grew_by(network, images):
    found = saliency.integrated_gradients(*network, images, CLASSES).sum(axis=(1, 2))
    wanted = saliency.find_differences(*network, images, CLASSES)
    assert np.linalg.norm(found - wanted) < 0.01 * np.linalg.norm(wanted)


def test_grad_cam_of_a_global_mean_is_the_map_of_a_class(images):
    """Where logits are linear in the mean of the last map it is CAM (Selvaraju et al. 2017, section
    3.1), which is made as large as the image.
    """  # fmt: skip
    network = shown.make_network(widths=(6,), hidden=(), head="global_avg", pool="stride",
                                 pool_every=1)  # fmt: skip
    _, seen = units.see_units(*network, images)
    kernel = network[1]["head"]["logits"]["kernel"]
    maps = jnp.einsum("nhwc,cn->nhw", seen["conv_1"], kernel[:, CLASSES]) / 16
    assert maps.shape == (5, 4, 4) and (maps > 0).any() and (maps < 0).any()
    expected = jax.image.resize(jax.nn.relu(maps), (5, 8, 8), "bilinear")
    found = saliency.grad_cam(*network, images, CLASSES)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_pictures_are_compared_by_the_order_of_their_absolute_values():
    pictures = jax.random.normal(jax.random.key(0), (3, 6, 6))
    np.testing.assert_allclose(saliency.compare(pictures, -pictures), 1, rtol=1e-5)
    np.testing.assert_allclose(saliency.compare(pictures, jnp.abs(pictures) ** 3), 1, rtol=1e-5)
    np.testing.assert_allclose(saliency.compare(pictures, 1 / pictures), -1, rtol=1e-5)
    assert (saliency.compare(pictures, jnp.ones((3, 6, 6))) == 0).all()


def test_layers_are_drawn_anew_from_the_logits_downward(network, images):
    model, params, stats = network
    steps = list(saliency.cascade(model, params, stats, images, jax.random.key(5)))
    order = ["head/logits", "head/dense_1", "conv_2", "conv_1"]
    assert [path for path, *_ in steps] == order
    old, new = count.flatten(params), count.flatten(model.init(jax.random.key(5))[0])
    for number, (_, own, _) in enumerate(steps, start=1):
        for name, leaf in count.flatten(own).items():
            anew = name.rpartition("/")[0] in order[:number]
            np.testing.assert_array_equal(leaf, (new if anew else old)[name])


def test_a_norm_that_is_drawn_anew_forgets_what_it_kept(images):
    model, params, stats = shown.make_foreign(SqueezeExcite(10))
    stats = jax.tree.map(lambda leaf: leaf + 3, stats)
    steps = {path: own for path, *own in saliency.cascade(model, params, stats, images,
                                                         jax.random.key(5))}  # fmt: skip
    assert [*steps] == ["answer", "parts", "widen", "narrow", "BatchNorm_0", "edges"]
    kept = [float(own["BatchNorm_0"]["mean"][0]) for _, own in steps.values()]
    assert kept == [3, 3, 3, 3, 0, 0]


@pytest.fixture(scope="module")
def measure(network):
    """The measure of weights, by test images and other weights: one program for all."""
    model, *ours = network
    drawn = jax.jit(model.init)(jax.random.key(7))

    @jax.jit
    def find(ours, drawn, test):
        own, observed = model._replace(init=lambda key: drawn), shown.observe(test)
        return saliency.measure_saliency(own, *ours, observed, jax.random.key(0))

    def measure(images, ours=tuple(ours), drawn=drawn, real=None):
        found = find(ours, drawn, shown.show(images, 16, real).test)
        return {name: float(own) for name, own in found.items()}

    return SimpleNamespace(find=find, measure=measure, drawn=drawn)


@pytest.fixture(scope="module")
def many():
    return shown.draw_images(MANY)


def test_explanations_are_compared_with_those_by_weights_drawn_anew(network, many, measure):
    """By the measure, of those of 20 real images of 40 that it takes, as by hand."""
    model, params, stats = network
    found = measure.measure(many, real=20)
    real = many[np.array([place for place in PLACES if place < 20])]
    classes = model.apply(params, stats, real)[0].argmax(axis=-1)
    explain = jax.jit(functools.partial(saliency.explain, model))
    ours, others = (explain(*own, real, classes) for own in ((params, stats), measure.drawn))
    for name, own in ours.items():
        expected = float(saliency.compare(own, others[name]).mean())
        assert found[name] == pytest.approx(expected, abs=2e-3) and abs(expected) < 0.9
    wanted = saliency.find_differences(*network, real, classes)
    missed = ours["saliency_integrated"].sum(axis=(1, 2)) - wanted
    error = np.linalg.norm(missed) / np.linalg.norm(wanted)
    assert found["saliency_completeness"] == pytest.approx(error, rel=0.02) and 0 < error < 0.01


def test_weights_that_are_those_anew_are_explained_alike(network, many, measure):
    found = measure.measure(many, drawn=network[1:])
    assert all(found[name] == pytest.approx(1, abs=1e-4) for name in saliency.EXPLAIN)


def test_only_images_from_all_over_the_split_are_explained(many, measure):
    found = measure.measure(many)
    others = np.setdiff1d(np.arange(len(many)), PLACES)
    assert len(others) and measure.measure(many.at[others].mul(5)) == found
    assert measure.measure(many.at[PLACES[3]].mul(5)) != found


def test_lanes_are_measured_as_each_alone(many, measure):
    lanes = [shown.make_network(seed=seed, **SMALL)[1:] for seed in (1, 2)]
    stacked = jax.tree.map(lambda *own: jnp.stack(own), *lanes)
    test = shown.show(many, 16).test
    found = jax.vmap(measure.find, (0, None, None))(stacked, measure.drawn, test)
    for lane, own in enumerate(lanes):
        for name, value in measure.measure(many, own).items():
            assert float(found[name][lane]) == pytest.approx(value, abs=1e-3), name


def test_a_network_that_says_the_same_of_all_images_has_zeros(network, many, measure):
    _, params, stats = network
    found = measure.measure(many, (shown.silence(params), stats))
    assert found == dict.fromkeys([*saliency.EXPLAIN, "saliency_completeness"], 0.0)
    broken = jax.tree.map(lambda leaf: leaf * jnp.nan, params)
    assert np.isfinite([*measure.measure(many, (broken, stats)).values()]).all()


class Plain(nn.Module):
    """Two dense layers, from elsewhere."""

    @nn.compact
    def __call__(self, images, train):
        return nn.Dense(10)(jnp.tanh(nn.Dense(4)(images.reshape(len(images), -1))))


@pytest.mark.parametrize(
    ("make", "maps"),
    [
        (lambda: shown.make_network(model="mlp", hidden=(4,)), False),
        (lambda: shown.make_network(model="logistic"), False),
        (lambda: shown.make_foreign(Plain()), False),
        (lambda: shown.make_foreign(SqueezeExcite(10)), True),
        (lambda: shown.make_network((1, 40, 1), model="mnist1d_cnn"), True),
        pytest.param(
            lambda: shown.make_network(model="resnet20", width_multiplier=0.125),
            True,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_networks_without_maps_have_no_grad_cam(make, maps):
    network = make()
    shape = (1, 40, 1) if "conv_3" in network[1] else (8, 8, 1)
    images = shown.draw_images(4, shape)
    explain = jax.jit(functools.partial(saliency.explain, network[0]))
    found = explain(*network[1:], images, CLASSES[:4])
    assert ("saliency_grad_cam" in found) == maps
    for own in found.values():
        assert own.shape == (4, *shape[:2]) and np.isfinite(own).all() and (own != 0).any()
