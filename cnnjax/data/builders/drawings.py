"""Images drawn from a seed: a dot to locate, gratings, four shapes, two strokes side by side.

Each function gives images [count, height, width, 1] uint8 and labels [count] int64, the classes in
equal numbers (give or take one) and in random order: the same for the same count and seed.
"""

import itertools

import numpy as np

BLOCKS, BLOCK = 4, 3  # blocks along each axis, and their pixels: images of 12x12
SIDE = 16  # of gratings and shapes
ORIENTATIONS = 8
SHAPES = ("disc", "square", "triangle", "cross")
CANVAS = 24  # of strokes
STROKES = ("horizontal", "falling", "vertical", "rising")  # by their angles, 45 degrees apart
LENGTH, APART = 7, 8  # of a stroke in pixels, and from one to the other
# What classes are called where their numbers alone would not tell.
PLACES = [f"row {row} column {column}" for row in range(BLOCKS) for column in range(BLOCKS)]
ANGLES = [f"{180 * number / ORIENTATIONS:g} degrees" for number in range(ORIENTATIONS)]


def _draw_labels(rng: np.random.Generator, count: int, num_classes: int) -> np.ndarray:
    return rng.permutation(np.arange(count) % num_classes)


def _finish(images: np.ndarray, low: float = 0, high: float = 255) -> np.ndarray:
    return np.round(np.clip(images, low, high)).astype(np.uint8)[..., None]


def make_dots(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """One bright pixel on dim noise; the label is which of 4x4 blocks of 3x3 pixels holds it."""
    rng = np.random.default_rng(seed)
    labels = _draw_labels(rng, count, BLOCKS**2)
    side = BLOCKS * BLOCK
    images = _finish(rng.normal(64, 16, (count, side, side)), high=160)
    rows = labels // BLOCKS * BLOCK + rng.integers(0, BLOCK, count)
    columns = labels % BLOCKS * BLOCK + rng.integers(0, BLOCK, count)
    images[np.arange(count), rows, columns] = 255
    return images, labels


def dot_positions() -> np.ndarray:
    """The middle of each block of `make_dots` in pixels: row and column [16, 2]."""
    middles = np.arange(BLOCKS) * BLOCK + (BLOCK - 1) / 2
    rows, columns = np.meshgrid(middles, middles, indexing="ij")
    return np.stack([rows.ravel(), columns.ravel()], axis=1).astype(np.float32)


def _draw_turns(count: int, seed: int, rotation: float) -> np.ndarray:
    """Angles [count, 1, 1] in radians, up to `rotation` degrees either way.

    By a generator of their own: all else is drawn as without them.
    """
    rng = np.random.default_rng([seed, 1])
    return np.deg2rad(rng.uniform(-rotation, rotation, (count, 1, 1)))


def make_gratings(
    count: int, seed: int, rotation: float = 0, noise: float = 20
) -> tuple[np.ndarray, np.ndarray]:
    """Sine gratings of any phase and 2 to 4 periods, with noise of that deviation.

    Label k is a wave that runs along k x 22.5 degrees, from the columns towards the rows, turned
    by up to `rotation` degrees.
    """
    rng = np.random.default_rng(seed)
    labels = _draw_labels(rng, count, ORIENTATIONS)
    angles = (labels * np.pi / ORIENTATIONS)[:, None, None] + _draw_turns(count, seed, rotation)
    frequencies = rng.uniform(2, 4, (count, 1, 1)) / SIDE
    phases = rng.uniform(0, 2 * np.pi, (count, 1, 1))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    along = np.cos(angles) * columns + np.sin(angles) * rows
    waves = 80 * np.sin(2 * np.pi * frequencies * along + phases)
    return _finish(128 + waves + rng.normal(0, noise, waves.shape)), labels


def make_shapes(
    count: int, seed: int, rotation: float = 0, noise: float = 15
) -> tuple[np.ndarray, np.ndarray]:
    """A disc, square, triangle or cross of any place and size, with noise of that deviation.

    Upright, or turned about its middle by up to `rotation` degrees.
    """
    rng = np.random.default_rng(seed)
    labels = _draw_labels(rng, count, len(SHAPES))
    size = rng.uniform(3, 5, (count, 1, 1))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    y = rows - rng.uniform(5.5, 9.5, (count, 1, 1))
    x = columns - rng.uniform(5.5, 9.5, (count, 1, 1))
    if rotation:
        turn = _draw_turns(count, seed, rotation)
        x, y = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    inside = np.maximum(np.abs(x), np.abs(y)) <= size
    arms = np.minimum(np.abs(x), np.abs(y)) <= size / 3
    masks = np.stack(
        [
            x**2 + y**2 <= size**2,
            np.maximum(np.abs(x), np.abs(y)) <= 0.85 * size,
            inside & (np.abs(x) <= (y + size) / 2),
            inside & arms,
        ]
    )
    mask = masks[labels, np.arange(count)]
    return _finish(30 + 170 * mask + rng.normal(0, noise, mask.shape)), labels


ORDERS = [
    (left, right)
    for first, second in itertools.combinations(range(len(STROKES)), 2)
    for left, right in ((first, second), (second, first))
]
ARRANGEMENTS = [f"{STROKES[left]} left of {STROKES[right]}" for left, right in ORDERS]


def stroke_parts() -> np.ndarray:
    """Whether the images of each class of `make_strokes` have each of the strokes [12, 4]."""
    return np.array([[float(part in order) for part in range(len(STROKES))] for order in ORDERS])


def make_strokes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two strokes of different orientations side by side anywhere, with noise.

    The label is which two they are, and which of them is left: whoever knows only which strokes
    there are is right in half of the cases.
    """
    rng = np.random.default_rng(seed)
    labels = _draw_labels(rng, count, len(ORDERS))
    row = rng.uniform(5, CANVAS - 6, (count, 1, 1))
    column = rng.uniform(5, CANVAS - 5 - APART, (count, 1, 1))
    image = np.zeros((count, CANVAS, CANVAS))
    for side in range(2):
        angle = np.array(ORDERS)[labels, side][:, None, None] * np.pi / len(STROKES)
        image = np.maximum(
            image, _draw_bar(row + rng.uniform(-1, 1, row.shape), column + APART * side, angle)
        )
    return _finish(50 + 150 * image + rng.normal(0, 22, image.shape)), labels


def _draw_bar(row: np.ndarray, column: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Bars [count, CANVAS, CANVAS] one pixel wide through a point, from 0 to 1, with soft ends."""
    rows, columns = np.mgrid[:CANVAS, :CANVAS]
    down, right = rows - row, columns - column
    along = np.cos(angle) * right + np.sin(angle) * down
    across = np.cos(angle) * down - np.sin(angle) * right
    inside = np.clip((LENGTH + 1) / 2 - np.abs(along), 0, 1)
    return inside * np.clip(1 - np.abs(across), 0, 1)
