"""What a border tells of places, where all that is seen of the last map is its mean."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax.config.config import Config
from cnnjax.networks import models

SIDE = 12


def answer_everywhere(fill, layers):
    """Logits [places, classes] of a network of that many convolutions for a dot at each place."""
    config = Config(
        fill=fill, widths=(4,) * layers, pool="none", padding="SAME", head="global_avg", hidden=(8,)
    )
    model = models.make_model(config, (SIDE, SIDE, 1), 16, "cpu")
    params, stats = model.init(jax.random.key(0))
    dots = jnp.eye(SIDE**2).reshape(-1, SIDE, SIDE, 1)
    return np.asarray(model.apply(params, stats, dots, None)[0]).reshape(SIDE, SIDE, -1)


@pytest.mark.parametrize("layers", [1, 3])
def test_with_a_border_that_wraps_around_no_place_differs_from_any_other(layers):
    answers = answer_everywhere("circular", layers)
    np.testing.assert_allclose(answers, np.broadcast_to(answers[5, 5], answers.shape), atol=1e-5)


@pytest.mark.parametrize("fill", ["zero", "reflect", "edge"])
@pytest.mark.parametrize("layers", [1, 3])
def test_with_another_border_places_within_its_reach_differ(fill, layers):
    answers = answer_everywhere(fill, layers)
    differs = np.abs(answers - answers[5, 5]).max(axis=-1) > 1e-5
    reach = layers + (fill == "reflect")  # a mirror sees one cell further
    inner = slice(reach, -reach)
    assert differs[0, 0] and not differs[inner, inner].any()
