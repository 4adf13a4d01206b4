"""What the seed and a few knobs make of the data and of what is trained; each in its own way."""

import dataclasses

import jax
import numpy as np
import pytest

from cnnjax.config.config import KNOBS, Config, make_config
from cnnjax.config.knobs import ConfigError
from cnnjax.data import batches, transform
from cnnjax.data.dataset import Stream
from cnnjax.data.source import Arrays
from cnnjax.networks import cost, models
from cnnjax.sweep import placed
from tests import here
from tests.training.test_program import make_functions

OPTAX = True  # see conftest.py


def train(config, digits, num_steps=3):
    """States before and after a few steps."""
    functions, data, numbers = make_functions(config, digits)
    start = functions.init(numbers)
    after = jax.jit(functions.advance, static_argnums=4)(
        numbers, start, data.train, num_steps, num_steps
    )
    return start, after


def differ(one, other):
    return [
        jax.tree_util.keystr(path)
        for (path, a), b in zip(
            jax.tree.leaves_with_path(one.params), jax.tree.leaves(other.params), strict=True
        )
        if (np.asarray(a) != np.asarray(b)).any()
    ]


def test_permuted_pixels_are_the_same_pixels_in_one_order_everywhere(tiny, digits):
    config = dataclasses.replace(tiny, permute_pixels=True, train_examples=0)
    moved = transform.transform(config, digits)
    order = transform.pixel_order(64)
    assert sorted(order) == list(range(64)) and (order != np.arange(64)).sum() > 50
    for name in ("train", "validation", "test"):
        there, here = getattr(digits, name), getattr(moved, name)
        np.testing.assert_array_equal(here.labels, there.labels)
        flat = there.images.reshape(-1, 64)[:, order]
        np.testing.assert_array_equal(here.images.reshape(-1, 64), flat)
    spec = placed.make_spec(config, moved)
    assert spec.mean == placed.make_spec(tiny, digits).mean


def test_a_dense_network_learns_permuted_pixels_as_well_and_a_convolution_does_not(digits):
    """Logistic regression has the same loss; a convolution sees other patches."""
    images, order = digits.train.images[:20].astype(np.float32), transform.pixel_order(64)
    kernel = np.random.default_rng(0).normal(size=(64, 10)).astype(np.float32)
    plain = images.reshape(20, 64) @ kernel
    moved = transform.permute_pixels(images).reshape(20, 64) @ kernel[order]
    np.testing.assert_allclose(moved, plain, rtol=1e-4, atol=1e-3)


def test_pixels_are_measured_alike_in_one_part_or_in_many(monkeypatch):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 6, 5, 3)).astype(np.uint8)
    whole = transform.measure_pixels(Config(), images)
    np.testing.assert_allclose(whole.mean, images.mean(axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(whole.std, images.std(axis=(0, 1, 2)), rtol=1e-6)
    assert (whole.low, whole.high) == (images.min(), images.max())
    monkeypatch.setattr(transform, "AT_ONCE", 64)
    np.testing.assert_equal(transform.measure_pixels(Config(), images), whole)


def test_colours_of_a_pixel_stay_together():
    images = np.arange(2 * 3 * 3 * 2).reshape(2, 3, 3, 2)
    moved = transform.permute_pixels(images)
    assert (moved[..., 1] - moved[..., 0] == 1).all()


def test_shuffled_labels_differ_by_seed_and_teach_something_else(tiny, digits):
    shuffled = dataclasses.replace(tiny, shuffle_labels=True)
    ends = [train(c, digits)[1] for c in (tiny, shuffled)]
    assert differ(*ends)
    assert transform.transform(shuffled, digits).test.labels is digits.test.labels


def test_a_network_trained_on_shuffled_labels_is_at_chance(digits):
    config = Config(shuffle_labels=True, model="mlp")
    functions, data, numbers = make_functions(config, digits)
    state = jax.jit(functions.advance, static_argnums=4)(
        numbers, functions.init(numbers), data.train, 200, 200
    )
    scores = functions.evaluate(state, data.test)
    assert float(scores.correct / scores.count) == pytest.approx(0.1, abs=0.05)


def test_the_seed_draws_its_training_images_from_the_whole_split(tiny, digits):
    """Images are told apart by a network that sums what it has seen: one step of plain SGD."""
    drawing = dataclasses.replace(tiny, draw="seed", optimizer="sgd", momentum=0.9)
    functions, data, numbers = make_functions(drawing, digits)
    assert data.spec.num_train == tiny.train_examples == 48
    assert len(data.train.labels) == len(digits.train.labels) == 600
    first = dataclasses.replace(drawing, draw="first")
    assert differ(train(first, digits)[1], train(drawing, digits)[1])


@pytest.mark.parametrize("count", [10, 33, 100, 597])
def test_a_draw_holds_the_classes_as_the_whole_split_does(digits, count):
    labels = digits.train.labels
    for seed in range(5):
        drawn = np.asarray(batches.draw_stratified(jax.random.key(seed), labels, 10, count))
        assert len(drawn) == len(set(drawn)) == count
        counts = np.bincount(labels[drawn], minlength=10)
        assert np.abs(counts - np.bincount(labels, minlength=10) * count / 600).max() < 1
    other = np.asarray(batches.draw_stratified(jax.random.key(9), labels, 10, count))
    assert (drawn != other).any()


def test_each_image_is_drawn_as_often_as_any_other():
    labels = jax.numpy.array([0] * 12 + [1] * 6, dtype="int32")
    keys = jax.random.split(jax.random.key(0), 3000)
    draws = jax.vmap(lambda key: batches.draw_stratified(key, labels, 2, 5))(keys)
    counts = np.bincount(np.asarray(draws).ravel(), minlength=18) / 3000
    assert counts == pytest.approx(np.full(18, 5 / 18), abs=0.033)  # four errors


@pytest.mark.parametrize(
    ("draw", "count", "streamed", "drawn"),
    [("auto", 48, False, True), ("auto", 0, False, False), ("auto", 600, False, False),
     ("auto", 48, True, False), ("first", 48, False, False), ("seed", 48, False, True)],
)  # fmt: skip
def test_auto_draws_where_images_are_in_memory_and_fewer_than_all_are_asked_for(
    tiny, digits, draw, count, streamed, drawn
):
    config = dataclasses.replace(tiny, draw=draw, train_examples=count)
    stream = Stream(Arrays(*digits.train), digits.train)
    dataset = digits._replace(train=stream) if streamed else digits
    assert transform.draws_by_seed(config, dataset) == drawn
    assert transform.cannot_draw(config, dataset) == (streamed and draw == "auto")


def test_auto_trains_as_what_it_stands_for(tiny, digits):
    auto, seed, first = (
        train(dataclasses.replace(tiny, draw=draw), digits)[1] for draw in ("auto", "seed", "first")
    )
    assert not differ(auto, seed) and differ(auto, first)


def test_drawing_more_than_there_are_is_refused(tiny, digits):
    with pytest.raises(ConfigError, match="--train_examples=601 is more than the 600"):
        transform.transform(dataclasses.replace(tiny, draw="seed", train_examples=601), digits)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", KNOBS["optimizer"].choices)
def test_frozen_convolutions_never_move_and_the_rest_does(tiny, digits, optimizer):
    given = {"optimizer": optimizer, "freeze": "convolutions", "clip_norm": 1.0}
    if optimizer != "adam":
        given["weight_decay"] = 0.1
    moved = differ(*train(dataclasses.replace(tiny, **given), digits))
    assert moved and not [name for name in moved if "conv_" in name]


@pytest.mark.slow
def test_frozen_residual_networks_keep_their_shortcuts_and_train_their_norms(digits):
    config = make_config(
        {"model": "resnet20", "width_multiplier": 0.25, "freeze": "convolutions", "batch_size": 8}
    )
    moved = differ(*train(config, digits, num_steps=1))
    assert any("norm" in name for name in moved)
    assert not [name for name in moved if "conv_" in name]


def test_initial_gain_scales_kernels_below_activations_alone(tiny):
    model = here.make_model(tiny, (8, 8, 1), 10)
    params, _ = model.init(jax.random.key(0))
    scaled = models.scale_kernels(params, np.float32(2.0), model.roles)
    for (path, before), after in zip(
        jax.tree.leaves_with_path(params), jax.tree.leaves(scaled), strict=True
    ):
        name = jax.tree_util.keystr(path)
        gain = 2.0 if "kernel" in name and "logits" not in name else 1.0
        np.testing.assert_array_equal(after, gain * before)


def test_initial_gain_reaches_the_run(tiny, digits):
    functions, _, numbers = make_functions(dataclasses.replace(tiny, init_gain=2.0), digits)
    usual, _, usual_numbers = make_functions(tiny, digits)
    kernels = [f.init(n).params["conv_1"]["kernel"] for f, n in
               ((functions, numbers), (usual, usual_numbers))]  # fmt: skip
    np.testing.assert_array_equal(kernels[0], 2 * kernels[1])


def test_a_strided_convolution_is_a_dense_one_decimated_at_a_quarter_of_the_work(digits):
    configs = [
        Config(pool=pool, pool_every=2, padding="HALF", widths=(8, 8))
        for pool in ("stride", "decimate")
    ]
    images = digits.test.images[:50].astype(np.float32) / 16
    outputs = []
    for config in configs:
        model = here.make_model(config, (8, 8, 1), 10)
        outputs.append(np.asarray(model.apply(*model.init(jax.random.key(0)), images, None)[0]))
    np.testing.assert_allclose(*outputs, atol=1e-5)
    strided, dense = (cost.measure(config, (8, 8, 1), 10) for config in configs)
    assert dense.layers[1].macs == 4 * strided.layers[1].macs
    assert dense.receptive_field == strided.receptive_field == 5


def test_the_published_mlp_adds_its_second_layer_to_its_first():
    config = make_config({"model": "mnist1d_mlp"})
    model = here.make_model(config, (1, 40, 1), 10)
    params, stats = model.init(jax.random.key(0))
    signals = np.random.default_rng(0).normal(size=(5, 1, 40, 1)).astype(np.float32)

    def dense(name, units):
        return units @ np.asarray(params[name]["kernel"]) + np.asarray(params[name]["bias"])

    first = np.maximum(dense("dense_1", signals.reshape(5, 40)), 0)
    second = first + np.maximum(dense("dense_2", first), 0)
    expected = dense("logits", second)
    found = model.apply(params, stats, signals, None)[0]
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(("knobs", "most"), [({"batch_size": 601}, 600), ({"batch_size": 49}, 48)])
def test_a_batch_of_more_images_than_there_are_is_refused(tiny, digits, knobs, most):
    count = 0 if most == 600 else most
    config = dataclasses.replace(tiny, train_examples=count, **knobs)
    with pytest.raises(ConfigError, match=f"give at most {most}$"):
        transform.check(config, digits)
    transform.check(dataclasses.replace(config, batch_size=most), digits)


def test_rolled_images_hold_the_same_pixels_each_elsewhere_and_always_so():
    images = np.arange(50 * 6 * 5 * 2).reshape(50, 6, 5, 2)
    moved = transform.roll_pixels(images, 2, 0)
    shifts = set()
    for image, own in zip(images, moved, strict=True):
        (place,) = np.argwhere(own[..., 0] == image[0, 0, 0])
        down, right = (
            int(p) if p <= 2 else int(p - size) for p, size in zip(place, (6, 5), strict=True)
        )
        np.testing.assert_array_equal(own, np.roll(image, (down, right), (0, 1)))
        shifts.add((down, right))
    assert len(shifts) > 15 and all(max(map(abs, shift)) <= 2 for shift in shifts)
    np.testing.assert_array_equal(moved, transform.roll_pixels(images, 2, 0))
    np.testing.assert_array_equal(images, transform.roll_pixels(images, 0, 0))


def test_training_and_test_images_are_rolled_before_they_are_permuted(tiny, digits):
    config = dataclasses.replace(tiny, roll_pixels=3, train_examples=0)
    rolled = transform.transform(config, digits)
    for number, name in enumerate(("sample", "validation", "test")):
        expected = transform.roll_pixels(getattr(digits, name).images, 3, number)
        np.testing.assert_array_equal(getattr(rolled, name).images, expected)
    both = transform.transform(dataclasses.replace(config, permute_pixels=True), digits)
    np.testing.assert_array_equal(both.test.images, transform.permute_pixels(rolled.test.images))
