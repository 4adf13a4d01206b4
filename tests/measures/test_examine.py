"""What is measured on a finished run agrees with the same by hand, outside of the program."""

import dataclasses

import jax
import numpy as np
import pytest
from scipy import special

from cnnjax.config.config import Config
from cnnjax.config.datasets import Where
from cnnjax.data import load
from cnnjax.measures import outcome, robustness
from cnnjax.records.packed import unpack_values
from cnnjax.sweep import placed, placement, runner
from tests import here
from tests.small import make_small
from tests.training.test_program import make_functions

OPTAX = True  # see conftest.py


@pytest.fixture(scope="module")
def run(digits):
    """A run of a few steps: its config, functions, data and numbers, its state, its examination."""
    config = make_small("cnn", train_examples=100, steps=30, measure=("robustness",))
    functions, data, numbers = make_functions(config, digits)
    advance = jax.jit(functions.advance, static_argnums=4)
    state = advance(numbers, functions.init(numbers), data.train, 30, 30)
    found = jax.jit(functions.examine)(state, data.validation, data.test)
    return config, functions, data, numbers, state, jax.device_get(found)


def logits_of(config, data, params, images):
    model = here.make_model(config, (8, 8, 1), 10)
    images = (np.asarray(images, np.float32) - data.spec.mean) / data.spec.std
    return np.asarray(jax.jit(model.apply)(params, {}, images.astype(np.float32), None)[0])


def test_scores_of_the_test_split(run, digits):
    config, functions, data, _, state, found = run
    logits = logits_of(config, data, state.params, digits.test.images)
    labels = digits.test.labels
    measured = found["measures"]
    correct = measured["accuracy"]["test_accuracy"][:1000]
    np.testing.assert_array_equal(correct, logits.argmax(axis=1) == labels)
    loss = -special.log_softmax(logits, axis=1)[np.arange(1000), labels]
    np.testing.assert_allclose(
        measured["calibration"]["test_loss"][:1000], loss, rtol=1e-3, atol=1e-5
    )
    sums = functions.evaluate(state, data.test)
    assert correct.sum() == sums.correct


def test_answers_on_the_validation_split(run, digits):
    config, _, data, _, state, found = run
    logits = logits_of(config, data, state.params, digits.validation.images)
    np.testing.assert_array_equal(
        found["validation"][:197], logits.argmax(axis=1) == digits.validation.labels
    )


@pytest.mark.slow
def test_loss_before_training_is_of_the_seeds_own_weights_on_validation(run, digits):
    config, functions, _, numbers, _, _ = run
    data = run[2]
    (result,) = runner.run_lanes([config], digits)
    params = functions.init(numbers).params
    logits = logits_of(config, data, params, digits.validation.images)
    labels = digits.validation.labels
    loss = -special.log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean()
    assert result.scores["initial_loss"] == pytest.approx(loss, rel=1e-4)


def test_accuracy_under_a_corruption_is_that_of_the_corrupted_images(run, digits):
    config, _, data, _, state, found = run
    trials = robustness.list_trials(robustness.list_corruptions())
    pixels = robustness.Pixels(data.spec.mean, data.spec.std, data.spec.low, data.spec.high)
    assert (pixels.low, pixels.high) == (0, 16)
    clean = logits_of(config, data, state.params, digits.test.images).argmax(axis=1)
    for kind, strength, way in [("translation", 1.0, 2), ("rotation", 90.0, 0), ("blur", 1.0, 0)]:
        corruption = robustness.list_corruptions()[kind]
        images = corruption.apply(
            jax.random.key(0), np.asarray(digits.test.images, np.float32), np.float32(strength),
            np.int32(way), pixels,
        )  # fmt: skip
        predicted = logits_of(config, data, state.params, images).argmax(axis=1)
        place = trials.index((list(robustness.list_corruptions()).index(kind), strength, way))
        trial = {name: own[place, :1000] for name, own in found["measures"]["robustness"].items()}
        assert (trial["right"] != (predicted == digits.test.labels)).mean() <= 0.002
        assert (trial["kept"] != (predicted == clean)).mean() <= 0.002


def test_features_are_what_the_last_layer_sees(run, digits):
    config, _, data, _, state, _ = run
    model = here.make_model(config, (8, 8, 1), 10)
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
    assert here.make_model(config, (8, 8, 1), 10).observe is None


def test_records_hold_it_all(tiny, digits):
    tiny = dataclasses.replace(tiny, measure=("robustness",))
    (result,) = runner.run_lanes([tiny], digits)
    scores = result.scores
    assert {"test_ece", "test_brier_scaled", "temperature", "fc_correlation", "initial_loss",
            "auc_gaussian", "shift_consistency", "robustness"} <= set(scores)  # fmt: skip
    kept = {name: unpack_values(text) for name, text in scores["by_image"].items()}
    for name in kept.keys() - {"label"}:
        assert kept[name].mean(dtype=np.float64) == pytest.approx(scores[name], rel=2e-3, abs=1e-4)
    np.testing.assert_array_equal(kept["label"], digits.test.labels)
    assert {"test_accuracy", "validation_accuracy", "test_brier", "auc_blur"} <= kept.keys()
    assert scores["robustness"]["blur"]["accuracy"][0] == pytest.approx(scores["test_accuracy"])


@pytest.mark.slow
def test_position_error_is_the_distance_to_the_true_place(tiny, digits, data_dir):
    dots = load.load_dataset(Config(dataset="dot"), Where(str(data_dir)))
    config = dataclasses.replace(tiny, dataset="dot")
    (result,) = runner.run_lanes([config], dots)
    assert 0 < result.scores["test_position_error"] < 12
    data = placed.place_data(config, dots, placement.make_mesh(1))
    assert data.spec.positions.shape == (16, 2)
    (without,) = runner.run_lanes([tiny], digits)
    assert "test_position_error" not in without.scores


def test_a_run_that_diverges_has_no_score_but_that_it_did(tiny, digits):
    config = dataclasses.replace(
        tiny, optimizer="sgd", learning_rate=1e20, measure=("largest_eigenvalue",)
    )
    (result,) = runner.run_lanes([config], digits)
    assert result.scores["failed"] and 1 < result.scores["diverged_at"] <= 3
    kept = outcome.hide(result.scores)
    known = {name for name, value in kept.items() if value is not None}
    assert known == {*outcome.FACTS} - {"trained_steps"} and kept["initial_loss"] > 0
    assert kept["failed"] is True and kept["diverged"] is True
    assert {"shift_consistency", "fc_correlation", "test_accuracy"} - known


def test_a_dead_network_at_chance_has_failed(tiny, digits):
    """With all kernels at nothing, only the biases of the logits learn: a constant prediction."""
    config = dataclasses.replace(tiny, init_gain=1e-30, steps=60, batch_size=48, eval_every=30)
    (result,) = runner.run_lanes([config], digits)
    assert result.scores["failed"] and not result.scores["diverged"]
    assert np.isfinite(result.scores["test_loss"]) and result.scores["diverged_at"] is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "targets", [{}, {"label_smoothing": 0.3}, {"mixup": 0.4}, {"draw": "seed"}]
)
def test_the_best_constant_prediction_is_that_of_the_targets_seen(tiny, digits, targets):
    config = dataclasses.replace(tiny, steps=60, batch_size=48, eval_every=60, **targets)
    (result,) = runner.run_lanes([config], digits)
    line = result.metrics[-1]
    assert 2.2 < line["constant_loss"] <= np.log(10)
    assert not result.scores["failed"] and line["train_loss"] < line["constant_loss"]


def curve(*losses, constant=2.3):
    return [
        {"step": 10 * place, "train_loss": loss, "constant_loss": constant}
        for place, loss in enumerate(losses, start=1)
    ]


@pytest.mark.parametrize(
    ("lines", "test_loss", "expected"),
    [
        (curve(2.5, 2.0), 2.0, (False, None)),
        (curve(1.5, 2.3), 2.0, (True, None)),  # learned, and lost it
        (curve(1.5, 2.4), 2.0, (True, None)),
        ([{**curve(1.5)[0], "diverged_at": 4}, *curve(1.5)], 2.0, (True, 4)),
        (curve(1.5, 1.4), np.inf, (True, 20)),
        (curve(1.5, None), 2.0, (True, None)),
    ],
)
def test_a_run_failed_where_a_constant_would_do_or_a_loss_was_no_number(lines, test_loss, expected):
    found = outcome.describe_failure(lines, test_loss)
    assert (found["failed"], found["diverged_at"]) == expected
