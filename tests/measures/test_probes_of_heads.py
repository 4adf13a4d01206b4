"""How heads of several kinds read one map, of maps that only some of them can read."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax.config.config import make_config
from cnnjax.measures import probes, probes_of_heads
from cnnjax.measures.units import see_map
from cnnjax.networks import models
from tests.training.test_program import make_functions

OPTAX = True  # see conftest.py


@pytest.fixture(scope="module")
def maps():
    """Maps [n, 4, 4, 3] and classes: where the bright cell of the first channel is (left, right),
    and whether the second channel is bright too, as one or the other (never both, never neither).
    """  # fmt: skip
    rng = np.random.default_rng(0)
    side, bright = rng.integers(0, 2, (2, 400))
    values = 0.1 * rng.normal(size=(400, 4, 4, 3))
    values[np.arange(400), rng.integers(0, 4, 400), 3 * side, 0] += 1
    values[..., 1] += bright[:, None, None]
    return values.astype(np.float32), side, bright


def score(kind, values, labels):
    """The share of the second half that is read rightly by a head fitted to the first."""
    shaped = probes_of_heads._shape(kind, jnp.asarray(values))
    halves = [probes.Features(half, jnp.ones(len(half))) for half in (shaped[:200], shaped[200:])]
    targets = jax.nn.one_hot(labels[:200], 2)
    fit = probes_of_heads.fit_dense if kind == "dense" else lambda key, *own: probes.fit_probe(*own)
    return float(probes.score_classes(fit(jax.random.key(0), halves[0], targets), halves[1],
                                      labels[200:]))  # fmt: skip


def test_the_mean_does_not_know_where(maps):
    values, side, bright = maps
    found = {kind: score(kind, values, side) for kind in probes_of_heads.KINDS}
    assert found["mean"] < 0.6 and found["flat"] > 0.99 and found["dense"] > 0.97
    assert score("mean", values, bright) > 0.99


def test_what_is_either_one_or_the_other_needs_a_hidden_layer(maps):
    values, side, bright = maps
    found = {kind: score(kind, values, side ^ bright) for kind in probes_of_heads.KINDS}
    assert found["flat"] < 0.6 and found["dense"] > 0.9


def test_padding_has_no_say(maps):
    values, side, _ = maps
    flat = jnp.asarray(values.reshape(400, -1)[:100])
    padded = jnp.concatenate([flat, 50 + flat])
    targets = jax.nn.one_hot(jnp.asarray([*side[:100], *(1 - side[:100])]), 2)
    mask = jnp.repeat(jnp.asarray([1.0, 0.0]), 100)
    key = jax.random.key(0)
    one = probes_of_heads.fit_dense(key, probes.Features(padded, mask), targets)(flat)
    other = probes_of_heads.fit_dense(key, probes.Features(flat, mask[:100]), targets[:100])(flat)
    np.testing.assert_allclose(one, other, atol=1e-3)


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        ({"widths": (4, 6), "pool_every": 1}, (2, 2, 6)),
        ({"widths": (4, 6), "pool_every": 2}, (4, 4, 6)),
        ({"widths": (4, 6), "pool_every": 2, "head": "global_avg", "hidden": ()}, (4, 4, 6)),
        ({"widths": (4, 6), "pool": "stride"}, (2, 2, 6)),
        ({"model": "mlp"}, None),
    ],
)
def test_the_map_is_read_that_the_head_sees(digits, values, shape):
    config = make_config(
        {**values, "train_examples": 48, "batch_size": 16, "steps": 2, "measure": ("head_probes",)}
    )
    functions, data, numbers = make_functions(config, digits)
    shapes = jax.eval_shape(functions.examine, functions.init(numbers), data.validation, data.test)
    found = shapes["measures"]["head_probes"]
    names = {f"probe_head_{kind}" for kind in probes_of_heads.KINDS}
    assert found.keys() == (names if shape else set())
    model = models.make_model(config, (8, 8, 1), 10, "cpu")
    params, stats = jax.eval_shape(model.init, jax.random.key(0))
    seen = jax.eval_shape(
        lambda *given: see_map(model, *given), params, stats, np.zeros((3, 8, 8, 1), np.float32)
    )
    assert (None if seen is None else seen.shape[1:]) == shape


@pytest.mark.parametrize(("largest", "count"), [(1000, 0), (2**17, 3), (2**26, 3)])
def test_of_large_maps_fewer_are_read(digits, monkeypatch, largest, count):
    """One batch of 250 maps of 4x4x4 is 16,000 numbers."""
    monkeypatch.setattr(probes_of_heads, "LARGEST", largest)
    config = make_config({"widths": (4,), "train_examples": 48, "batch_size": 16, "steps": 2,
                          "measure": ("head_probes",)})  # fmt: skip
    functions, data, numbers = make_functions(config, digits)
    shapes = jax.eval_shape(functions.examine, functions.init(numbers), data.validation, data.test)
    assert len(shapes["measures"]["head_probes"]) == count
