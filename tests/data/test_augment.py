"""Each augmentation does what its name says, and to the training batch only."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from cnnjax.config.config import Config
from cnnjax.config.knobs import ConfigError
from cnnjax.data import augment, transform

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


def test_alternating_flip_mirrors_each_image_in_every_other_epoch():
    """Jordan 2024, section 3.6: (hash of the image + epoch) is even, whatever the batch."""
    images = draw(400)
    indices = np.random.default_rng(1).permutation(1000)[:400]
    mirrored = []
    for epoch in range(4):
        epochs = jnp.full(400, epoch)
        found = np.asarray(augment.alternate_flip(KEY, images, jnp.asarray(indices), epochs))
        turned = (found == np.asarray(images)[:, :, ::-1]).all(axis=(1, 2, 3))
        assert ((found == images).all(axis=(1, 2, 3)) != turned).all()
        mirrored.append(turned)
    assert mirrored[0].mean() == pytest.approx(0.5, abs=0.08)
    np.testing.assert_array_equal(mirrored[0], ~mirrored[1])
    np.testing.assert_array_equal(mirrored[0], mirrored[2])
    np.testing.assert_array_equal(mirrored[1], mirrored[3])
    alone = augment.alternate_flip(KEY, images[7:8], jnp.asarray(indices[7:8]), jnp.zeros(1, int))
    assert (np.asarray(alone)[0] == np.asarray(images)[7, :, ::-1]).all() == mirrored[0][7]
    other = augment.alternate_flip(
        jax.random.key(1), images, jnp.asarray(indices), jnp.zeros(400, int)
    )
    turned = (np.asarray(other) == np.asarray(images)[:, :, ::-1]).all(axis=(1, 2, 3))
    assert 0.3 < (turned != mirrored[0]).mean() < 0.7


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


def test_what_a_shift_lets_in_is_refused_without_a_shift():
    with pytest.raises(ConfigError, match="--shift_fill=reflect does nothing with --shift=0"):
        Config(shift_fill="reflect")


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


def test_mixup_beside_cutmix_has_one_of_the_two_in_each_batch():
    images, targets = jnp.stack([jnp.zeros((8, 8, 1)), jnp.ones((8, 8, 1))]), jnp.eye(2)
    both, *apart = (
        jax.jit(functools.partial(augment.augment, Config(**own)))
        for own in ({"mixup": 1.0, "cutmix": 0.5}, {"mixup": 1.0}, {"cutmix": 0.5})
    )
    pasted = []
    for seed in range(200):
        given = jax.random.key(seed), images, targets, 100.0, 50.0
        found, alone = both(*given), [own(*given) for own in apart]
        same = [all(map(functools.partial(np.allclose, atol=1e-6), found, own)) for own in alone]
        assert sum(same) == 1
        pasted.append(same[1])
    assert np.mean(pasted) == pytest.approx(0.5, abs=0.1)


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


SIGNAL, UPRIGHT = (1, 40), (40, 1)


def draw_signals(size, count=200):
    """Nowhere black, so that a cell that came in from beyond the border is seen."""
    return 1 + draw(count, size, 1)


@pytest.mark.parametrize("size", [SIGNAL, UPRIGHT])
def test_a_signal_is_shifted_along_itself_alone(size):
    signals = draw_signals(size)
    moved = np.asarray(augment.shift(KEY, signals, 2)).reshape(200, 40)
    padded = np.pad(np.asarray(signals).reshape(200, 40), ((0, 0), (2, 2)))
    offsets = [
        next(i for i in range(5) if np.array_equal(own[i : i + 40], other))
        for own, other in zip(padded, moved, strict=True)
    ]
    assert set(offsets) == set(range(5))


@pytest.mark.parametrize("size", [SIGNAL, UPRIGHT])
def test_a_signal_is_not_turned(size):
    signals = draw_signals(size)
    np.testing.assert_allclose(augment.resample(KEY, signals, 30.0, 1.0), signals, atol=1e-3)


@pytest.mark.parametrize("size", [SIGNAL, UPRIGHT])
def test_a_crop_of_a_signal_is_a_share_of_its_length(size):
    ramp = jnp.broadcast_to(1 + jnp.arange(40.0), (400, 40)).reshape(400, *size, 1)
    cut = np.asarray(augment.resample(KEY, ramp, 0.0, 0.25)).reshape(400, 40)
    length = cut[:, 21] - cut[:, 20]
    assert 0.25 <= length.min() < 0.28 and 0.97 < length.max() <= 1.0
    assert length.mean() == pytest.approx(0.625, abs=0.02)  # uniform: no square root
    assert cut.min() > 0.6 and cut.max() <= 40.4  # on the signal, but for half a cell


@pytest.mark.parametrize("size", [SIGNAL, UPRIGHT])
def test_a_cutout_of_a_signal_is_as_long_as_asked(size):
    found = np.asarray(augment.cutout(KEY, draw_signals(size), 4, -1.0)).reshape(200, 40)
    wiped = (found == -1.0).sum(axis=1)
    assert wiped.max() == 4 and wiped.min() >= 1


@pytest.mark.parametrize("size", [SIGNAL, UPRIGHT])
def test_cutmix_of_signals_pastes_the_share_that_was_drawn(size):
    signals = jnp.stack([jnp.zeros((*size, 1)), jnp.ones((*size, 1))])
    shares = []
    for seed in range(300):
        mixed, targets = augment.cutmix(jax.random.key(seed), signals, jnp.eye(2), 1.0)
        np.testing.assert_allclose(mixed.mean(axis=(1, 2, 3)), targets[:, 1], atol=1e-5)
        shares.append(float(targets[0, 1]))
    # A piece of length u, uniform, in a uniform place loses u / 4 beyond the ends on average.
    assert np.mean(shares) == pytest.approx(1 / 2 - 1 / 12, abs=0.04)


@pytest.mark.parametrize("size", [SIGNAL, UPRIGHT, (1, 1)])
def test_every_augmentation_leaves_a_signal_its_cells(size):
    """No cell of any signal comes from beyond an axis that it has not."""
    config = Config(rotation=90.0, shift=2, flip=True)
    signals = draw_signals(size)
    found = augment.augment(config, KEY, signals, jnp.eye(200), 100.0, 50.0)[0]
    kept = (np.asarray(found) > 0.5).sum(axis=(1, 2, 3))
    assert kept.min() >= max(size) - 2 * (max(size) > 1)


@pytest.mark.parametrize(
    ("fields", "size", "most"),
    [({"shift": 8}, (8, 9), 7), ({"shift": 40}, SIGNAL, 39), ({"cutout": 9}, (8, 9), 8),
     ({"cutout": 40}, UPRIGHT, 39), ({"shift": 1}, (1, 1), 0)],
)  # fmt: skip
def test_what_may_leave_nothing_of_an_image_is_refused(fields, size, most):
    ((name, value),) = fields.items()
    with pytest.raises(ConfigError, match=f"--{name}={value} may leave nothing.*at most {most}$"):
        transform.check_augmentation(Config(**fields), *size)
    transform.check_augmentation(Config(**{name: most}), *size)


def test_noise_and_fill_are_those_of_each_channel():
    images = jnp.zeros((50, 20, 20, 2))
    config = Config(noise=1.0, cutout=6)
    mean, std = np.array([7.0, -3.0], np.float32), np.array([2.0, 0.0], np.float32)
    found = np.asarray(augment.augment(config, KEY, images, jnp.eye(50), mean, std)[0])
    wiped = found[..., 1] == -3.0  # the channel without noise shows where
    assert wiped.any() and (found[wiped] == mean).all()
    assert found[~wiped][:, 0].std() == pytest.approx(2.0, rel=0.03)
    assert not found[~wiped][:, 1].any()


@pytest.mark.parametrize("alpha", [1e-4, 1.0, 1e4])
def test_mixup_and_cutmix_draw_their_share_from_the_beta_distribution(alpha):
    """Against SciPy's moments: mean 1/2 and variance 1 / (4 (2 alpha + 1))."""
    images, targets = jnp.stack([jnp.zeros((2, 2, 1)), jnp.ones((2, 2, 1))]), jnp.eye(2)
    shares = np.array(
        [
            augment.mixup(jax.random.key(seed), images, targets, alpha)[1][0, 0]
            for seed in range(400)
        ]
    )
    assert np.isfinite(shares).all()
    law = stats.beta(alpha, alpha)
    assert shares.mean() == pytest.approx(0.5, abs=4 * law.std() / 20 + 1e-6)
    assert shares.std() == pytest.approx(law.std(), rel=0.1)


def test_the_box_of_cutmix_has_the_sides_of_the_paper():
    """Yun et al. 2019, eq. 2: sides in proportion to the image, of sqrt(1 - share) each."""
    images, targets = jnp.stack([jnp.zeros((40, 20, 1)), jnp.ones((40, 20, 1))]), jnp.eye(2)
    for seed in range(40):
        key = jax.random.key(seed)
        drawn = float(jax.random.beta(jax.random.split(key)[0], 1.0, 1.0))
        mixed = np.asarray(augment.cutmix(key, images, targets, 1.0)[0])[0, ..., 0]
        rows, columns = mixed.any(axis=1), mixed.any(axis=0)
        for inside, size in ((rows, 40), (columns, 20)):
            expected = size * np.sqrt(1 - drawn)
            cut = inside[0] or inside[-1]  # by the border
            assert inside.sum() <= expected + 1 and (cut or inside.sum() >= expected - 1)
