"""Each corruption does what its name says, and nothing at strength 0."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax.measures import robustness
from cnnjax.study import metrics

CORRUPTIONS = robustness.list_corruptions()
PIXELS = robustness.Pixels(mean=5.0, std=2.0, low=0.0, high=16.0)
IMAGES = np.random.default_rng(0).uniform(1, 15, (30, 8, 8, 2)).astype(np.float32)


def spoil(kind, strength, way=0, images=IMAGES):
    apply = CORRUPTIONS[kind].apply
    return np.asarray(
        apply(jax.random.key(0), jnp.asarray(images), jnp.float32(strength), jnp.int32(way), PIXELS)
    )


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_strength_zero_leaves_images_as_they_are(kind):
    corruption = CORRUPTIONS[kind]
    assert corruption.strengths[0] == 0 and sorted(corruption.strengths) == [*corruption.strengths]
    for way in range(corruption.ways):
        np.testing.assert_allclose(spoil(kind, 0.0, way), IMAGES, atol=1e-4)


@pytest.mark.parametrize(("kind", "value"), [("salt", 16), ("pepper", 0), ("dropped", 5)])
def test_a_share_of_the_pixels_is_replaced_in_all_channels(kind, value):
    found = spoil(kind, 0.3)
    hit = found == value
    assert hit.mean() == pytest.approx(0.3, abs=0.03)
    np.testing.assert_array_equal(hit[..., 0], hit[..., 1])
    np.testing.assert_array_equal(found[~hit], IMAGES[~hit])


def test_noise_has_the_stated_deviation():
    assert (spoil("gaussian", 1.5) - IMAGES).std() == pytest.approx(3.0, rel=0.03)


def test_blur_keeps_a_flat_image_and_spreads_a_dot_as_a_gaussian():
    flat = np.full((1, 8, 8, 1), 3.0, np.float32)
    np.testing.assert_allclose(spoil("blur", 1.5, images=flat), flat, rtol=1e-5)
    dot = np.zeros((1, 15, 15, 1), np.float32)
    dot[0, 7, 7] = 1
    found = spoil("blur", 1.0, images=dot)[0, :, :, 0]
    assert found.sum() == pytest.approx(1, abs=1e-4)
    assert found[7, 8] / found[7, 7] == pytest.approx(np.exp(-0.5), rel=1e-4)
    assert found[8, 8] / found[7, 7] == pytest.approx(np.exp(-1), rel=1e-4)


def test_contrast_shrinks_towards_the_mean_of_the_image():
    np.testing.assert_allclose(spoil("contrast", 0.75).std(axis=(1, 2, 3)),
                               0.25 * IMAGES.std(axis=(1, 2, 3)), rtol=1e-4)  # fmt: skip
    np.testing.assert_allclose(spoil("contrast", 0.75).mean(), IMAGES.mean(), rtol=1e-5)


@pytest.mark.parametrize(("way", "axis", "shift"), [(0, 2, 2), (1, 2, -2), (2, 1, 2), (3, 1, -2)])
def test_translation_moves_whole_pixels_and_black_comes_in(way, axis, shift):
    expected = np.roll(IMAGES, shift, axis)
    border = [slice(None)] * 4
    border[axis] = slice(0, 2) if shift > 0 else slice(-2, None)
    expected[tuple(border)] = PIXELS.low
    np.testing.assert_allclose(spoil("translation", 2.0, way), expected, atol=1e-4)


def test_rotation_by_quarters_is_exact_and_the_two_ways_are_opposite():
    quarter, back = (spoil("rotation", 90.0, way) for way in (0, 1))
    assert {True} == {
        np.allclose(quarter, np.rot90(IMAGES, turns, (1, 2)), atol=1e-3)
        and np.allclose(back, np.rot90(IMAGES, -turns, (1, 2)), atol=1e-3)
        for turns in [1 if np.allclose(quarter, np.rot90(IMAGES, 1, (1, 2)), atol=1e-3) else -1]
    }
    np.testing.assert_allclose(spoil("rotation", 180.0), IMAGES[:, ::-1, ::-1], atol=1e-3)


def test_scale_enlarges_and_shrinks_about_the_middle():
    square = np.zeros((1, 16, 16, 1), np.float32)
    square[:, 6:10, 6:10] = 16
    larger, smaller = (spoil("scale", 0.5, way, square).sum() for way in (0, 1))
    assert larger / square.sum() == pytest.approx(2.25, rel=0.1)
    assert smaller / square.sum() == pytest.approx(1 / 2.25, rel=0.15)


def test_signals_have_no_rotation_and_move_along_their_width_alone():
    table = robustness.choose(1)
    assert "rotation" not in table and table["translation"].ways == 2
    assert robustness.choose(8) == CORRUPTIONS


def test_area_is_the_mean_accuracy_over_the_strengths():
    table = {
        "translation": robustness.Corruption(robustness.translation, (0.0, 1.0, 3.0), ways=2),
        "salt": robustness.Corruption(robustness.salt, (0.0, 0.5)),
    }
    right = np.repeat([[10, 10, 8, 6, 2, 4, 9, 5]], 10, axis=0).T > np.arange(10)  # of ten images
    kept = np.repeat([[10, 10, 9, 7, 3, 3, 10, 5]], 10, axis=0).T > np.arange(10)
    scores, curves = robustness.summarise(table, right, kept)
    assert curves["translation"]["accuracy"] == pytest.approx([1.0, 0.7, 0.3])
    assert scores["auc_translation"].mean() == pytest.approx((0.85 * 1 + 0.5 * 2) / 3)
    assert scores["auc_salt"].mean() == pytest.approx(0.7)
    assert scores["shift_consistency"].mean() == pytest.approx(0.8)
    # The last image is right unmoved alone, the first in all trials.
    assert scores["auc_translation"][[0, 9]] == pytest.approx([1, 0.5 / 3])
    assert scores["shift_consistency"].tolist() == [1] * 7 + [0.5] * 2 + [0]


def test_metrics_and_figures_read_the_corruptions_from_the_source():
    units = {kind: own.facts["unit"] for kind, own in metrics.CORRUPTIONS.items()}
    assert units == {kind: own.unit for kind, own in CORRUPTIONS.items()}
    assert all(units.values()) and {f"auc_{kind}" for kind in units} <= set(metrics.list_names())
