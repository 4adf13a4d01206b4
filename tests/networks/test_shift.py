"""What a network answers for an image that is shifted round, by any number of pixels."""

import jax
import numpy as np
import pytest

from cnnjax.config.config import make_config
from tests import here

SHAPE, CLASSES = (16, 16, 1), 5


def answer_shifted(pool, head="global_avg"):
    """Logits of an image under all its shifts [256, classes], borders wrapped around."""
    config = make_config(
        {"widths": (4, 6), "pool": pool, "pool_every": 1, "padding": "SAME", "fill": "circular",
         "head": head, "hidden": (8,)}
    )  # fmt: skip
    model = here.make_model(config, SHAPE, CLASSES)
    params, stats = model.init(jax.random.key(0))
    image = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    images = np.stack([np.roll(image, shift, axis=(0, 1)) for shift in np.ndindex(16, 16)])
    logits, _ = jax.jit(lambda x: model.apply(params, stats, x, None))(images)
    return np.asarray(logits)


@pytest.mark.parametrize("head", ["global_avg", "global_max"])
def test_under_polyphase_pooling_a_shift_changes_nothing(head):
    """Chaman and Dokmanic 2021, theorem 1: two poolings, and a head that knows no place."""
    logits = answer_shifted("polyphase", head)
    np.testing.assert_allclose(logits, np.broadcast_to(logits[0], logits.shape), atol=1e-5)
    assert logits[0].std() > 0.01


@pytest.mark.parametrize("pool", ["max", "decimate"])
def test_under_other_poolings_it_does(pool):
    logits = answer_shifted(pool)
    assert np.abs(logits - logits[0]).max() > 0.01
