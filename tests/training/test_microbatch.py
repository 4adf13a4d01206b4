"""A batch in pieces trains like a batch in one, to the same bits on one device or two."""

import dataclasses

import jax
import numpy as np
import pytest

from cnnjax.config.config import Config, structure_of
from cnnjax.sweep import placement
from cnnjax.training import microbatch
from tests import here
from tests.training.test_program import assert_same_bits, make_functions, train

OPTAX = True  # see conftest.py
pytestmark = pytest.mark.usefixtures("compiled_as_for_users")


@pytest.fixture
def in_pieces(monkeypatch):
    """Makes every batch of four pieces, however small."""
    monkeypatch.setattr(placement, "count_pieces", lambda *arguments: 4)


@pytest.mark.slow
@pytest.mark.parametrize("fields", [{}, {"pool": "avg"}, {"pool_every": 1}], ids=str)
def test_the_same_bits_on_one_device_and_on_two(tiny, digits, in_pieces, fields):
    tiny = dataclasses.replace(tiny, **fields)
    mesh = placement.make_mesh(1, num_pieces=4)
    assert dict(mesh.shape) == {"run": 1, "data": 2}
    together, alone = (
        train([tiny], digits, mesh=mesh),
        train([tiny], digits, mesh=placement.make_mesh(1)),
    )
    assert_same_bits(together, alone)


@pytest.mark.slow
def test_the_same_bits_alone_and_among_others(tiny, digits, in_pieces):
    lanes = [dataclasses.replace(tiny, seed=seed) for seed in range(3)]
    among = train(lanes, digits)
    alone = train(lanes[1:2], digits, mesh=placement.make_mesh(1, num_pieces=4))
    assert_same_bits(jax.tree.map(lambda leaf: leaf[1:2], among), alone)


# Smooth: behind a norm of blank pixels a kink would make much of the last bit.
SMOOTH = {"label_smoothing": 0.2, "norm": "layer", "activation": "tanh"}


@pytest.mark.parametrize("fields", [pytest.param({}, marks=pytest.mark.slow), SMOOTH], ids=str)
def test_the_gradients_are_those_of_the_whole_batch(tiny, digits, fields):
    config = dataclasses.replace(tiny, optimizer="sgd", learning_rate=0.1, **fields)
    functions, data, numbers = make_functions(config, digits)
    split = here.make_program(structure_of(config), data.spec, num_pieces=4)
    start = functions.init(numbers)
    one, other = (each.advance(numbers, start, data.train, 2, 2) for each in (functions, split))
    for found, expected in zip(jax.tree.leaves(other), jax.tree.leaves(one), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert float(other.sums[2]) == float(one.sums[2])


def test_pieces_draw_dropout_of_their_own(tiny, digits):
    config = dataclasses.replace(tiny, dropout=0.5)
    functions, data, numbers = make_functions(config, digits)
    split = here.make_program(structure_of(config), data.spec, num_pieces=4)
    start = functions.init(numbers)
    one, other = (each.advance(numbers, start, data.train, 1, 1) for each in (functions, split))
    assert not np.allclose(one.params["conv_1"]["kernel"], other.params["conv_1"]["kernel"])


def test_small_batches_and_batch_norm_stay_whole():
    digits, images = ((8, 8, 1), 10), ((28, 28, 1), 10)
    large = Config(widths=(32, 64), pool_every=1, hidden=(256,), batch_size=128)
    assert microbatch.count_pieces(Config(), *digits) == 1
    assert microbatch.count_pieces(large, *images) == 8
    assert microbatch.count_pieces(dataclasses.replace(large, batch_size=127), *images) == 1
    assert microbatch.count_pieces(dataclasses.replace(large, norm="batch"), *images) == 1
