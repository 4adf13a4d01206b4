"""Linear CKA against its definition in NumPy, and what it must be of made features."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax.data.source import spread_places
from cnnjax.measures import similarity
from tests.foreign import SqueezeExcite
from tests.measures import shown


def draw(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def find_hsic(a, b):
    """The unbiased estimator of HSIC of features, as it is written: Song et al. 2007, eq. 4."""
    k, m = (own.astype(np.float64) @ own.T.astype(np.float64) for own in (a, b))
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)
    n, ones = len(k), np.ones(len(k))
    both = ones @ k @ ones * (ones @ m @ ones) / ((n - 1) * (n - 2))
    return (np.trace(k @ m) + both - 2 / (n - 2) * ones @ k @ m @ ones) / (n * (n - 3))


def find_cka(a, b):
    return find_hsic(a, b) / np.sqrt(find_hsic(a, a) * find_hsic(b, b))


def find_biased(a, b):
    a, b = (own - own.mean(axis=0) for own in (a, b))
    return np.sum((a.T @ b) ** 2) / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_it_is_as_defined(offset):
    """Also where features have a mean beside which they hardly vary, as behind a rectifier."""
    rng = np.random.default_rng(0)
    shared = draw(rng, 30, 4)
    a = shared @ draw(rng, 4, 50) + draw(rng, 30, 50) + np.float32(offset)
    b = shared @ draw(rng, 4, 7) + draw(rng, 30, 7)
    assert 0.3 < find_cka(a, b) < 0.9
    assert similarity.cka(a, b) == pytest.approx(find_cka(a, b), abs=1e-4)


def test_it_is_1_with_itself_turned_and_scaled():
    rng = np.random.default_rng(1)
    features = draw(rng, 40, 12)
    turn = np.linalg.qr(rng.normal(size=(12, 12)))[0].astype(np.float32)
    moved = np.float32(0.01) * features @ turn + np.float32(3)
    assert similarity.cka(features, features) == pytest.approx(1, abs=1e-5)
    assert similarity.cka(features, moved) == pytest.approx(1, abs=1e-4)
    stretched = features * np.linspace(0, 3, 12, dtype=np.float32)
    assert similarity.cka(features, stretched) < 0.95


def test_independent_features_are_not_alike_however_many():
    """Where there are many more features than images the biased one is near 1."""
    rng = np.random.default_rng(2)
    pairs = [(draw(rng, 32, 1000), draw(rng, 32, 1000)) for _ in range(20)]
    found = np.array([similarity.cka(*pair) for pair in pairs])
    assert abs(found.mean()) < 0.03 and np.abs(found).max() < 0.2
    assert min(find_biased(*pair) for pair in pairs) > 0.9


def test_what_is_alike_for_all_images_is_like_nothing():
    rng = np.random.default_rng(3)
    features, same = draw(rng, 20, 6), np.full((20, 6), 0.1, np.float32)
    one = same.copy()
    one[0] = 5  # all but the first are alike: no image is told from another by more than a term
    for other in (same, 0 * same, one, np.nan * same):
        assert similarity.cka(features, other) == 0
        assert similarity.cka(other, other) == 0
    for few in (1, 2, 3):
        assert similarity.cka(features[:few], features[:few]) == 0


def test_layers_are_compared_with_each_other():
    rng = np.random.default_rng(4)
    ones = {"b": draw(rng, 20, 6), "a": draw(rng, 20, 9)}
    others = {"z": draw(rng, 20, 5), "y": ones["b"] * 2, "x": draw(rng, 20, 4)}
    found = np.asarray(similarity.compare_layers(ones, others))
    assert found.shape == (2, 3) and found[0, 1] == pytest.approx(1, abs=1e-5)
    expected = [[find_cka(a, b) for b in others.values()] for a in ones.values()]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def measure(network, observed):
    model, params, stats = network

    @jax.jit
    def find(params, stats):
        return similarity.measure_similarity(model, params, stats, observed, jax.random.key(0))

    return similarity.finish(jax.device_get(find(params, stats)), None)


SMALL = {"widths": (4, 6), "hidden": (5,), "pool_every": 1}


def test_of_a_network_it_is_that_of_its_layers_for_the_first_real_images():
    """Blocks of images of several batches, at once: 100 of 150 that are real."""
    network, images = shown.make_network(**SMALL), shown.draw_images(150)
    found = measure(network, shown.show(images, 48, real=100))
    seen = {name: np.asarray(own) for name, own in
            similarity.find_features(*network, images[:100]).items()}  # fmt: skip
    assert {name: own.shape for name, own in seen.items()} == {
        "conv_1": (100, 256), "conv_2": (100, 96), "head/dense_1": (100, 5)
    }  # fmt: skip
    first, middle, last = seen.values()
    assert found["cka_first_last"] == pytest.approx(find_cka(first, last), abs=1e-3)
    assert found["similarity_by_layer"] == {
        "conv_1 - conv_2": pytest.approx(find_cka(first, middle), abs=1e-3),
        "conv_2 - head/dense_1": pytest.approx(find_cka(middle, last), abs=1e-3),
    }
    assert [*found["similarity_by_layer"]][0] == "conv_1 - conv_2"


def test_only_images_from_all_over_the_split_count():
    network, images = shown.make_network(model="mlp", hidden=(4, 3)), shown.draw_images(300)
    places = spread_places(320, 256)  # of five batches of 64
    others = np.setdiff1d(np.arange(300), places)
    found = measure(network, shown.show(images, 64))
    assert len(others) and measure(network, shown.show(images.at[others].mul(3), 64)) == found
    assert measure(network, shown.show(images.at[places[3]].mul(3), 64)) != found


def test_layers_stay_in_their_order_beyond_the_tenth():
    network = shown.make_network(model="mlp", hidden=(3,) * 11)
    found = measure(network, shown.show(shown.draw_images(8), 8))["similarity_by_layer"]
    assert [*found] == [f"dense_{place} - dense_{place + 1}" for place in range(1, 11)]


def test_a_network_that_says_the_same_of_all_images_has_zeros():
    model, params, stats = shown.make_network(**SMALL)
    observed = shown.show(shown.draw_images(20), 20)
    for ours in (shown.silence(params), jax.tree.map(lambda leaf: leaf * jnp.nan, params)):
        found = measure((model, ours, stats), observed)
        assert [found["cka_first_last"], *found["similarity_by_layer"].values()] == [0, 0, 0]


@pytest.mark.parametrize("given", [{"model": "mlp", "hidden": (4,)}, {"model": "logistic"}])
def test_of_one_layer_there_is_none(given):
    assert measure(shown.make_network(**given), shown.show(shown.draw_images(8), 8)) == {}


def test_networks_from_elsewhere_and_signals_have_layers_too():
    found = measure(shown.make_foreign(SqueezeExcite(10)), shown.show(shown.draw_images(12), 8))
    assert [*found["similarity_by_layer"]] == [
        "edges - narrow", "narrow - widen", "widen - parts", "parts - answer"
    ]  # fmt: skip
    signals = shown.draw_images(12, (1, 40, 1))
    found = measure(shown.make_network((1, 40, 1), model="mnist1d_cnn"), shown.show(signals, 8))
    assert [*found["similarity_by_layer"]] == ["conv_1 - conv_2", "conv_2 - conv_3"]


def test_lanes_are_measured_as_each_alone():
    lanes = [shown.make_network(seed=seed, **SMALL) for seed in (0, 1)]
    observed = shown.show(shown.draw_images(70), 64)

    def one(params, stats):
        return similarity.measure_similarity(lanes[0][0], params, stats, observed, None)

    found = jax.jit(jax.vmap(one))(
        *jax.tree.map(lambda *own: jnp.stack(own), *(own[1:] for own in lanes))
    )
    for lane, own in enumerate(lanes):
        alone = measure(own, observed)["cka_first_last"]
        assert float(found["cka_first_last"][lane]) == pytest.approx(alone, abs=1e-4)
