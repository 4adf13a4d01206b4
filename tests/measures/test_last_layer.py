"""The correlation of the last layer's weights with the features that go with a class."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from scipy import stats as scipy_stats

from cnnjax.data.batches import Batches
from cnnjax.measures import last_layer
from cnnjax.measures.observed import Training


@pytest.mark.parametrize("seed", range(3))
def test_rank_correlation_with_ties(seed):
    a, b = np.random.default_rng(seed).integers(0, 6, (2, 40)).astype(np.float32)
    expected = scipy_stats.spearmanr(a, b).statistic
    assert last_layer.spearman(a, b) == pytest.approx(expected, abs=1e-5)
    assert last_layer.spearman(a, np.zeros_like(a)) == 0


def test_weights_that_are_the_mean_features_correlate_wholly():
    rng = np.random.default_rng(0)
    means, counts = rng.normal(size=(4, 20)).astype(np.float32), np.full(4, 5, np.float32)
    kernel = (means - means.mean(axis=0)).T
    assert last_layer.correlate_weights(kernel, 5 * means, counts) == pytest.approx(1, abs=1e-5)
    assert last_layer.correlate_weights(-kernel, 5 * means, counts) == pytest.approx(-1, abs=1e-5)


def test_the_features_of_largest_weight_are_chosen_and_as_many_at_random():
    kernel = np.array([[5, 0], [4, 1], [-9, 2], [0, 3]], np.float32)
    top = np.asarray(last_layer.choose_top(kernel, 2))
    np.testing.assert_array_equal(top, [[1, 1, 0, 0], [0, 0, 1, 1]])
    drawn = np.asarray(last_layer.choose_random(jax.random.key(0), 50, 4, 2))
    assert (drawn.sum(axis=1) == 2).all() and (drawn.mean(axis=0) > 0.25).all()


def test_training_images_count_with_the_labels_that_they_trained_with():
    rng = np.random.default_rng(0)
    images, labels = rng.random((150, 12)).astype(np.float32), rng.integers(0, 3, 150)
    kernel = rng.normal(size=(12, 3)).astype(np.float32)
    model = SimpleNamespace(
        observe=lambda params, stats, images: (None, images),
        roles=SimpleNamespace(logits="logits/kernel"),
    )
    targets = np.eye(3, dtype=np.float32)[labels]
    training = Training(None, lambda images: images, images, targets, None)
    params = {"logits": {"kernel": kernel}}
    found = last_layer.measure_on_training(model, params, {}, training, jax.random.key(0))
    means = np.stack([images[labels == own].mean(axis=0) for own in range(3)])
    expected = np.mean([
        scipy_stats.spearmanr(kernel[:, own], means[own] - images.mean(axis=0)).statistic
        for own in range(3)
    ])  # fmt: skip
    assert float(found["fc_correlation_train"]) == pytest.approx(expected, abs=1e-5)


def test_zeroing_is_of_the_class_of_each_image():
    """Features are the image; class 0 rests on feature 0 alone, class 1 on all others."""
    kernel, pixels = np.zeros((10, 2), np.float32), np.ones((1, 4, 10), np.float32)
    kernel[0, 0], kernel[1:, 1] = 3, 0.2
    params = {"logits": {"kernel": kernel, "bias": np.zeros(2, np.float32)}}
    model = SimpleNamespace(
        observe=lambda params, stats, images: (None, images),
        roles=SimpleNamespace(logits="logits/kernel"),
    )
    batches = Batches(pixels, np.array([[0, 0, 1, 1]]), np.ones((1, 4), np.float32))
    observed = SimpleNamespace(prepare=lambda images: images, test=batches)
    found = last_layer.measure_zeroed(model, params, {}, observed, jax.random.key(0))
    # Without feature 0 class 1 wins; class 1 is beaten by 3 to 1.8 as it is.
    np.testing.assert_array_equal(found["zeroed_top"], [0, 0, 0, 0])
    assert 0.5 < float(found["zeroed_random"][0]) <= 1
