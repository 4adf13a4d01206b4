"""What training keeps besides the weights: averages of its past, and keys for each draw."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest

from cnnjax.config.config import Config, structure_of
from cnnjax.data import prepare
from cnnjax.networks import cost, models
from cnnjax.sweep import placed, placement
from cnnjax.training import program
from tests import here
from tests.heard import hear_augmented
from tests.training.test_program import assert_same_bits, lane_of, make_functions, train

OPTAX = True  # see conftest.py


def test_the_average_has_the_weights_of_its_definition(tiny, digits):
    """Against Kingma and Ba 2015, algorithm 1, in float64: a sum from zero over 1 - decay^t."""
    averaged = dataclasses.replace(tiny, ema_decay=0.9, norm="batch", eval_every=0)
    functions, data, numbers = make_functions(averaged, digits)
    advance = jax.jit(functions.advance, static_argnums=4)
    state = functions.init(numbers)
    total = jax.tree.map(lambda leaf: np.zeros(leaf.shape), (state.params, state.batch_stats))
    for step in range(1, 5):
        state = advance(numbers, state, data.train, 1, 1)
        total = jax.tree.map(
            lambda sums, new: 0.9 * sums + 0.1 * np.asarray(new, np.float64),
            total, (state.params, state.batch_stats),
        )  # fmt: skip
        for found, sums in zip(jax.tree.leaves(state.ema), jax.tree.leaves(total), strict=True):
            np.testing.assert_allclose(found, sums / (1 - 0.9**step), rtol=2e-5, atol=1e-6)


def test_the_average_of_weights_and_batch_statistics_is_what_is_evaluated(tiny, digits):
    averaged = dataclasses.replace(tiny, ema_decay=0.5, norm="batch", eval_every=0)
    functions, data, numbers = make_functions(averaged, digits)
    state = functions.advance(numbers, functions.init(numbers), data.train, 3, 3)
    by_average = functions.evaluate(state, data.validation)
    instead = state._replace(params=state.ema.params, batch_stats=state.ema.batch_stats, ema=None)
    assert float(by_average.loss) == float(functions.evaluate(instead, data.validation).loss)
    for part in ({"params": state.params}, {"batch_stats": state.batch_stats}):
        other = functions.evaluate(instead._replace(**part), data.validation)
        assert float(other.loss) != float(by_average.loss)


@pytest.mark.parametrize("num_steps", [7, 10])
def test_lookahead_goes_back_to_its_slow_average_as_in_airbench94(tiny, digits, num_steps):
    """Step by step in float64: every fifth step, by the schedule, and at the end of all."""
    smooth = {"pool": "avg", "activation": "tanh"}  # no tie that the last bit decides
    plain = dataclasses.replace(
        tiny, norm="batch", eval_every=0, steps=num_steps, optimizer="nesterov", **smooth
    )
    functions, data, numbers = make_functions(plain, digits)
    ahead, _, _ = make_functions(dataclasses.replace(plain, lookahead=5), digits)
    one, other = (jax.jit(own.advance, static_argnums=4) for own in (functions, ahead))
    state = functions.init(numbers)
    slow = jax.tree.map(np.float64, (state.params, state.batch_stats))
    found = ahead.init(numbers)
    for step in range(1, num_steps + 1):
        state = one(numbers, state, data.train, 1, 1)
        fast = state.params, state.batch_stats
        if step % 5 == 0:
            decay = 0.95**5 * (step / num_steps) ** 3
            slow = jax.tree.map(
                lambda old, new, decay=decay: decay * old + (1 - decay) * np.float64(new),
                slow, fast,
            )  # fmt: skip
        if step % 5 == 0 or step == num_steps:
            params, stats = jax.tree.map(np.float32, slow)
            state = state._replace(params=params, batch_stats=stats)
        found = other(numbers, found, data.train, 1, 1)
        expected = jax.tree.leaves((state.params, state.batch_stats))
        own = jax.tree.leaves((found.params, found.batch_stats))
        for leaf, right in zip(own, expected, strict=True):
            np.testing.assert_allclose(leaf, right, rtol=1e-3, atol=1e-5)
    at_end = jax.tree.leaves((found.params, found.batch_stats))
    for leaf, right in zip(at_end, jax.tree.leaves(found.slow), strict=True):
        np.testing.assert_array_equal(leaf, right)


@pytest.mark.slow
def test_a_long_average_of_a_short_run_is_of_that_run_and_not_of_its_start(digits):
    """0.999 over 100 steps: started from the initial weights it would be 90% those."""
    config = Config(
        train_examples=300, steps=100, widths=(8, 8), ema_decay=0.999, norm="batch", eval_every=0
    )
    state = lane_of(train([config], digits), 0)
    functions, data, _ = make_functions(config, digits)
    averaged = functions.evaluate(state, data.validation)
    assert float(averaged.correct) > 0.75 * float(averaged.count)  # 0.1 is chance


def descend(key, depth):
    """A key, and all that are split from it or folded with a small number, as bytes."""
    found = {np.asarray(jax.random.key_data(key)).tobytes()}
    for child in jax.random.split(key, 8) if depth else ():
        found |= descend(child, depth - 1)
    return found


@pytest.mark.parametrize("num_pieces", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_no_draw_of_augmentation_is_one_of_the_network(tiny, digits, monkeypatch, num_pieces):
    """`split(key)[i]` is `fold_in(key, i)`: keys that only look different may be the same."""
    config = dataclasses.replace(tiny, dropout=0.5, flip=True, pool="stochastic", steps=1)
    heard, make_model = {"augmentation": [], "network": []}, models.make_model

    def listen(who, key):
        jax.debug.callback(
            lambda data: heard[who].append(np.asarray(data)), jax.random.key_data(key)
        )

    def make_heard_model(*arguments):
        model = make_model(*arguments)

        def apply(params, stats, images, key=None):
            if key is not None:
                listen("network", key)
            return model.apply(params, stats, images, key)

        return model._replace(apply=apply)

    def augment_heard(config, key, images, targets, mean, std):
        listen("augmentation", key)
        return images, targets

    monkeypatch.setattr(program.models, "make_model", make_heard_model)
    monkeypatch.setattr(program.augment, "augment", augment_heard)
    data = placed.place_data(config, digits, placement.make_mesh(1))
    functions = here.make_program(structure_of(config), data.spec, num_pieces=num_pieces)
    numbers = make_functions(config, digits)[2]
    functions.advance(numbers, functions.init(numbers), data.train, 1, 1)
    jax.effects_barrier()
    families = [
        descend(jax.random.wrap_key_data(key), 2)
        for keys in heard.values()
        for key in {own.tobytes(): own for own in keys}.values()
    ]
    assert [len(heard["augmentation"]), len(families)] == [1, 1 + num_pieces]
    for one, other in itertools.combinations(families, 2):
        assert not one & other


def test_an_image_is_mirrored_in_every_other_epoch_also_where_a_batch_has_two(
    tiny, digits, monkeypatch
):
    """48 images in three batches of 32: an epoch ends within the second."""
    seen = []

    def augment_heard(config, key, images, targets, mean, std):
        assert not (config.flip or config.flip_alternating)
        jax.debug.callback(lambda own: seen.append(np.asarray(own)), images)
        return images, targets

    monkeypatch.setattr(program.augment, "augment", augment_heard)
    config = dataclasses.replace(tiny, flip=True, flip_alternating=True, batch_size=32, steps=3)
    functions, data, numbers = make_functions(config, digits)
    functions.advance(numbers, functions.init(numbers), data.train, 3, 3)
    jax.effects_barrier()
    first, second = np.concatenate(seen)[:, :, :, 0].reshape(2, 48, 8, 8)
    stored = {image.astype(np.float32).tobytes() for image in digits.train.images[:48, ..., 0]}
    assert {image.tobytes() for image in first} == {image[:, ::-1].tobytes() for image in second}
    turned = np.mean([image.tobytes() not in stored for image in first])
    assert 0.2 < turned < 0.8
    assert np.mean([image.tobytes() not in stored for image in second]) == pytest.approx(1 - turned)


@pytest.mark.parametrize(
    "mixing", [{}, {"mixup": 1.0}, {"cutmix": 1.0}, {"mixup": 1.0, "cutmix": 1.0}], ids=str
)
def test_smoothing_of_mixed_targets_is_that_of_the_mixture(tiny, digits, mixing):
    """The loss of a step against Szegedy et al. 2016, section 7, of what was mixed, in float64."""
    config = dataclasses.replace(tiny, label_smoothing=0.2, steps=1, **mixing)
    functions, data, numbers = make_functions(config, digits)
    state = functions.init(numbers)
    with hear_augmented() as heard:
        scores = functions.advance(numbers, state, data.train, 1, 1).sums
    ((images, targets),) = heard
    network = cost.find_network(config, data.spec.image_shape, 10)
    model = here.make_model(network, data.spec.image_shape, 10)
    mean, scale = prepare.find_scale(config, data.spec.mean, data.spec.std)
    logits = np.asarray(
        model.apply(state.params, state.batch_stats, (images - mean) / scale)[0], np.float64
    )
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    mixed = np.asarray(targets, np.float64)
    np.testing.assert_allclose(mixed.sum(axis=1), 1, rtol=1e-6)
    assert (mixed.max(axis=1) < 1).any() == bool(mixing)
    expected = 0.8 * -(mixed * log_p).sum() + 0.2 * -log_p.mean(axis=1).sum()
    assert float(scores[0]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("compiled_as_for_users")
def test_of_a_diverged_lane_nothing_is_a_number_and_of_those_beside_it_all_is(tiny, digits):
    wild = dataclasses.replace(tiny, learning_rate=1e30)
    among, alone = train([tiny, wild], digits, num_devices=1), train([tiny], digits)
    assert_same_bits(lane_of(among, 0), lane_of(alone, 0))
    assert int(among.diverged_at[0]) == 0 < int(among.diverged_at[1]) <= 3
    for leaf in jax.tree.leaves((among.params, among.opt_state, among.sums)):
        if np.issubdtype(leaf.dtype, np.floating):
            assert np.isfinite(leaf[0]).all() and np.isnan(leaf[1]).all()
    assert among.step.tolist() == [6, 6]
