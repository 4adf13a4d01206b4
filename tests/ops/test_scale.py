"""Every kind of layer starts at the scale that its initialiser promises, measured at its output."""

import jax
import numpy as np
import pytest

from cnnjax.config import layouts
from cnnjax.config.config import KNOBS, make_config
from cnnjax.networks import layers, models
from cnnjax.ops import connectivity
from tests import here

INITS = KNOBS["init"].choices
CELLS = 9  # of a 3x3 kernel


def promised(init: str, cells: int, channels: int, features: int) -> float:
    """Mean variance of outputs for white inputs of variance one, from each one's definition."""
    fan_in, fan_out = cells * channels, cells * features
    copies = min(channels, features) / features
    return {
        "he": 2.0,  # He et al. 2015, eq. 10
        "lecun": 1.0,
        "glorot": 2 * fan_in / (fan_in + fan_out),  # Glorot and Bengio 2010, eq. 12
        "orthogonal": min(1.0, fan_in / features),  # Saxe et al. 2014: lengths are kept
        "pytorch": 1 / 3,  # uniform within 1 / sqrt(fan in)
        "lenet5": 2.4**2 / 3 / fan_in,
        "dirac": copies + (1 - copies) / 3,
    }[init.split("_")[0]]


def measure(given: dict, channels: int, features: int, gain: float = 1.0) -> float:
    config = make_config({"padding": "VALID", "bias": False, **given})
    spec = layouts.Conv(features, (3,), partial=True, grouped=True)
    layer = here.make_conv(config, spec, 1, "conv_1")
    maps = np.random.default_rng(0).normal(size=(24, 10, 10, channels)).astype(np.float32)
    variables = layer.init(jax.random.key(0), maps)
    params = variables["params"]
    params = models.scale_kernels(params, np.float32(gain), here.KERNEL)
    return float(np.asarray(layer.apply({**variables, "params": params}, maps)).var())


KINDS = {
    "standard": ({}, 32, 32, 32, 32),  # given, channels and features; and those of one group
    "widening": ({}, 4, 64, 4, 64),
    "narrowing": ({}, 64, 16, 64, 16),
    "grouped": ({"groups": 4}, 32, 64, 8, 16),
    "separable": ({"conv": "separable"}, 64, 64, 64, 64),
    "separable, widening": ({"conv": "separable"}, 16, 64, 16, 64),
    "unshared": ({"conv": "unshared"}, 16, 24, 16, 24),
}


@pytest.mark.slow
@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("kind", KINDS)
def test_output_variance_of_a_layer(kind, init):
    given, channels, features, own_channels, own_features = KINDS[kind]
    if init == "dirac" and kind == "unshared":
        pytest.raises(ValueError, make_config, {**given, "init": init})
        return
    expected = promised(init, CELLS, own_channels, own_features)
    assert measure({**given, "init": init}, channels, features) == pytest.approx(expected, rel=0.12)


@pytest.mark.parametrize("init", [name for name in INITS if name != "dirac"])
@pytest.mark.parametrize("table", [name for name in KNOBS["connectivity"].choices if name != "all"])
def test_output_variance_where_a_kernel_sees_some_of_the_channels(table, init):
    channels, features = 12, 48
    expected = promised(init, CELLS, channels, features)
    if init == "lenet5":  # whose fan in is that of each kernel
        seen = connectivity.CONNECTIVITIES[table](channels, features).sum(axis=0)
        expected = (2.4**2 / 3 / (CELLS * seen)).mean()
    found = measure({"connectivity": table, "init": init}, channels, features)
    assert found == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("conv", KNOBS["conv"].choices)
def test_a_gain_of_two_doubles_the_output_of_a_layer_once(conv):
    one, two = (measure({"conv": conv}, 16, 16, gain) for gain in (1.0, 2.0))
    assert two / one == pytest.approx(4.0, rel=1e-4)


@pytest.mark.parametrize("given", [{}, {"groups": 2}, {"conv": "separable"}], ids=str)
def test_copying_kernels_copy_in_every_kind_and_every_group(given):
    maps = np.random.default_rng(0).normal(size=(2, 6, 6, 8)).astype(np.float32)
    config = make_config({"init": "dirac", "bias": False, **given})
    layer = here.make_conv(config, layouts.Conv(8, (3,), grouped=True), 1, "conv_1")
    output = layer.init_with_output(jax.random.key(0), maps)[0]
    np.testing.assert_allclose(output, maps, atol=1e-6)


def test_six_separable_layers_keep_the_scale_of_six_standard_ones():
    def spread_of(conv):
        config = make_config({"conv": conv, "widths": (32,) * 6, "pool": "none"})
        model = here.make_model(config, (16, 16, 3), 10)
        params, stats = jax.jit(model.init)(jax.random.key(0))
        images = np.random.default_rng(0).normal(size=(8, 16, 16, 3)).astype(np.float32)
        return float(np.asarray(jax.jit(model.apply)(params, stats, images, None)[0]).std())

    assert spread_of("separable") / spread_of("standard") == pytest.approx(1.0, abs=0.5)


def test_lenet5_begins_uniform_within_its_fan_in():
    """LeCun et al. 1998: 2.4 / fan in, where C1's is 25 and C3's depends on the table's column."""
    model = here.make_model(make_config({"model": "lenet5"}), (32, 32, 1), 10)
    params, _ = jax.jit(model.init)(jax.random.key(0))
    first, third = (np.asarray(params[name]["kernel"]) for name in ("conv_1", "conv_2"))
    assert 0.9 * 2.4 / 25 < abs(first).max() <= 2.4 / 25
    seen = connectivity.lenet5_table(6, 16).sum(axis=0)
    largest = abs(third * connectivity.lenet5_table(6, 16)).max(axis=(0, 1, 2))
    assert (largest <= 2.4 / (25 * seen)).all() and (largest > 0.85 * 2.4 / (25 * seen)).all()
    dense = np.asarray(params["head"]["dense_1"]["kernel"])
    assert 0.99 * 2.4 / 120 < abs(dense).max() <= 2.4 / 120


PAIRS = {"groups": {"groups": 2}, "table": {"connectivity": "lenet5"}}


@pytest.mark.parametrize("kind", PAIRS)
def test_a_maxout_unit_sees_no_more_than_one_group_or_one_row_of_the_table(kind):
    config = make_config({"activation": "maxout", **PAIRS[kind]})
    layer = here.make_conv(config, layouts.Conv(16, (1,), grouped=True, partial=True), 1, "conv")
    maps = np.random.default_rng(0).normal(size=(4, 3, 3, 6)).astype(np.float32)
    variables = layer.init(jax.random.key(0), maps)

    def unit(maps, index):
        return layers.activate(config, layer.apply(variables, maps))[..., index].sum()

    table = connectivity.lenet5_table(6, 16)
    if kind == "groups":
        table = np.kron(np.eye(2), np.ones((3, 8)))
    slopes = jax.vmap(jax.grad(unit), in_axes=(None, 0))(maps, np.arange(16))
    reached = np.abs(np.asarray(slopes)).sum(axis=(1, 2, 3)) > 0  # [units, channels]
    np.testing.assert_array_equal(reached.T, table > 0)


def test_maxout_units_and_not_their_pairs_are_divided_into_groups():
    config = make_config({"activation": "maxout", "groups": 2})
    layer = here.make_conv(config, layouts.Conv(3, (3,), grouped=True), 1, "conv_2")
    with pytest.raises(ValueError, match="2 groups do not divide 4 channels into 3"):
        layer.init(jax.random.key(0), np.zeros((1, 6, 6, 4), np.float32))
