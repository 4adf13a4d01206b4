"""The correlation of the last layer's weights with the features that go with a class."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from cnnjax.measures import last_layer


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
