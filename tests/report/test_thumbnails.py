"""Images of any kind as a few kilobytes of a page."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from cnnjax.report import thumbnails
from cnnjax.report.thumbnails import make_thumbnail, make_thumbnails


def read(thumbnail):
    kind, _, content = thumbnail.uri.partition(",")
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_small_images_keep_each_pixel(channels):
    pixels = noise(8, 16, channels)
    own = make_thumbnail(pixels, "cat/1.png")
    assert (np.asarray(read(own)).reshape(pixels.shape) == pixels).all()
    assert own[1:] == (96, 48, True, "cat/1.png")


@pytest.mark.parametrize("shape", [(32, 32, 3), (64, 64, 3), (500, 300, 3), (64, 64, 1)])
def test_none_takes_more_than_a_few_kilobytes(shape):
    own = make_thumbnail(noise(*shape))
    assert len(own.uri) < 6000 and max(read(own).size) <= thumbnails.LARGEST
    assert own.whole == (max(shape) <= thumbnails.LARGEST)


def test_pixels_that_are_no_bytes_are_spread_over_them():
    for pixels in (np.array([[-1.0, 0.0, 1.0]]), np.array([[0, 8, 16]], np.uint8)):
        assert np.asarray(read(make_thumbnail(pixels[..., None]))).tolist() == [[0, 128, 255]]
    assert not np.asarray(read(make_thumbnail(np.full((2, 2, 1), 0.5)))).any()
    wild = np.array([[np.nan, 0.0, 1.0]])
    assert np.asarray(read(make_thumbnail(wild[..., None]))).tolist() == [[0, 0, 255]]


def test_a_signal_is_no_thinner_than_can_be_seen():
    own = make_thumbnail(noise(1, 40, 1))
    assert (own.width, own.height) == (96, thumbnails.LEAST)


def test_what_is_neither_grey_nor_rgb_is_not_shown():
    assert make_thumbnail(noise(4, 4, 2)) is None and make_thumbnail(noise(0, 4, 3)) is None
    known = {1: (noise(4, 4, 2), ""), 2: (noise(4, 4, 1), "")}
    found = make_thumbnails(lambda *asked: known, None, np.zeros(9), [1, 2, 3])
    assert [*found] == [2]
