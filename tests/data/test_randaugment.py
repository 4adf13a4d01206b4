"""Each operation of RandAugment against Pillow's, and how operations are drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from cnnjax.config.config import Config
from cnnjax.config.errors import ConfigError
from cnnjax.data import augment, randaugment, transform

KEY = jax.random.key(0)
# By name, what Pillow makes of an image at a share of the range, and how far rounding goes.
PILLOW = {
    "identity": lambda image, share: image,
    "autocontrast": lambda image, share: ImageOps.autocontrast(image),
    "equalize": lambda image, share: ImageOps.equalize(image),
    "solarize": lambda image, share: ImageOps.solarize(image, 256 * (1 - abs(share))),
    "posterize": lambda image, share: ImageOps.posterize(image, 8 - round(4 * abs(share))),
    "color": lambda image, share: ImageEnhance.Color(image).enhance(1 + 0.9 * share),
    "contrast": lambda image, share: ImageEnhance.Contrast(image).enhance(1 + 0.9 * share),
    "brightness": lambda image, share: ImageEnhance.Brightness(image).enhance(1 + 0.9 * share),
    "sharpness": lambda image, share: ImageEnhance.Sharpness(image).enhance(1 + 0.9 * share),
}


def affine(*numbers):
    def apply(image, share):
        return image.transform(
            image.size, Image.Transform.AFFINE, numbers_of(share), Image.Resampling.BILINEAR
        )

    (numbers_of,) = numbers
    return apply


MOVES = {
    "shear_x": affine(lambda share: (1, 0.3 * share, 0, 0, 1, 0)),
    "shear_y": affine(lambda share: (1, 0, 0, 0.3 * share, 1, 0)),
    "translate_x": affine(lambda share: (1, 0, round(150 / 331 * 40 * share), 0, 1, 0)),
    "translate_y": affine(lambda share: (1, 0, 0, 0, 1, round(150 / 331 * 32 * share))),
    "rotate": lambda image, share: image.rotate(30 * share, Image.Resampling.BILINEAR),
}


def draw(count=3, size=(32, 40), channels=3):
    """Images whose levels are no equal ones, with a black border of 4 cells."""
    pixels = np.random.default_rng(0).beta(2, 3, size=(count, *size, channels))
    images = np.round(20 + 200 * pixels).astype(np.uint8)
    images[:, :4] = images[:, -4:] = images[:, :, :4] = images[:, :, -4:] = 0
    return images


def operate(name, images, share):
    which = jnp.full(len(images), randaugment.OPERATIONS.index(name))
    shares = jnp.full(len(images), share, jnp.float32)
    return np.asarray(randaugment.operate(jnp.asarray(images, jnp.float32), which, shares))


def test_there_are_the_14_of_the_paper():
    assert set(randaugment.OPERATIONS) == {*PILLOW, *MOVES} and len(randaugment.OPERATIONS) == 14


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0, -0.5, -0.9])
@pytest.mark.parametrize("name", PILLOW)
def test_what_changes_levels_is_what_pillow_does(name, share, channels):
    images = draw(channels=channels)
    if name in ("autocontrast", "equalize"):
        images = np.maximum(images, 9)  # so that black is not there already
    for image, found in zip(images, operate(name, images, share), strict=True):
        opened = Image.fromarray(image if channels == 3 else image[..., 0])
        expected = np.asarray(PILLOW[name](opened, share), np.float32).reshape(image.shape)
        exact = name in ("identity", "equalize", "solarize", "posterize")
        # Pillow rounds the grey, the mean, the smoothed image and the result.
        np.testing.assert_allclose(found, expected, atol=0 if exact else 1.6)
        assert found.min() >= 0 and found.max() <= 255


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0, -0.5, -0.9])
@pytest.mark.parametrize("name", MOVES)
def test_what_moves_cells_is_what_pillow_does_in_floats(name, share):
    images = draw()
    for image, found in zip(images, operate(name, images, share), strict=True):
        for channel in range(3):
            opened = Image.fromarray(image[..., channel].astype(np.float32))
            expected = np.asarray(MOVES[name](opened, share))
            np.testing.assert_allclose(found[..., channel], expected, atol=0.02)


def test_grey_keeps_its_one_channel_under_color_and_other_counts_have_their_mean():
    grey = draw(channels=1)
    np.testing.assert_allclose(operate("color", grey, 1.0), grey, atol=1e-4)
    two = np.zeros((1, 4, 4, 2), np.float32) + np.array([100.0, 200.0], np.float32)
    found = operate("color", two, -1.0)[0, 0, 0]
    np.testing.assert_allclose(found, 150 + 0.1 * np.array([-50.0, 50.0]), atol=1e-3)


def test_a_constant_image_is_left_by_what_stretches_levels():
    flat = np.full((2, 5, 5, 3), 77, np.uint8)
    for name in ("autocontrast", "equalize", "contrast", "sharpness"):
        np.testing.assert_allclose(operate(name, flat, 1.0), flat, atol=1e-3)


def test_each_image_draws_operations_and_ways_of_its_own():
    """Of many copies of one image: every operation is drawn as often, and either way."""
    images = jnp.asarray(np.repeat(draw(1), 1400, axis=0), jnp.float32)
    found = np.asarray(jax.jit(randaugment.randaugment, static_argnums=(2, 3))(KEY, images, 1, 5.0))
    kinds = {}
    for name in randaugment.OPERATIONS:
        for way in (1, -1):
            made = operate(name, np.asarray(images[:1]), 0.5 * way)[0]
            near = np.abs(found - made).max(axis=(1, 2, 3)) < 1e-2
            kinds[name, way] = near.mean()
    both = {name: {kinds[name, 1], kinds[name, -1]} for name in randaugment.OPERATIONS}
    signed = [name for name, shares in both.items() if sum(shares) < 0.11 and len(shares) == 2]
    assert {"color", "brightness", "rotate", "translate_x", "shear_y"} <= set(signed)
    for name, shares in both.items():
        total = sum(shares) if name in signed else max(shares)
        assert total == pytest.approx(1 / 14, abs=0.025), (name, shares)


def test_several_operations_follow_one_another_and_none_is_without_a_key():
    images = jnp.asarray(draw(50), jnp.float32)
    one, two = (np.asarray(randaugment.randaugment(KEY, images, n, 9.0)) for n in (1, 2))
    assert not np.allclose(one, two)
    again = np.asarray(randaugment.randaugment(KEY, images, 2, 9.0))
    np.testing.assert_array_equal(two, again)
    config = Config(randaugment=2)
    targets = jnp.eye(50)
    found, _ = augment.augment(config, KEY, images, targets, 0.0, 1.0)
    expected = randaugment.randaugment(augment._key_of(KEY, "randaugment"), images, 2, 9.0)
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("size", [(1, 40), (40, 1), (1, 1), (2, 2)])
def test_an_axis_of_one_cell_stays_as_it_is(size):
    images = np.random.default_rng(0).integers(0, 256, (60, *size, 1)).astype(np.uint8)
    found = np.asarray(randaugment.randaugment(KEY, jnp.asarray(images, jnp.float32), 3, 10.0))
    assert found.shape == images.shape and np.isfinite(found).all()
    if 1 in size:
        for name in ("rotate", "shear_x", "shear_y"):
            np.testing.assert_allclose(operate(name, images, 1.0), images, atol=1e-4)


def test_pixels_that_are_no_bytes_are_refused():
    config, shape = Config(randaugment=1), (8, 8, 1)
    transform.check_foreseen(config, 100, "memory", shape, np.dtype(np.uint8))
    with pytest.raises(ConfigError, match="--randaugment=1 needs 8-bit pixels, and those of digi"):
        transform.check_foreseen(config, 100, "memory", shape, np.dtype(np.float32))
