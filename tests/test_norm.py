"""Batch normalisation against Flax's, and its gradient against differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax.test_util import check_grads

from cnnjax import layers
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
    ours = layers.BatchNorm(0.7, 1e-3, scaled)
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
