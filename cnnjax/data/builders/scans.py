"""Real scans of digits, each drawn larger, turned and somewhere on an empty canvas.

Those that train are the training scans of `digits`, and so on: none is in two splits.
"""

import numpy as np
import tensorflow_datasets as tfds

from cnnjax.data.builders import digits
from cnnjax.data.builders.generated import make_info

SIDE = 28  # of the canvas
SIZES = (12.0, 20.0)  # of a scan of 8x8 pixels on it
TURN = np.deg2rad(25)  # at most, either way: a 6 does not become a 9
COUNTS = {"train": 10_000, "validation": 1970, "test": 10_000}  # images
SEEDS = {"train": 105, "validation": 106, "test": 107}


class CnnjaxScans(tfds.core.GeneratorBasedBuilder):
    """The digits of scikit-learn at random places, sizes and angles. A cluster is one scan."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return make_info(
            self, "Real scans of digits anywhere on a canvas of 28x28 pixels.", (SIDE, SIDE, 1),
            list("0123456789"), citation=digits.CITATION, license="CC BY 4.0", clusters=True,
        )  # fmt: skip

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in COUNTS}

    def _generate_examples(self, split):
        from sklearn import datasets

        pixels, labels = datasets.load_digits(return_X_y=True)
        own = digits.load_order()[slice(*digits.SPLITS[split])]
        repeated = np.resize(own, COUNTS[split])  # scan after scan, so that the first are all
        images = place(np.asarray(pixels).reshape(-1, 8, 8)[repeated], SEEDS[split])
        for position, (image, scan) in enumerate(zip(images, repeated, strict=True)):
            yield position, {"image": image, "label": int(labels[scan]), "cluster": int(scan)}


def place(scans: np.ndarray, seed: int) -> np.ndarray:
    """Each scan [n, 8, 8] of levels 0 to 16 once, [n, SIDE, SIDE, 1] uint8, by bilinear sampling.

    Size, angle and place are uniform, the place within what keeps the upright square inside.
    """
    rng = np.random.default_rng(seed)
    count, side = len(scans), scans.shape[1]
    size = rng.uniform(*SIZES, count)[:, None, None]
    angle = rng.uniform(-TURN, TURN, count)[:, None, None]
    free = (SIDE - size) / 2
    middle = (SIDE - 1) / 2
    y, x = (middle + free * rng.uniform(-1, 1, (count, 1, 1)) for _ in range(2))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    down, right = rows - y, columns - x
    scale = side / size
    own_rows = scale * (np.cos(angle) * down - np.sin(angle) * right) + (side - 1) / 2
    own_columns = scale * (np.sin(angle) * down + np.cos(angle) * right) + (side - 1) / 2
    return np.round(sample(scans * (255 / 16), own_rows, own_columns)).astype(np.uint8)[..., None]


def sample(images: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Bilinear values of images [n, h, w] at places [n, H, W], zero outside."""
    padded = np.pad(np.asarray(images, np.float64), [(0, 0), (1, 1), (1, 1)])
    height, width = padded.shape[1:]
    rows, columns = np.clip(rows + 1, 0, height - 1), np.clip(columns + 1, 0, width - 1)
    top = np.minimum(rows.astype(int), height - 2)
    left = np.minimum(columns.astype(int), width - 2)
    down, right = rows - top, columns - left
    own = np.arange(len(padded))[:, None, None]

    def at(row: int, column: int) -> np.ndarray:
        return padded[own, top + row, left + column]

    upper = at(0, 0) * (1 - right) + at(0, 1) * right
    lower = at(1, 0) * (1 - right) + at(1, 1) * right
    return upper * (1 - down) + lower * down
