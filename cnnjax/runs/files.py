"""Image files and arrays of anyone's, as a trained network takes them."""

import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from cnnjax.config import datasets, paths
from cnnjax.config.errors import ConfigError
from cnnjax.data import decode
from cnnjax.data.source import Say, say_nothing
from cnnjax.data.sources import layout
from cnnjax.data.sources.files import WORDS
from cnnjax.records.npz import read_npz
from cnnjax.runs.run import Run

BRIGHTEST = 255.0  # pixel of an image file
DIM = 16.0  # brightest pixel of scikit-learn's digits; an image of bytes is brighter
FULL = ("tfds", "folder", "idx")  # kinds of data sets that store what files hold


class Given(NamedTuple):
    """Images to be asked about, each with a name."""

    names: list[str]
    images: np.ndarray  # [N, H, W, C], as the data set of the run stores them


def read_images(given: Sequence[str], run: Run, fit: bool = False, say: Say = say_nothing) -> Given:
    """The images of files, of all files below folders, and of arrays (.npz, .npy), in that order.

    They are made ready as those of training were before they were stored: grey or colour, cut and
    resized where training had that done, or with `fit`. Raises ConfigError, naming the file, where
    one is no image, or of another size than the network takes.
    """
    names: list[str] = []
    images: list[np.ndarray] = []
    scale = None
    for text in given:
        path = paths.expand(text)
        if path.suffix in (".npz", ".npy") and path.is_file():
            found = _read_array(path)
            if found.ndim == 3 and run.input.image_shape[-1] == 1:  # grey, as data sets are read
                found = found[..., None]
            names += [f"{text}[{place}]" for place in range(len(found))]
            images += [*found]
            continue
        if scale is None:
            scale = find_scale(run)
            if scale != 1:
                say(f"pixels of files, 0 to 255, are 0 to {BRIGHTEST * scale:g} here, as those of"
                    f" {run.config.dataset} are")  # fmt: skip
        for file in _list_files(path):
            names.append(str(file))
            pixels = _read_file(file, run, fit)
            images.append(pixels if scale == 1 else pixels * np.float32(scale))
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise ConfigError(f"images differ in shape: {' and '.join(map(str, sorted(shapes)))}")
    empty = np.empty((0, *run.input.image_shape), np.uint8)
    return Given(names, np.stack(images) if images else empty)


def find_scale(run: Run) -> float:
    """What pixels of files are multiplied by, to be as those that the run was trained on.

    Raises ConfigError where nothing tells.
    """
    pixels, kind = run.input.pixels, datasets.parse(run.config.dataset).kind
    if kind in FULL or pixels.low >= 0 and DIM < pixels.high <= BRIGHTEST:
        return 1.0
    if pixels.low >= 0 and pixels.high <= DIM:
        return max(pixels.high, 1.0) / BRIGHTEST
    raise ConfigError(
        f"{run.config.dataset} has pixels of {pixels.low:g} to {pixels.high:g}, and files of images"
        " have 0 to 255: give arrays (FILE.npz) of pixels as they were trained on"
    )


def _list_files(path: pathlib.Path) -> Iterator[pathlib.Path]:
    if not path.is_dir():
        if not path.is_file():
            raise ConfigError(f"{path} is neither a file nor a folder")
        yield path
        return
    found = layout.walk(path).images
    if not found:
        raise ConfigError(f"{path} has no images in it")
    for parts in found:
        yield path.joinpath(*parts)


def _read_file(path: pathlib.Path, run: Run, fit: bool) -> np.ndarray:
    height, width, channels = run.input.image_shape
    if channels not in (1, 3):
        raise ConfigError(f"this network takes images of {channels} channels: give arrays (.npz)")
    try:
        image = decode.to_mode(decode.open_image(path.read_bytes()), channels)
    except decode.BadImage as error:
        raise ConfigError(f"{path} is no image that can be read: {error}") from None
    square = height == width == run.config.image_size  # as the host made those of training
    if fit and height == width or square:
        image = decode.fit(image, height, run.config.eval_crop)
    pixels = decode.to_array(image)
    if pixels.shape[:2] != (height, width):
        way = "--fit cuts and resizes it" if height == width else "cut or resize it"
        raise ConfigError(
            f"{path} is {pixels.shape[0]}x{pixels.shape[1]}, and this network takes"
            f" {height}x{width}: {way}"
        )
    return pixels


def _read_array(path: pathlib.Path) -> np.ndarray:
    try:
        if path.suffix == ".npy":
            return np.atleast_1d(np.load(path, allow_pickle=False))
        arrays = read_npz(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    named = [name for name in arrays if name in WORDS["images"]] or [*arrays]
    if len(named) != 1:
        raise ConfigError(f"{path} has the arrays {', '.join(arrays)}: call one of them images")
    return np.atleast_1d(arrays[named[0]])
