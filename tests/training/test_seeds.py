"""What each seed of a part draws, and that it draws nothing else."""

import dataclasses

import jax
import numpy as np
import pytest

from cnnjax.config.config import KNOBS, Config, numbers_of
from cnnjax.config.knobs import ConfigError
from cnnjax.data import transform
from cnnjax.sweep import feeds, placement
from cnnjax.training import tally
from tests.training.test_program import assert_same_bits, lane_of, make_functions, train

OPTAX = True  # see conftest.py
PARTS = ("seed_init", "seed_order", "seed_draw")


@pytest.fixture(scope="module")
def small():
    """Few images of many, drawn by the seed, in two steps that draw at each."""
    return Config(
        model="mlp", hidden=(12,), dropout=0.5, train_examples=48, batch_size=16, steps=2,
        eval_every=0, draw="seed", seed=3,
    )  # fmt: skip


def differ(one, other):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return any((np.asarray(a) != np.asarray(b)).any() for a, b in pairs)


@pytest.mark.slow
def test_seeds_are_numbers_of_one_program_and_those_of_the_run_are_its_bits(small, digits):
    same = dataclasses.replace(small, **dict.fromkeys(PARTS, 3))
    others = [dataclasses.replace(small, **{part: 4}) for part in PARTS]
    states = train([small, same, *others], digits)
    assert_same_bits(lane_of(states, 0), lane_of(states, 1))
    for lane in range(2, 5):
        assert differ(lane_of(states, 0).params, lane_of(states, lane).params)
    whole = train([dataclasses.replace(same, seed=9)], digits)  # nothing is left to the run's seed
    assert_same_bits(lane_of(states, 0), lane_of(whole, 0))


def test_each_part_is_drawn_by_its_own_seed(small, digits):
    functions, data, numbers = make_functions(small, digits)
    init, advance = jax.jit(functions.init), jax.jit(functions.advance, static_argnums=4)

    def one_step(**seeds):
        changed = {**numbers, **{name: np.uint32(seed) for name, seed in seeds.items()}}
        start = init(changed)
        return start, advance(changed, start, data.train, 1, 1)

    start, after = one_step()
    assert differ(start, one_step(seed_init=4)[0])
    for part in ("seed_order", "seed_draw"):
        assert_same_bits(start, one_step(**{part: 4})[0])
        assert differ(after, one_step(**{part: 4})[1])
    assert_same_bits(start, one_step(seed=4)[0])


def test_a_batch_of_all_images_has_the_draw_and_no_order(small, digits):
    """One batch of all that are drawn: what is seen is the draw's, whatever the order."""
    whole = dataclasses.replace(small, batch_size=48, dropout=0.0)
    functions, data, numbers = make_functions(whole, digits)

    def loss(**seeds):
        changed = {**numbers, **{name: np.uint32(seed) for name, seed in seeds.items()}}
        state = functions.advance(changed, functions.init(numbers), data.train, 1, 1)
        return np.asarray(tally.read_sums(state.sums[None]).loss)

    np.testing.assert_allclose(loss(), loss(seed_order=7), rtol=1e-5)
    assert abs(loss() - loss(seed_draw=7)) > 1e-3


def test_a_stream_heeds_the_seed_of_its_order(small, digits, monkeypatch):
    seen = []
    monkeypatch.setattr(
        feeds.stream, "open_streams", lambda config, data, seeds, *rest: seen.extend(seeds) or []
    )
    mesh = placement.make_mesh(1)
    _, data, _ = make_functions(small, digits)
    lanes = [dataclasses.replace(small, seed_order=seed, feed="stream") for seed in (-1, 7)]
    numbers = placement.stack_numbers(lanes, mesh, data.spec)
    feeds.open_feed(lanes[0], numbers, data._replace(stream=[]), 0, [1], 1, mesh)
    assert seen == [3, 7]


def test_a_draw_that_draws_nothing_has_no_seed(small, digits):
    auto = dataclasses.replace(small, draw="auto", seed_draw=1)
    transform.check(auto, digits)
    transform.check(dataclasses.replace(auto, train_examples=0, draw="seed"), digits)
    transform.check(dataclasses.replace(auto, train_examples=0, shuffle_labels=True), digits)
    with pytest.raises(ConfigError, match="--seed_draw=1 does nothing: --draw=auto draws none"):
        transform.check(dataclasses.replace(auto, train_examples=0), digits)
    with pytest.raises(ConfigError, match="--seed_draw=1 does nothing with --draw=first"):
        dataclasses.replace(auto, draw="first")
    assert all(KNOBS[part].traced and numbers_of(small)[part] == 3 for part in PARTS)
