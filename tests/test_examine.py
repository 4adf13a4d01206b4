"""What is measured on a finished run agrees with the same by hand, outside of the program."""

import dataclasses

import jax
import numpy as np
import pytest
from scipy import special
from scipy import stats as scipy_stats

from cnnjax import corrupt, examine, group, models, store, sweep
from cnnjax.config import Config
from cnnjax.data import load
from cnnjax.names import Where
from tests.small import make_small
from tests.test_program import make_functions

OPTAX = True  # see conftest.py


@pytest.fixture(scope="module")
def run(digits):
    """A run of a few steps: its config, functions, data and numbers, its state, its examination."""
    config = make_small("cnn", train_examples=100, steps=30, robustness=True)
    functions, data, numbers = make_functions(config, digits)
    advance = jax.jit(functions.advance, static_argnums=3)
    state, _ = advance(numbers, functions.init(numbers), data.train, 30)
    found = jax.jit(functions.examine)(state, data.validation, data.test)
    return config, functions, data, numbers, state, jax.device_get(found)


def logits_of(config, data, params, images):
    model = models.make_model(config, (8, 8, 1), 10)
    images = (np.asarray(images, np.float32) - data.spec.mean) / data.spec.std
    return np.asarray(jax.jit(model.apply)(params, {}, images.astype(np.float32), None)[0])


def test_scores_of_the_test_split(run, digits):
    config, functions, data, _, state, found = run
    logits = logits_of(config, data, state.params, digits.test.images)
    labels = digits.test.labels
    np.testing.assert_array_equal(found["correct"][:1000], logits.argmax(axis=1) == labels)
    loss = -special.log_softmax(logits, axis=1)[np.arange(1000), labels].mean()
    assert found["test_loss"] == pytest.approx(loss, rel=1e-4)
    sums = functions.evaluate(state, data.test)
    assert found["correct"].sum() == sums.correct


def test_loss_before_training_is_of_the_seeds_own_weights_on_validation(run, digits):
    config, functions, _, numbers, _, _ = run
    data = run[2]
    (result,) = sweep.run_lanes([config], digits)
    params = functions.init(numbers).params
    logits = logits_of(config, data, params, digits.validation.images)
    labels = digits.validation.labels
    loss = -special.log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean()
    assert result.scores["initial_loss"] == pytest.approx(loss, rel=1e-4)


def test_accuracy_under_a_corruption_is_that_of_the_corrupted_images(run, digits):
    config, _, data, _, state, found = run
    trials = corrupt.list_trials(corrupt.CORRUPTIONS)
    pixels = corrupt.Pixels(data.spec.mean, data.spec.std, data.spec.low, data.spec.high)
    assert (pixels.low, pixels.high) == (0, 16)
    clean = logits_of(config, data, state.params, digits.test.images).argmax(axis=1)
    for kind, strength, way in [("translation", 1.0, 2), ("rotation", 90.0, 0), ("blur", 1.0, 0)]:
        corruption = corrupt.CORRUPTIONS[kind]
        images = corruption.apply(
            jax.random.key(0), np.asarray(digits.test.images, np.float32), np.float32(strength),
            np.int32(way), pixels,
        )  # fmt: skip
        predicted = logits_of(config, data, state.params, images).argmax(axis=1)
        place = trials.index((list(corrupt.CORRUPTIONS).index(kind), strength, way))
        expected = (predicted == digits.test.labels).mean()
        assert found["accuracies"][place] == pytest.approx(expected, abs=0.002)
        assert found["agreements"][place] == pytest.approx((predicted == clean).mean(), abs=0.002)


@pytest.mark.parametrize("seed", range(3))
def test_rank_correlation_with_ties(seed):
    a, b = np.random.default_rng(seed).integers(0, 6, (2, 40)).astype(np.float32)
    expected = scipy_stats.spearmanr(a, b).statistic
    assert examine.spearman(a, b) == pytest.approx(expected, abs=1e-5)
    assert examine.spearman(a, np.zeros_like(a)) == 0


def test_weights_that_are_the_mean_features_correlate_wholly(run):
    rng = np.random.default_rng(0)
    means, counts = rng.normal(size=(4, 20)).astype(np.float32), np.full(4, 5, np.float32)
    kernel = (means - means.mean(axis=0)).T
    assert examine.correlate_weights(kernel, 5 * means, counts) == pytest.approx(1, abs=1e-5)
    assert examine.correlate_weights(-kernel, 5 * means, counts) == pytest.approx(-1, abs=1e-5)


def test_features_are_what_the_last_layer_sees(run, digits):
    config, _, data, _, state, _ = run
    model = models.make_model(config, (8, 8, 1), 10)
    images = digits.test.images[:20].astype(np.float32)
    logits, features = model.observe(state.params, {}, images)
    layer = state.params["head"]["logits"]
    np.testing.assert_allclose(
        np.asarray(features) @ np.asarray(layer["kernel"]) + np.asarray(layer["bias"]),
        logits,
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize(("model", "given"), [("lenet5", {}), ("all_cnn_c", {})])
def test_networks_whose_logits_are_not_linear_have_no_correlation(model, given):
    config = make_small(model, **given)
    assert models.make_model(config, (8, 8, 1), 10).observe is None


def test_records_hold_it_all(tiny, digits):
    tiny = dataclasses.replace(tiny, robustness=True)
    (result,) = sweep.run_lanes([tiny], digits)
    scores = result.scores
    assert {"test_ece", "test_brier_scaled", "temperature", "fc_correlation", "initial_loss",
            "auc_gaussian", "shift_consistency", "robustness"} <= set(scores)  # fmt: skip
    correct = store.unpack_correct(scores["test_correct"], scores["num_test_examples"])
    assert correct.mean() == scores["test_accuracy"]
    assert scores["robustness"]["blur"]["accuracy"][0] == pytest.approx(scores["test_accuracy"])


def test_position_error_is_the_distance_to_the_true_place(tiny, digits, data_dir):
    dots = load.load_dataset(Config(dataset="dot"), Where(str(data_dir)))
    config = dataclasses.replace(tiny, dataset="dot")
    (result,) = sweep.run_lanes([config], dots)
    assert 0 < result.scores["test_position_error"] < 12
    data = group.place_data(config, dots, group.spread.make_mesh(1))
    assert data.spec.positions.shape == (16, 2)
    (without,) = sweep.run_lanes([tiny], digits)
    assert "test_position_error" not in without.scores


def test_a_run_that_diverges_is_examined_all_the_same(tiny, digits):
    config = dataclasses.replace(tiny, optimizer="sgd", learning_rate=1e20)
    (result,) = sweep.run_lanes([config], digits)
    assert result.scores["diverged"] and np.isnan(result.scores["test_ece"])
