"""Each augmentation does what its name says, and to the training batch only."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax import augment
from cnnjax.config import Config, make_config

KEY = jax.random.key(0)


def draw(count=64, size=(8, 6), channels=3):
    pixels = np.random.default_rng(0).uniform(0, 255, size=(count, *size, channels))
    return jnp.asarray(pixels, jnp.float32)


def test_flip_mirrors_half_of_the_images():
    images = draw(400)
    found = np.asarray(augment.flip(KEY, images))
    mirrored = (found == np.asarray(images)[:, :, ::-1]).all(axis=(1, 2, 3))
    assert ((found == images).all(axis=(1, 2, 3)) != mirrored).all()
    assert mirrored.mean() == pytest.approx(0.5, abs=0.08)


def test_shift_moves_by_every_amount_up_to_the_greatest_and_black_comes_in():
    images, seen = draw(300), set()
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    for index, moved in enumerate(np.asarray(augment.shift(KEY, images, 2))):
        offsets = [
            (i - 2, j - 2)
            for i in range(5)
            for j in range(5)
            if np.array_equal(padded[index, i : i + 8, j : j + 6], moved)
        ]
        assert len(offsets) == 1
        seen.add(offsets[0])
    assert len(seen) == 25


def test_shift_may_let_in_the_image_itself_as_in_airbench94():
    images = draw(200)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    for index, moved in enumerate(np.asarray(augment.shift(KEY, images, 2, "reflect"))):
        crops = [padded[index, i : i + 8, j : j + 6] for i in range(5) for j in range(5)]
        assert any(np.array_equal(crop, moved) for crop in crops)
    assert make_config({"model": "airbench94"}).shift_fill == "reflect"


def test_resampling_by_nothing_changes_nothing():
    images = draw()
    np.testing.assert_allclose(augment.resample(KEY, images, 0.0, 1.0), images, atol=1e-3)


def test_rotation_turns_about_the_middle_by_up_to_the_greatest_angle():
    # A ramp that is turned by a has the slope cos(a) along its axis and sin(a) across.
    ramp = jnp.broadcast_to(jnp.arange(21.0)[None, :, None, None], (200, 21, 21, 1))
    turned = np.asarray(augment.resample(KEY, ramp, 30.0, 1.0))[..., 0]
    np.testing.assert_allclose(turned[:, 10, 10], 10, atol=1e-3)
    along, across = (turned[:, 11, 10] - 10, turned[:, 10, 11] - 10)
    np.testing.assert_allclose(along**2 + across**2, 1, atol=1e-3)
    angles = np.degrees(np.arctan2(across, along))
    assert 27 < abs(angles).max() <= 30 and abs(angles.mean()) < 4


def test_crop_keeps_a_share_of_the_area_that_lies_on_the_image():
    ramp = jnp.broadcast_to(jnp.arange(21.0)[None, :, None, None], (400, 21, 21, 1))
    cut = np.asarray(augment.resample(KEY, ramp, 0.0, 0.25))[..., 0]
    area = (cut[:, 11, 10] - cut[:, 10, 10]) ** 2  # slope: cells seen for each cell shown
    assert 0.25 <= area.min() < 0.28 and 0.97 < area.max() <= 1.0
    assert cut[:, 0].min() >= 0 and cut[:, 20].max() <= 20
    first = cut[:, 0, 10] * 21 / 20
    assert first.max() > 0.4 * 21  # the smallest share lies anywhere, down to the lower end


def test_cutout_wipes_out_one_square():
    images = draw(200, (12, 12))
    found = np.asarray(augment.cutout(KEY, images, 4, -1.0))
    wiped = (found == -1.0).all(axis=3)
    np.testing.assert_array_equal(found[~wiped], np.asarray(images)[~wiped])
    assert wiped.sum(axis=(1, 2)).max() == 16 and wiped.sum(axis=(1, 2)).min() >= 1
    assert wiped.any(axis=0).all()  # every pixel can be hit


def test_jitter_keeps_its_bounds_and_grey_images_grey():
    images = jnp.full((300, 4, 4, 3), 100.0)
    means = np.asarray(augment.jitter(KEY, images, 0.2)).mean(axis=(1, 2, 3))
    assert 80 <= means.min() < 84 and 116 < means.max() <= 120
    grey = jnp.broadcast_to(draw(channels=1), (64, 8, 6, 3))
    found = augment.jitter(KEY, grey, 0.5)
    np.testing.assert_allclose(found[..., 0], found[..., 2], rtol=1e-5)
    assert not np.allclose(found, grey)


def test_noise_has_the_given_deviation():
    found = np.asarray(augment.noise(KEY, jnp.zeros((50, 20, 20, 1)), 3.0))
    assert found.std() == pytest.approx(3.0, rel=0.02)


@pytest.mark.parametrize("mix", [augment.mixup, augment.cutmix])
def test_mixing_gives_targets_the_share_of_the_pixels(mix):
    images = jnp.stack([jnp.zeros((8, 8, 1)), jnp.ones((8, 8, 1))])
    targets, shares = jnp.eye(2), []
    for seed in range(200):
        mixed, blended = mix(jax.random.key(seed), images, targets, 1.0)
        np.testing.assert_allclose(blended.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(mixed.mean(axis=(1, 2, 3)), blended[:, 1], atol=1e-5)
        shares.append(float(blended[0, 0]))
    if mix is augment.mixup:  # Beta(1, 1) is uniform; a box loses what lies beyond the border
        assert np.mean(shares) == pytest.approx(0.5, abs=0.07)
    assert np.std(shares) > 0.2


def test_nothing_asked_for_changes_nothing():
    images, targets = draw(4), jnp.eye(4)
    found = augment.augment(Config(), KEY, images, targets, 100.0, 50.0)
    assert found[0] is images and found[1] is targets


def test_two_kinds_draw_different_numbers():
    config = Config(flip=True, noise=1.0, cutout=2, shift=1)
    one, other = (
        augment.augment(config, jax.random.key(seed), draw(4), jnp.eye(4), 100.0, 50.0)[0]
        for seed in (0, 1)
    )
    assert not np.allclose(one, other)
