"""The scale of a person's pixels: by the type and depth that files declare, one for all splits."""

import numpy as np
import pytest
from PIL import Image

from cnnjax.config.config import Config
from cnnjax.config.datasets import Where
from cnnjax.config.knobs import ConfigError, RunError
from cnnjax.data import load

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def write(tmp_path):
    """Writes images [n, H, W] of two classes into a folder, a file each, by split; its name."""

    def write(form, **splits):
        for split, images in splits.items():
            for index, pixels in enumerate(images):
                own = tmp_path / "images" / split / ("ant", "bee")[index % 2]
                own.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(own / f"{index}.{form}")
        return f"folder:{tmp_path / 'images'}"

    return write


@pytest.fixture
def save(tmp_path):
    """Writes arrays of images [n, H, W] by split into a file, with labels; its name."""

    def save(**splits):
        arrays = {f"x_{split}": images for split, images in splits.items()}
        arrays |= {f"y_{split}": np.arange(len(own)) % 2 for split, own in splits.items()}
        np.savez(tmp_path / "a.npz", **arrays)
        return f"arrays:{tmp_path / 'a.npz'}"

    return save


def grey(top, dtype, count=20, seed=0):
    """Images [count, 8, 8] whose values reach from 0 to `top`."""
    found = np.random.default_rng(seed).uniform(0, top, (count, 8, 8))
    found[:, 0, 0] = top
    return (found if np.dtype(dtype).kind == "f" else np.rint(found)).astype(dtype)


def open_set(name):
    return load.load_dataset(Config(dataset=name), Where())


@pytest.mark.parametrize(
    ("top", "dtype", "bits"),
    [(255, np.int32, 8), (4095, np.int32, 12), (65535, np.int32, 16), (4095, np.uint16, 12),
     (1023, np.uint16, 10), (65535, np.uint16, 16), (255, np.uint16, 8)],
)  # fmt: skip
def test_grey_of_any_depth_reaches_white(write, top, dtype, bits):
    images = grey(top, dtype)
    found = open_set(write("tif", train=images, test=images))
    expected = np.rint(images * (255 / (2**bits - 1)))
    assert sorted(i.tobytes() for i in found.test.images[..., 0]) == sorted(
        i.astype(np.uint8).tobytes() for i in expected
    )
    assert any(f"read as {bits} bits" in note for note in found.notes) == (
        bits < 16 or dtype == np.int32
    )


def test_splits_of_unlike_depth_are_read_alike_and_told(write):
    found = open_set(write("tif", train=grey(4095, np.uint16), test=grey(3000, np.uint16)))
    assert abs(int(found.test.images.max()) - 3000 / 4095 * 255) < 1
    shallow = write("tif", train=grey(4095, np.uint16), test=grey(1000, np.uint16))
    said = "splits differ in depth (greatest values: train 4,095, validation 4,095, test 1,000)"
    assert any(said in note for note in open_set(shallow).notes)
    with pytest.raises(ConfigError, match="splits have no common scale: pixels of"):
        open_set(write("tif", train=grey(65535, np.uint16), test=grey(255, np.uint16)))


def test_values_beyond_16_bits_are_refused(write):
    with pytest.raises(RunError, match="pixels of .* to 70000 are of no known range"):
        open_set(write("tif", train=grey(70_000, np.int32)))


@pytest.mark.parametrize("one, other", [
    (grey(1, float), grey(255, float)), (grey(255, float), grey(1, np.float32)),
    (grey(1, float), grey(255, np.uint8)), (grey(255, np.uint8), grey(65535, np.uint16)),
])  # fmt: skip
def test_splits_without_a_common_scale_are_refused(save, one, other):
    with pytest.raises(ConfigError, match="splits have no common scale: pixels of train 0"):
        open_set(save(train=one, test=other))


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.int32])
def test_integer_types_may_differ_where_their_values_are_bytes(save, dtype):
    found = open_set(save(train=grey(255, np.uint8), test=grey(255, dtype, seed=1)))
    assert found.train.images.dtype == found.test.images.dtype == np.uint8
    np.testing.assert_array_equal(found.test.images[..., 0], grey(255, dtype, seed=1))


def test_splits_unlike_in_brightness_are_told(save):
    found = open_set(save(train=grey(255, np.uint8), test=grey(100, np.uint8)))
    assert found.notes == (
        "splits differ in brightness or contrast: pixels of train 0 to 255, test 0 to 100; one"
        " scale is used",
    )


@pytest.mark.parametrize("value", [1e300, -1e39, np.inf, np.nan])
def test_pixels_are_finite_in_the_precision_that_is_trained_in(save, value):
    images = grey(1, float)
    images[3, 2, 2] = value
    with pytest.raises(ConfigError, match=r"images of train hold NaN or infinity, or numbers bey"):
        open_set(save(train=images))


def test_images_of_one_value_are_refused(save):
    fractions = grey(1, float).astype(int) * 0
    with pytest.raises(ConfigError, match="all training pixels are equal .*made integers"):
        open_set(save(train=fractions))
