"""Images inside a page: a few kilobytes each, with nothing to fetch."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from cnnjax.config.config import Config

# Pixels [height, width, channels] and the name of the file, or '', of the test images of a run at
# some places, given the labels of all: what of them is at hand.
Look = Callable[[Config, np.ndarray, Sequence[int]], Mapping[int, tuple[np.ndarray, str]]]

LARGEST = 64  # pixels of the longer side that are kept
SHOWN, LEAST = 96, 24  # CSS pixels of the longer side, and of the shorter one at least
MOST_BYTES = 4096  # of a PNG; one of more gets few colours
COLOURS = 64
DIM = 16  # brightest pixel of bytes that are no 8 bits, such as those of scikit-learn's digits


class Thumbnail(NamedTuple):
    """A small image as a page holds it."""

    uri: str  # the PNG itself
    width: int  # CSS pixels
    height: int
    whole: bool  # with each of its pixels, so that these may be seen
    name: str  # of its file, or empty


def look_nowhere(
    config: Config, labels: np.ndarray, places: Sequence[int]
) -> Mapping[int, tuple[np.ndarray, str]]:
    """Where no data are at hand."""
    return {}


def make_thumbnails(
    look: Look, config: Config, labels: np.ndarray, places: Sequence[int]
) -> dict[int, Thumbnail]:
    """Those of the test images at some places that can be shown, by place."""
    if not places:
        return {}
    found = look(config, labels, places)
    made = {place: make_thumbnail(*found[place]) for place in places if place in found}
    return {place: own for place, own in made.items() if own is not None}


def make_thumbnail(pixels: np.ndarray, name: str = "") -> Thumbnail | None:
    """Pixels [height, width, channels] of any type, small; None where they are not grey or RGB."""
    if pixels.shape[-1] not in (1, 3) or 0 in pixels.shape:
        return None
    shown = to_bytes(pixels)
    image = Image.fromarray(shown[..., 0] if shown.shape[-1] == 1 else shown)
    longest = max(image.size)
    whole = longest <= LARGEST
    if not whole:
        sides = [max(round(side * LARGEST / longest), 1) for side in image.size]
        image = image.resize((sides[0], sides[1]), Image.Resampling.LANCZOS)
    content = write_png(image)
    if len(content) > MOST_BYTES:
        content = write_png(image.convert("RGB").quantize(COLOURS))
    width, height = (max(round(side * SHOWN / max(image.size)), LEAST) for side in image.size)
    uri = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return Thumbnail(uri, width, height, whole, name)


def to_bytes(pixels: np.ndarray) -> np.ndarray:
    """Pixels as uint8: those of other types, or of a few bits, from their darkest to brightest."""
    if pixels.dtype == np.uint8 and pixels.max() > DIM:
        return pixels
    wide = np.nan_to_num(pixels.astype(np.float64))
    low, high = wide.min(), wide.max()
    return np.rint((wide - low) * (255 / ((high - low) or 1))).astype(np.uint8)


def write_png(image: Image.Image) -> bytes:
    """The image as a PNG, the same bytes for the same pixels."""
    content = io.BytesIO()
    image.save(content, format="PNG", optimize=True)
    return content.getvalue()
