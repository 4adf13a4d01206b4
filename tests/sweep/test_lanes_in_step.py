"""Lanes that train in step have the weights of lanes that train one after the other."""

import dataclasses

import jax
import numpy as np
import pytest

from tests.training.test_program import lane_of, train

OPTAX = True  # see conftest.py
SMOOTH = {"activation": "tanh", "pool": "avg", "optimizer": "nesterov", "steps": 6}
GIVEN = {
    "squeezed": {"head": "global_gem", "squeeze_ratio": 2},
    "of a recipe": {
        "flip": True, "flip_alternating": True, "lookahead": 5, "norm": "batch",
        "norm_bias_rate": 8.0, "first_layer": "whitened", "whitening_bias_steps": 2,
        "schedule": "triangular",
    },
    "augmented": {"randaugment": 2},
}  # fmt: skip


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_by_map_and_by_vmap_they_are_alike(tiny, digits, given):
    lanes = [
        dataclasses.replace(tiny, **SMOOTH, **given, seed=seed, learning_rate=0.01 * (1 + seed))
        for seed in range(2)
    ]
    found = {
        strategy: train(
            [dataclasses.replace(lane, lanes_strategy=strategy) for lane in lanes], digits, 1
        )
        for strategy in ("map", "vmap")
    }
    for lane in range(2):
        one, other = (jax.tree.leaves(lane_of(own.params, lane)) for own in found.values())
        for leaf, right in zip(one, other, strict=True):
            np.testing.assert_allclose(leaf, right, rtol=2e-3, atol=2e-4)
    kernels = [np.asarray(own) for own in jax.tree.leaves(found["map"].params)]
    assert any(not np.allclose(own[0], own[1], atol=1e-3) for own in kernels)
