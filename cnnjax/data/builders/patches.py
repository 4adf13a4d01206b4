"""Patches of photographs: 32x32 grey pixels each, the class being where they were cut.

Of each region the left is for training, a part beside it for validation and the right for testing,
with columns between that nobody sees, so that no pixel is shared. Patches are cut at full and at
half size, set to one mean and one deviation each, and left out where they are flat.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

SIDE = 32
SCALES = (1, 2)  # pixels of the photograph to one of the patch, along each axis
BLOCK = SIDE * SCALES[-1]  # pixels of the photograph that a cluster of test patches covers
COLUMNS = {"train": (0.0, 0.4), "validation": (0.42, 0.62), "test": (0.67, 1.0)}  # of a region
FLAT = 0.01  # a patch of a lower standard deviation, white being 1, has nothing to see
TRIES = 10_000  # before a region counts as flat all over


class Patch(NamedTuple):
    """What was cut, before it is set to one contrast."""

    pixels: np.ndarray  # [SIDE, SIDE]
    label: int
    cluster: int  # patches that share pixels share it


def to_grey(photograph: np.ndarray) -> np.ndarray:
    """A photograph [H, W] or [H, W, 3 or 4] of bytes as luminance from 0 to 1 (ITU-R BT.601)."""
    pixels = np.asarray(photograph, np.float64) / 255
    return pixels if pixels.ndim == 2 else pixels[..., :3] @ np.array([0.299, 0.587, 0.114])


def cut_middle(photograph: np.ndarray, largest: int) -> np.ndarray:
    """The middle of a photograph [H, W, ...], of at most so many pixels along each axis."""
    top, left = (max(size - largest, 0) // 2 for size in photograph.shape[:2])
    return photograph[top : top + largest, left : left + largest]


def cut_grid(photograph: np.ndarray, rows: int, columns: int) -> list[np.ndarray]:
    """Equal rectangles [h, w] of a grey photograph, row after row."""
    height, width = photograph.shape[0] // rows, photograph.shape[1] // columns
    return [
        photograph[row * height : (row + 1) * height, column * width : (column + 1) * width]
        for row in range(rows)
        for column in range(columns)
    ]


def shrink(region: np.ndarray, scale: int) -> np.ndarray:
    """Each cell is the mean of scale x scale pixels; what is left over at an end is dropped."""
    height, width = (size // scale * scale for size in region.shape)
    cells = region[:height, :width].reshape(height // scale, scale, width // scale, scale)
    return cells.mean(axis=(1, 3))


def take_part(region: np.ndarray, split: str) -> np.ndarray:
    """The columns of a region that are a split's."""
    left, right = COLUMNS[split]
    width = region.shape[1]
    return region[:, int(np.ceil(left * width)) : int(right * width)]


def is_flat(patch: np.ndarray) -> bool:
    """Whether there is nothing to see."""
    return patch.std() < FLAT


def choose(regions: Sequence[np.ndarray], count: int) -> list[np.ndarray]:
    """Those regions, in their order, of which the flattest part has most to see."""

    def measure(region: np.ndarray) -> float:
        shares = []
        for split in COLUMNS:
            part = take_part(region, split)
            views = np.lib.stride_tricks.sliding_window_view(part, (SIDE, SIDE))[::8, ::8]
            shares.append(float(np.mean(views.std(axis=(2, 3)) >= FLAT)))
        return min(shares)

    found = [measure(region) for region in regions]
    best = sorted(range(len(regions)), key=lambda place: (-found[place], place))[:count]
    return [regions[place] for place in sorted(best)]


def draw(regions: Sequence[np.ndarray], count: int, seed: int) -> list[Patch]:
    """Patches of random places for training, both scales and all regions in equal numbers."""
    rng = np.random.default_rng(seed)
    sized = [[shrink(take_part(own, "train"), scale) for scale in SCALES] for own in regions]
    found = []
    for number in rng.permutation(count):
        label = int(number % len(regions))
        part = sized[label][number // len(regions) % len(SCALES)]
        found.append(Patch(_draw_one(part, rng, label), label, 0))
    return found


def _draw_one(part: np.ndarray, rng: np.random.Generator, label: int) -> np.ndarray:
    rows, columns = (size - SIDE + 1 for size in part.shape)
    for _ in range(TRIES):
        row, column = rng.integers(rows), rng.integers(columns)
        patch = part[row : row + SIDE, column : column + SIDE]
        if not is_flat(patch):
            return patch
    raise ValueError(f"region {label} is flat")


def lay_out(regions: Sequence[np.ndarray], split: str) -> list[Patch]:
    """Patches on a grid without overlap, at each scale, of a part that is not for training.

    Those of a block of the photograph are a cluster: at half size one patch covers it.
    """
    found, clusters = [], {}
    for label, region in enumerate(regions):
        part = take_part(region, split)
        for scale in SCALES:
            for row, column, patch in _list_cells(shrink(part, scale)):
                block = (label, row * scale * SIDE // BLOCK, column * scale * SIDE // BLOCK)
                if not is_flat(patch):
                    found.append(Patch(patch, label, clusters.setdefault(block, len(clusters))))
    return found


def _list_cells(part: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    for row in range(part.shape[0] // SIDE):
        for column in range(part.shape[1] // SIDE):
            top, left = row * SIDE, column * SIDE
            yield row, column, part[top : top + SIDE, left : left + SIDE]


def to_bytes(patches: Sequence[Patch]) -> np.ndarray:
    """[count, SIDE, SIDE, 1] uint8: each of mean 128 and deviation 40, cut at black and white.

    So no patch is told by how bright it is, or how strong its contrast.
    """
    pixels = np.stack([own.pixels for own in patches])
    centred = pixels - pixels.mean(axis=(1, 2), keepdims=True)
    scaled = 128 + 40 * centred / centred.std(axis=(1, 2), keepdims=True)
    return np.round(np.clip(scaled, 0, 255)).astype(np.uint8)[..., None]
