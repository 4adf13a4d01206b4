"""A table of channels that the seed draws is the network's own, and stays as it was drawn."""

import jax
import numpy as np

from cnnjax.config.config import make_config
from cnnjax.networks import cost
from tests import here

SHAPE, CLASSES = (8, 8, 1), 10
CONFIG = make_config({"widths": (6, 16), "connectivity": "drawn"})


def test_each_seed_draws_its_own_and_training_changes_none():
    model = here.make_model(CONFIG, SHAPE, CLASSES)
    tables = []
    for seed in range(2):
        params, stats = model.init(jax.random.key(seed))
        images = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)
        _, trained = model.apply(params, stats, images, jax.random.key(9))
        (table,) = jax.tree.leaves(stats)
        np.testing.assert_array_equal(jax.tree.leaves(trained)[0], table)
        tables.append(np.asarray(table))
    assert tables[0].shape == (6, 16) and tables[0].sum() == 60
    assert (tables[0] != tables[1]).any()


def test_it_costs_what_lenet5s_table_costs():
    drawn, published = (
        cost.measure(make_config({"widths": (6, 16), "connectivity": name}), SHAPE, CLASSES)
        for name in ("drawn", "lenet5")
    )
    assert (drawn.parameters, drawn.macs) == (published.parameters, published.macs)
    assert not drawn.mixes_batch
