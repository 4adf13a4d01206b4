"""What a run is where nobody said: standardised by channel, pooled, in its model's own way."""

import dataclasses

import numpy as np
import pytest

from cnnjax import cost, group
from cnnjax.config import KNOBS, Config
from cnnjax.data import load, transform
from cnnjax.knobs import ConfigError


def test_pixels_are_standardised_by_channel_together_or_not_at_all(tiny, digits):
    rng = np.random.default_rng(0)
    images = rng.normal((10, 100, 200), (1, 5, 0), (60, 8, 8, 3)).round().astype(np.uint8)
    split = load.Split(images, np.arange(60, dtype=np.int32) % 10)
    colour = digits._replace(train=split, validation=split, test=split)
    pixels, found = images.astype(np.float64), {}
    for choice in KNOBS["standardise"].choices:
        config = dataclasses.replace(tiny, standardise=choice)
        spec = group.make_spec(config, colour)
        mean, scale = transform.find_scale(config, spec.mean, spec.std)
        found[choice] = (pixels - mean) / scale
    by_channel = found["channel"].mean(axis=(0, 1, 2)), found["channel"].std(axis=(0, 1, 2))
    np.testing.assert_allclose(by_channel, [[0, 0, 0], [1, 1, 0]], atol=1e-5)  # blue is blank
    together = (pixels - pixels.mean()) / pixels.std()
    np.testing.assert_allclose(found["all"], together, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(found["none"], pixels)
    merged = transform.merge_channels(*transform.find_statistics(tiny, images))
    np.testing.assert_allclose(merged, [pixels.mean(), pixels.std()], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.uint16])
def test_statistics_of_pixels_are_those_of_float64(tiny, dtype):
    rng = np.random.default_rng(1)
    images = (1 + rng.uniform(size=(50, 4, 4, 2)) * 200).astype(dtype)
    mean, std = transform.find_statistics(tiny, images)
    exact = images.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean(axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(std, exact.std(axis=(0, 1, 2)), rtol=1e-6)


def test_pooling_follows_every_convolution_where_that_leaves_a_map():
    def poolings(every=0, shape=(8, 8, 1), **fields):
        config = Config(pool_every=every, **fields)
        layers = cost.measure(config, shape, 10).layers
        return [layer.name for layer in layers if layer.name.startswith("pool")]

    assert poolings() == ["pool_1", "pool_2"]
    assert poolings(widths=(4,) * 3) == ["pool_1", "pool_2", "pool_3"]
    # Three halvings of 8 leave one cell: a fourth would find none, every second does.
    assert poolings(widths=(4,) * 4) == ["pool_2", "pool_4"]
    assert poolings(widths=(4,) * 3, padding="VALID", kernel_size=(3,)) == ["pool_3"]
    assert poolings(every=2, widths=(4,) * 3) == ["pool_2"]
    assert poolings(shape=(28, 28, 1), widths=(32, 64)) == ["pool_1", "pool_2"]
    with pytest.raises(ConfigError, match="pool_2: a 2x2 pooling"):  # never silently without any
        poolings(shape=(1, 40, 1))
