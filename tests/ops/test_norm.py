"""Batch normalisation against Flax's, and its gradient against differences."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax.sharding import AxisType, PartitionSpec
from jax.test_util import check_grads

from cnnjax.config.config import Config
from cnnjax.networks import norms
from cnnjax.ops import norm

SHAPES = [(4, 3, 5, 6), (16, 6)]


def draw(shape, seed=0):
    return 2 + 3 * jax.random.normal(jax.random.key(seed), shape)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradient_by_finite_differences_in_float64(shape):
    with jax.enable_x64(True):
        arrays = [draw(own, seed).astype(np.float64) for seed, own in enumerate([shape, 6, 6])]
        check_grads(lambda *given: norm.batch_norm(*given, 1e-5)[0], arrays, order=1, modes=["rev"])


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_layer_does_as_flax_and_keeps_its_variables(shape, scaled):
    units, grads = draw(shape), draw(shape, 1)
    ours = norms.BatchNorm(0.7, 1e-3, scaled)
    theirs = nn.BatchNorm(momentum=0.7, epsilon=1e-3, use_scale=scaled)
    variables = ours.init(jax.random.key(0), units, True)
    flax = theirs.init(jax.random.key(0), units, use_running_average=False)
    assert jax.tree.structure(variables) == jax.tree.structure(flax)
    own, pull = jax.vjp(
        lambda given, x: ours.apply({**variables, "params": given}, x, True,
                                    mutable=["batch_stats"]),
        variables["params"], units,
    )  # fmt: skip
    other, other_pull = jax.vjp(
        lambda given, x: theirs.apply({**variables, "params": given}, x, mutable=["batch_stats"],
                                      use_running_average=False),
        variables["params"], units,
    )  # fmt: skip
    close(own, other)
    blank = jax.tree.map(jnp.zeros_like, own[1])
    close(pull((grads, blank)), other_pull((grads, blank)))
    trained = {**variables, **own[1]}
    close(ours.apply(trained, units, False), theirs.apply(trained, units, use_running_average=True))


def close(one, other):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4), one, other)


def test_bfloat16_stays_so_with_statistics_in_float32():
    ones, zeros = jnp.ones(6), jnp.zeros(6)
    output, mean, var = norm.batch_norm(draw((64, 6)).astype(jnp.bfloat16), ones, zeros, 1e-5)
    assert output.dtype == jnp.bfloat16 and mean.dtype == var.dtype == jnp.float32
    np.testing.assert_allclose(output.astype(jnp.float32).std(axis=0), ones, rtol=0.02)


@pytest.mark.parametrize("mean", [0.0, 10.0, 1000.0])
@pytest.mark.parametrize("shape", [(16, 4, 4, 8), (64, 8)], ids=str)
def test_statistics_of_a_small_deviation_on_a_large_mean(shape, mean):
    """Against float64: E[x^2] - E[x]^2 in float32 has a variance of 0 or 1.1 where 0.01 is true."""
    maps = (mean + 0.1 * np.random.default_rng(0).normal(size=shape)).astype(np.float32)
    exact, axes = maps.astype(np.float64), tuple(range(maps.ndim - 1))
    deviation = exact.std(axes)
    output, own_mean, own_var = norm.batch_norm(maps, jnp.ones(8), jnp.zeros(8), 1e-5)
    np.testing.assert_allclose(own_var, deviation**2, rtol=1e-6)
    assert (abs(own_mean - exact.mean(axes)) / deviation).max() <= 1e-3 * mean / 1000 + 1e-6
    expected = (exact - exact.mean(axes)) / np.sqrt(deviation**2 + 1e-5)
    np.testing.assert_allclose(output, expected, atol=1e-3 * mean / 1000 + 1e-5)


def test_statistics_where_the_first_image_is_far_from_all_others():
    maps = np.random.default_rng(0).normal(size=(128, 4, 4, 8)).astype(np.float32)
    maps[0] += 1e4
    _, mean, var = norm.batch_norm(maps, jnp.ones(8), jnp.zeros(8), 1e-5)
    exact, axes = maps.astype(np.float64), (0, 1, 2)
    np.testing.assert_allclose(var, exact.var(axes), rtol=1e-3)  # the worst that was found: 2e-4
    assert (abs(mean - exact.mean(axes)) / exact.std(axes)).max() < 1e-4


@pytest.mark.parametrize("kind", ["layer", "group"])
def test_layer_and_group_norm_of_a_small_deviation_on_a_large_mean(kind):
    maps = (1000 + 0.1 * np.random.default_rng(0).normal(size=(2, 4, 4, 16))).astype(np.float32)
    found = normalise(kind, maps)
    exact = maps.astype(np.float64)
    if kind == "group":  # 8 groups of 2 channels, with their cells
        exact = exact.reshape(2, 4, 4, 8, 2)
    axes = (-1,) if kind == "layer" else (1, 2, 4)
    deviation = np.sqrt(exact.var(axes, keepdims=True) + 1e-6)
    expected = (exact - exact.mean(axes, keepdims=True)) / deviation
    np.testing.assert_allclose(found, expected.reshape(maps.shape), atol=5e-3)


def normalise(kind, maps):
    class Layer(nn.Module):
        @nn.compact
        def __call__(self, x):
            return norms.normalise(Config(norm=kind), x, True, "norm")

    return Layer().init_with_output(jax.random.key(0), maps)[0]


@pytest.mark.skipif(
    jax.default_backend() != "cpu" or not jax.__version__.startswith("0.10."),
    reason="what a compiler writes to memory is its own",
)
def test_a_cpu_writes_no_map_but_the_result():
    """Distances from a mean that two sums share are written, and take longer than the sums."""
    maps, ones = jnp.ones((16, 16, 16, 8)), jnp.ones(8)

    def forward(maps):
        return norm.batch_norm(maps, ones, ones, 1e-5)

    def backward(maps, grads):
        return jax.vjp(forward, maps)[1]((grads, ones, ones))

    for function, arguments in ((forward, (maps,)), (backward, (maps, maps))):
        program = jax.jit(function).lower(*arguments).compile().as_text()
        main = program[program.index("ENTRY") :]
        written = re.findall(r"= f32\[16,16,16,8\]\S* (?!parameter|get-tuple-element)\w+\(", main)
        assert len(written) == 1, written


def test_devices_that_share_a_batch_normalise_by_all_of_it():
    """Outputs, statistics and gradients are those of one device; a device has part of a sum."""
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))
    maps, grads = draw((8, 3, 3, 6)), draw((8, 3, 3, 6), 1)
    scale, bias = draw((6,), 2), draw((6,), 3)

    def normalise(axis, maps, scale, bias, grads):
        def call(*given):
            return norm.batch_norm(*given, 1e-5, axis)

        found, pull = jax.vjp(call, maps, scale, bias)
        of_maps, *of_others = pull((grads, jnp.zeros(6), jnp.zeros(6)))
        return (found[0], of_maps), (found[1:], jax.lax.psum(of_others, axis or ()))

    cut, whole = PartitionSpec("data"), PartitionSpec()
    shared = jax.shard_map(
        functools.partial(normalise, "data"), mesh=mesh, in_specs=(cut, whole, whole, cut),
        out_specs=(cut, whole), check_vma=False,
    )  # fmt: skip
    one, two = (run(maps, scale, bias, grads) for run in
                (functools.partial(normalise, None), jax.jit(shared)))  # fmt: skip
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), one, two)
