"""Corrupted and moved test images, the same for every run.

Images are [N, H, W, C] float32 in units of the pixels. Random corruptions are drawn from a fixed
key; black, which comes in from beyond the border, is the darkest training pixel.
"""

import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from cnnjax.config import register
from cnnjax.data import transform
from cnnjax.data.batches import Batches
from cnnjax.data.spec import DataSpec
from cnnjax.measures.observed import Observed
from cnnjax.networks import models
from cnnjax.ops import sampling

SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
RADIUS = 5  # of the blur's kernel, in pixels


class Pixels(NamedTuple):
    """What the corruptions know of the training pixels."""

    mean: float
    std: float
    low: float
    high: float


class Corruption(NamedTuple):
    """A way to spoil an image, the strengths that are tried, and how many ways there are."""

    apply: Callable[..., Array]
    strengths: tuple[float, ...]
    ways: int = 1
    unit: str = ""  # of a strength


def list_corruptions() -> dict[str, Corruption]:
    """Every corruption by name."""
    known = register.CHOICES["corruption"].items()
    return {name: Corruption(own.make, **own.traits) for name, own in known}


def _replace(key: Array, images: Array, share: Array, value: float) -> Array:
    """A random share of the pixels, all channels of each, gets that value."""
    hit = jax.random.uniform(key, (*images.shape[:3], 1)) < share
    return jnp.where(hit, value, images)


@register.choice(
    "corruption", "gaussian", strengths=(0.0, 0.25, 0.5, 0.75, 1.0, 1.5), unit="standard deviations"
)
def gaussian(key: Array, images: Array, strength: Array, way: Array, pixels: Pixels) -> Array:
    """Noise, in standard deviations of the pixels."""
    return images + strength * pixels.std * jax.random.normal(key, images.shape)


@register.choice("corruption", "salt", strengths=SHARES, unit="share")
def salt(key: Array, images: Array, strength: Array, way: Array, pixels: Pixels) -> Array:
    """A share of the pixels becomes the brightest."""
    return _replace(key, images, strength, pixels.high)


@register.choice("corruption", "pepper", strengths=SHARES, unit="share")
def pepper(key: Array, images: Array, strength: Array, way: Array, pixels: Pixels) -> Array:
    """A share of the pixels becomes the darkest."""
    return _replace(key, images, strength, pixels.low)


@register.choice("corruption", "dropped", strengths=SHARES, unit="share")
def dropped(key: Array, images: Array, strength: Array, way: Array, pixels: Pixels) -> Array:
    """A share of the pixels becomes the mean, and says nothing."""
    return _replace(key, images, strength, pixels.mean)


@register.choice("corruption", "blur", strengths=(0.0, 0.5, 1.0, 1.5, 2.0), unit="pixels")
def blur(key: Array, images: Array, strength: Array, way: Array, pixels: Pixels) -> Array:
    """A Gaussian blur of that many pixels; the border repeats its edge."""
    distance = jnp.arange(-RADIUS, RADIUS + 1, dtype=jnp.float32)
    weights = jnp.exp(-(distance**2) / (2 * jnp.maximum(strength, 1e-3) ** 2))
    weights = weights / weights.sum()
    for axis in (1, 2):
        pads = [(0, 0)] * 4
        pads[axis] = (RADIUS, RADIUS)
        padded = jnp.pad(images, pads, mode="edge")
        cells = [
            jax.lax.slice_in_dim(padded, shift, shift + images.shape[axis], axis=axis)
            for shift in range(2 * RADIUS + 1)
        ]
        images = sum((w * cell for w, cell in zip(weights, cells, strict=True)), 0 * images)
    return images


@register.choice(
    "corruption", "contrast", strengths=(0.0, 0.2, 0.4, 0.6, 0.8, 0.9), unit="share lost"
)
def contrast(key: Array, images: Array, strength: Array, way: Array, pixels: Pixels) -> Array:
    """A share of each image's contrast is lost."""
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    return mean + (1 - strength) * (images - mean)


def _resample(images: Array, rows: Array, columns: Array, black: float) -> Array:
    """Images at those places [H, W], bilinear."""
    return jax.vmap(lambda image: sampling.sample(image, rows, columns, black))(images)


def _grid(images: Array) -> tuple[Array, Array]:
    """Rows and columns of the pixels from the middle [H, W]."""
    height, width = images.shape[1:3]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return jnp.asarray(rows - (height - 1) / 2), jnp.asarray(columns - (width - 1) / 2)


def _from_middle(images: Array, rows: Array, columns: Array, black: float) -> Array:
    height, width = images.shape[1:3]
    return _resample(images, rows + (height - 1) / 2, columns + (width - 1) / 2, black)


@register.choice("corruption", "translation", strengths=(0.0, 1.0, 2.0, 3.0), unit="pixels", ways=4)
def translation(key: Array, images: Array, strength: Array, way: Array, pixels: Pixels) -> Array:
    """Moved by so many pixels: right, left, down or up."""
    rows, columns = _grid(images)
    moves = jnp.array([[0.0, 1.0], [0.0, -1.0], [1.0, 0.0], [-1.0, 0.0]])[way] * strength
    return _from_middle(images, rows - moves[0], columns - moves[1], pixels.low)


@register.choice(
    "corruption",
    "rotation",
    strengths=(0.0, 15.0, 30.0, 60.0, 90.0, 135.0, 180.0),
    unit="degrees",
    ways=2,
)
def rotation(key: Array, images: Array, strength: Array, way: Array, pixels: Pixels) -> Array:
    """Turned by so many degrees, one way or the other."""
    angle = jnp.deg2rad(strength) * jnp.where(way == 0, 1.0, -1.0)
    rows, columns = _grid(images)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return _from_middle(images, cos * rows - sin * columns, sin * rows + cos * columns, pixels.low)


@register.choice("corruption", "scale", strengths=(0.0, 0.1, 0.2, 0.35, 0.5), unit="share", ways=2)
def scale(key: Array, images: Array, strength: Array, way: Array, pixels: Pixels) -> Array:
    """Enlarged by a share, or shrunk by as much."""
    factor = jnp.where(way == 0, 1 / (1 + strength), 1 + strength)
    rows, columns = _grid(images)
    return _from_middle(images, factor * rows, factor * columns, pixels.low)


def choose(height: int) -> dict[str, Corruption]:
    """What makes sense for images of that height: a signal of height 1 has no rotation."""
    known = list_corruptions()
    if height > 1:
        return known
    found = {kind: own for kind, own in known.items() if kind != "rotation"}
    return {**found, "translation": found["translation"]._replace(ways=2)}


def list_draws(table: Mapping[str, Corruption]) -> np.ndarray:
    """What the key of each corruption of a table follows from: its place, or from outside its name.

    Others are drawn anew where one of ours is put before them: a new one goes to the end.
    """
    known = register.CHOICES["corruption"]
    return np.array(
        [
            zlib.crc32(name.encode()) if known[name].source else place
            for place, name in enumerate(table)
        ],
        np.uint32,
    )


class Trial(NamedTuple):
    """One evaluation on corrupted images."""

    kind: int  # place in the table
    strength: float
    way: int


def list_trials(table: dict[str, Corruption]) -> list[Trial]:
    """Every strength of every corruption, every way."""
    return [
        Trial(kind, strength, way)
        for kind, own in enumerate(table.values())
        for strength in own.strengths
        for way in range(own.ways)
    ]


def summarise(
    table: dict[str, Corruption], right: np.ndarray, kept: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Scores of one run image by image [images], and its curves, from its trials.

    `right` and `kept` [trials, images] say which images were recognised, and which kept the class
    that they have uncorrupted. `auc_<kind>` is the area under an image's share of right answers,
    the mean over ways, over the range of strengths; `shift_consistency` the share of moves by one
    pixel at which it keeps its class (Zhang 2019, section 4.2). A curve has accuracy by strength.
    """
    trials, scores, curves = list_trials(table), {}, {}
    for index, (kind, own) in enumerate(table.items()):
        rows = [
            np.mean([row for t, row in zip(trials, right, strict=True)
                     if t.kind == index and t.strength == strength], axis=0)
            for strength in own.strengths
        ]  # fmt: skip
        reach = own.strengths[-1] - own.strengths[0]
        means = [float(row.mean()) for row in rows]
        curves[kind] = {"strengths": list(own.strengths), "accuracy": means}
        scores[f"auc_{kind}"] = np.trapezoid(rows, own.strengths, axis=0) / reach
    place = list(table).index("translation")
    moved = [row for t, row in zip(trials, kept, strict=True) if t[:2] == (place, 1.0)]
    return {"shift_consistency": np.mean(moved, axis=0), **scores}, curves


def finish(found: Mapping[str, np.ndarray], spec: DataSpec) -> dict[str, Any]:
    """Scores by image, and the curves, from which images each trial left recognised."""
    scores, curves = summarise(choose(spec.image_shape[0]), found["right"], found["kept"])
    return {**scores, "robustness": curves}


@register.measure("robustness", finish=finish)
def measure_robustness(
    model: models.Model, params: models.Params, stats: models.Stats, observed: Observed, key: Array
) -> dict[str, Array]:
    """Accuracy under corruptions, and the share of images that keep their class when moved."""
    spec, test = observed.spec, observed.test
    table = choose(spec.image_shape[0])
    # All channels alike, so that the test is the same however a run standardises its images.
    pixels = Pixels(*transform.merge_channels(spec.mean, spec.std), spec.low, spec.high)
    trials, draws = list_trials(table), jnp.asarray(list_draws(table))
    before = observed.logits.argmax(axis=-1).reshape(test.labels.shape)

    def one(trial: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        kind, strength, way = trial
        own_key = jax.random.fold_in(key, draws[kind])

        def batch(place: tuple[Array, Batches, Array]) -> tuple[Array, Array]:
            index, own, classes = place
            images = lax.switch(
                kind,
                [
                    lambda k, x, s, w, apply=tried.apply: apply(k, x, s, w, pixels)
                    for tried in table.values()
                ],
                jax.random.fold_in(own_key, index), own.images.astype(jnp.float32), strength, way,
            )  # fmt: skip
            seen = observed.prepare(images)
            found = models.answer(model, params, stats, seen).argmax(axis=-1)
            return found == own.labels, found == classes

        places = (jnp.arange(test.labels.shape[0]), test, before)
        return jax.tree.map(jnp.ravel, lax.map(batch, places))

    columns = [np.array(column) for column in zip(*trials, strict=True)]
    dtypes = (np.int32, np.float32, np.int32)
    right, kept = lax.map(
        one,
        tuple(jnp.asarray(c.astype(d)) for c, d in zip(columns, dtypes, strict=True)),
    )
    return {"right": right, "kept": kept}
