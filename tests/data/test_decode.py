"""Image files of every mode as 8-bit pixels, and what is no image refused."""

import io
import warnings

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from cnnjax.data import decode
from tests.true_formats import encode

GREY = np.arange(64, dtype=np.uint8).reshape(8, 8) * 3
RGB = np.stack([GREY, 255 - GREY, GREY // 2], -1)


def as_palette(pixels):
    image = Image.fromarray(pixels).quantize(256)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue(), np.asarray(image.convert("RGB"))


def test_grey_and_rgb_are_read_as_they_are():
    np.testing.assert_array_equal(decode.decode(encode(GREY, "PNG"), 1)[..., 0], GREY)
    np.testing.assert_array_equal(decode.decode(encode(RGB, "PNG"), 3), RGB)
    np.testing.assert_array_equal(decode.decode(encode(GREY, "BMP"), 3), np.stack([GREY] * 3, -1))


def test_palettes_become_their_colours():
    raw, expected = as_palette(RGB)
    np.testing.assert_array_equal(decode.decode(raw, 3), expected)


def test_transparent_pixels_lie_on_white():
    alpha = np.where(GREY > 90, 255, 0).astype(np.uint8)
    found = decode.decode(encode(np.dstack([RGB, alpha]), "PNG"), 3)
    np.testing.assert_array_equal(found, np.where(alpha[..., None], RGB, 255))
    half = encode(np.dstack([RGB, np.full_like(GREY, 128)]), "PNG")
    assert np.abs(decode.decode(half, 3) - (RGB / 2 + 127.5)).max() <= 2


def test_sixteen_bits_become_eight():
    wide = GREY.astype(np.uint16) * 257
    np.testing.assert_array_equal(decode.decode(encode(wide, "PNG"), 1)[..., 0], GREY)
    np.testing.assert_array_equal(decode.decode(encode(wide, "TIFF"), 1)[..., 0], GREY)


def test_cmyk_is_not_inverted():
    image = Image.new("CMYK", (8, 8), (255, 0, 0, 0))  # full cyan
    buffer = io.BytesIO()
    image.save(buffer, "TIFF")
    red, green, blue = decode.decode(buffer.getvalue(), 3)[0, 0]
    assert red < 60 < 150 < green and blue > 150


def test_images_are_turned_as_the_camera_says():
    image = Image.fromarray(RGB[:4])
    exif = image.getexif()
    exif[0x0112] = 6  # the top of the picture is at the right
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=exif)
    np.testing.assert_array_equal(decode.decode(buffer.getvalue(), 3), np.rot90(RGB[:4], -1))


@pytest.mark.parametrize("cut", [0, 30, 200])
def test_what_is_no_whole_image_is_refused(cut):
    raw = encode(np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8), "PNG")
    with pytest.raises(decode.BadImage):
        decode.decode(raw[:cut], 3)


def test_a_decompression_bomb_is_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60)
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # as outside of pytest
    with pytest.raises(decode.BadImage, match="more than 60 pixels"):
        decode.decode(encode(GREY, "PNG"), 1)


@pytest.mark.parametrize("raw", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n" * 9])
def test_no_other_program_is_started_to_draw_an_image(monkeypatch, raw):
    """Pillow has Ghostscript, an interpreter, run what an EPS file says, whatever it is called."""

    def refuse(*arguments, **options):
        raise AssertionError("Ghostscript was started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", refuse)
    with pytest.raises(decode.BadImage, match="cannot identify"):
        decode.decode(raw, 1)


def test_fitting_takes_the_central_square():
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200
    fitted = decode.to_array(decode.fit(Image.fromarray(wide), 5))
    assert fitted.shape == (5, 5, 3) and (fitted[:, 1:-1] == 200).all()
    bright = np.zeros((40, 40, 3), np.uint8)
    bright[5:35, 5:35] = 200
    edge = [
        decode.to_array(decode.fit(Image.fromarray(bright), 8, share))[0, 0, 0]
        for share in (1, 0.75)
    ]
    assert edge[0] < 100 and edge[1] > 140


def test_random_crops_keep_their_share_and_follow_the_draw():
    image = Image.fromarray(np.tile(np.arange(100, dtype=np.uint8), (100, 1)))
    crops = [decode.random_crop(image, 16, 0.25, np.random.default_rng(s)) for s in range(40)]
    widths = [int(np.ptp(np.asarray(crop))) for crop in crops]
    assert min(widths) >= 35 and max(widths) > 80 and len(set(widths)) > 10
    again = decode.random_crop(image, 16, 0.25, np.random.default_rng(3))
    np.testing.assert_array_equal(np.asarray(again), np.asarray(crops[3]))
