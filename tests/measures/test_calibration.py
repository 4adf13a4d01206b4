"""Calibration on logits whose answer is known, and the temperature against SciPy's optimum."""

import numpy as np
import pytest
from scipy import optimize, special

from cnnjax.measures import calibration


def draw(scale, count=2000, seed=0):
    """Logits [n, 5] times a scale, with labels drawn from the softmax of those at scale 1."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, 5)).astype(np.float32)
    chances = special.softmax(logits, axis=1)
    labels = np.array([rng.choice(5, p=own / own.sum()) for own in chances.astype(np.float64)])
    return np.float32(scale) * logits, labels.astype(np.int32), np.ones(count, np.float32)


def test_by_hand():
    """Two images at 80% and 60% confidence, one right: confidence 0.7, accuracy 0.5."""
    logits = np.log(np.array([[0.8, 0.2], [0.4, 0.6]], np.float32))
    found = calibration.calibrate(logits, np.array([0, 0]), np.ones(2, np.float32))
    assert found.loss == pytest.approx(-np.log([0.8, 0.4]), abs=1e-6)
    assert found.brier == pytest.approx(np.array([2 * 0.2**2, 2 * 0.6**2]), abs=1e-6)
    assert found.overconfidence == pytest.approx(np.array([0.8 - 1, 0.6]), abs=1e-6)
    assert found.ece == pytest.approx((abs(0.8 - 1) + abs(0.6 - 0)) / 2, abs=1e-6)


def test_errors_within_a_bin_cancel():
    """Four images at 75%, three of them right, are calibrated."""
    logits = np.log(np.array([[0.75, 0.25]] * 4, np.float32))
    found = calibration.calibrate(logits, np.array([0, 0, 0, 1]), np.ones(4, np.float32))
    assert found.ece == pytest.approx(0, abs=1e-6)


def test_padding_counts_for_nothing():
    logits, labels, mask = draw(2.0, 50)
    padded = [
        np.concatenate([a, b]) for a, b in zip((logits, labels, mask), draw(1.0, 9, 1), strict=True)
    ]
    padded[2][50:] = 0
    whole, front = calibration.calibrate(*padded), calibration.calibrate(logits, labels, mask)
    for name, value in front._asdict().items():
        own = getattr(whole, name)
        np.testing.assert_allclose(own[:50] if own.ndim else own, value, rtol=1e-5, err_msg=name)
    temperatures = [
        float(calibration.fit_temperature(*own)) for own in (padded, (logits, labels, mask))
    ]
    assert temperatures[0] == pytest.approx(temperatures[1], rel=1e-5)


def test_true_probabilities_are_calibrated_and_sharpened_ones_over_confident():
    honest, sharp = (calibration.calibrate(*draw(scale)) for scale in (1.0, 3.0))
    assert honest.ece < 0.04 and abs(honest.overconfidence.mean()) < 0.03
    assert sharp.ece > 0.1 and sharp.overconfidence.mean() > 0.1
    assert sharp.brier.mean() > honest.brier.mean() and sharp.loss.mean() > honest.loss.mean()


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_temperature_is_the_minimum_of_the_loss(scale):
    logits, labels, mask = draw(scale)

    def loss(log_temperature):
        log_p = special.log_softmax(logits / np.exp(log_temperature), axis=1)
        return -log_p[np.arange(len(labels)), labels].mean()

    best = np.exp(optimize.minimize_scalar(loss, bounds=(-3, 3), method="bounded").x)
    # One image more among 2,000, of any class, changes little.
    assert calibration.fit_temperature(logits, labels, mask) == pytest.approx(best, rel=1e-2)
    assert best == pytest.approx(scale, rel=0.1)


def test_temperature_stays_in_its_bounds():
    labels = np.arange(10, dtype=np.int32) % 5
    right = 0.01 * np.eye(5, dtype=np.float32)[labels]
    ones = np.ones(10, np.float32)
    assert calibration.fit_temperature(right, labels, ones) == pytest.approx(0.05)
    assert calibration.fit_temperature(-right, labels, ones) == pytest.approx(20)


def loss_with_one_more(log_temperature, logits, labels):
    """In float64: of n images, and of one that is as like as any and of any class."""
    log_p = special.log_softmax(logits.astype(np.float64) / np.exp(log_temperature), axis=1)
    count = len(labels)
    own = log_p[np.arange(count), labels]
    return -(count / (count + 1) * own + log_p.mean(axis=1) / (count + 1)).mean()


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0, 1000.0])
def test_temperature_is_the_minimum_of_its_own_loss_however_sure_the_logits(scale):
    logits, labels, mask = draw(1.0, 60)
    logits = np.float32(scale / 100) * logits
    best = optimize.minimize_scalar(
        lambda t: loss_with_one_more(t, logits, labels),
        bounds=(np.log(0.05), np.log(20)), method="bounded", options={"xatol": 1e-6},
    )  # fmt: skip
    found = float(calibration.fit_temperature(logits, labels, mask))
    assert found == pytest.approx(np.exp(best.x), rel=1e-3)


def make_right(count, gap, wrong=0, seed=0):
    """Logits [n, 10] that give the true class about `gap` more than the others."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count).astype(np.int32)
    logits = rng.normal(0, 1, (count, 10))
    logits[np.arange(count), labels] += gap * rng.uniform(0.8, 1.2, count)
    shown = (labels + (np.arange(count) < wrong)) % 10
    return logits.astype(np.float32), shown.astype(np.int32), np.ones(count, np.float32)


@pytest.mark.parametrize("gap", [8, 12, 40])
def test_images_that_are_all_right_leave_as_much_doubt_as_they_are_few(gap):
    """The loss alone falls down to a temperature of 0, at which one error costs everything."""
    logits, labels, mask = make_right(150, gap)
    temperature = float(calibration.fit_temperature(logits, labels, mask))
    assert 0.2 < temperature < 20
    confidence = special.softmax(logits / temperature, axis=1).max(axis=1).mean()
    assert 1 - 2 / 150 < confidence < 1 - 0.4 / 150
    tested = make_right(2000, gap, wrong=20, seed=1)
    before = calibration.calibrate(*tested).loss.mean()
    after = calibration.calibrate(tested[0] / temperature, *tested[1:]).loss.mean()
    assert after < 1.02 * before and after < 0.2


@pytest.mark.parametrize("count", [200, 2000])
def test_the_error_of_true_probabilities_is_that_of_its_null(count):
    """The binned error alone is biased upwards, the more the fewer images."""
    found = [calibration.find_excess(*draw(1.0, count, seed)[:2]) for seed in range(5)]
    errors = [calibration.calibrate(*draw(1.0, count, seed)).ece for seed in range(5)]
    assert abs(np.mean(found)) < 0.3 * np.mean(errors)
    assert calibration.find_excess(*draw(3.0, count)[:2]) > 0.08
