"""What the kernels of a first layer look like: oriented, like edges, coloured."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from cnnjax.config import register
from cnnjax.measures.arithmetic import divide, factorise
from cnnjax.measures.observed import Observed
from cnnjax.networks import count, models

LEAST = 3  # cells along each axis below which a kernel has no orientation
SPECTRUM = 32  # frequencies along each axis, or twice the cells of a larger kernel
BAND = (0.03, 0.5)  # of frequencies that count, in cycles a cell: not the mean, not the corners
# Gabor functions that are tried: angles, cycles a cell, widths in kernels, and across them as much.
ANGLES = 16
FREQUENCIES = (0.06, 0.09, 0.13, 0.18, 0.25, 0.33)
WIDTHS = (0.18, 0.28, 0.40)
ASPECTS = (1.0, 1.7)
PLACES = (-0.22, 0.0, 0.22)  # of their middles, in kernels from the middle
THIN = 1e-3  # what is left of one phase beside the other, below which both are one


class Filters(NamedTuple):
    """The kernels of a first layer, and what each is like [n]."""

    kernels: Array  # [height, width, channels, n]
    selectivity: Array  # 0 to 1, of orientations in its spectrum
    gabor: Array  # share of its variance that the best Gabor function explains
    colour: Array | None  # share of its squares that no grey kernel has; None for one channel

    @property
    def scores(self) -> dict[str, Array]:
        """What each kernel is like [n], by the name of its metric."""
        found = {"first_layer_selectivity": self.selectivity, "first_layer_gabor": self.gabor}
        return found if self.colour is None else {**found, "first_layer_colour": self.colour}


def find_kernels(model: models.Model, params: models.Params, stats: models.Stats) -> Array | None:
    """The kernels [height, width, channels, n] of the first layer; None where it has none."""
    for tree in (params, stats):
        for path, leaf in count.flatten(tree).items():
            owner, _, name = path.rpartition("/")
            if owner == model.roles.first and name == "kernel" and leaf.ndim == 4:
                return leaf
    return None


def describe_filters(kernels: Array) -> Filters:
    """What kernels [height, width, channels, n] are like."""
    patterns = find_patterns(kernels)
    colour = measure_colour(kernels) if kernels.shape[2] > 1 else None
    return Filters(kernels, find_selectivity(patterns), fit_gabor(patterns), colour)


def find_patterns(kernels: Array) -> Array:
    """What each kernel [height, width, channels, n] is like in space [n, height, width].

    The first principal component over its channels: the kernel itself where it has but one.
    """
    height, width, channels, number = kernels.shape
    if channels == 1:
        return jnp.moveaxis(kernels[:, :, 0], -1, 0)
    cells = jnp.moveaxis(kernels, -1, 0).reshape(number, height * width, channels)
    left, values, _ = jax.vmap(factorise)(cells)
    return (left[..., 0] * values[:, :1]).reshape(number, height, width)


def measure_colour(kernels: Array) -> Array:
    """The share [n] of the sum of squares of kernels [h, w, channels, n] that no grey one has."""
    grey = kernels.mean(axis=2, keepdims=True)
    return divide(((kernels - grey) ** 2).sum(axis=(0, 1, 2)), (kernels**2).sum(axis=(0, 1, 2)))


def find_selectivity(patterns: Array) -> Array:
    """How far the spectra of patterns [n, height, width] have one orientation [n], from 0 to 1.

    One less the circular variance (Ringach et al. 2002) of their power over angles of frequency.
    """
    size = max(SPECTRUM, 2 * max(patterns.shape[1:]))
    frequencies = np.fft.fftfreq(size)
    radius = np.hypot(frequencies[:, None], frequencies)
    angle = np.arctan2(frequencies[:, None], frequencies)
    counted = ((radius > BAND[0]) & (radius < BAND[1])).astype(np.float32)
    spectra = jnp.fft.fft2(_centre(patterns), (size, size))
    power = (spectra.real**2 + spectra.imag**2) * counted[None]
    waves = (own(2 * angle)[None].astype(np.float32) for own in (np.cos, np.sin))
    along, across = ((power * wave).sum(axis=(1, 2)) for wave in waves)
    return divide(jnp.hypot(along, across), power.sum(axis=(1, 2)))


def fit_gabor(patterns: Array) -> Array:
    """The share [n] of the variance of patterns [n, h, w] that the best Gabor function explains.

    Of any phase: a pair of them a quarter apart, of all that the tables above make. Of smooth
    noise too most is explained, the more the smaller the kernel, so that it tells little alone.
    """
    number, height, width = patterns.shape
    own = _centre(patterns).reshape(number, -1)
    pairs = jnp.asarray(make_gabors(height, width))
    products = jnp.einsum("mpk,nk->mpn", pairs, own, precision="highest")
    return divide((products**2).sum(axis=1).max(axis=0), (own**2).sum(axis=1))


def make_gabors(height: int, width: int) -> np.ndarray:
    """Gabor functions [m, 2, cells] of mean 0, each pair orthonormal."""
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    size = math.sqrt(height * width)
    angle, cycles, sigma, aspect, down, right = np.meshgrid(
        np.arange(ANGLES) * np.pi / ANGLES, FREQUENCIES, WIDTHS, ASPECTS, PLACES, PLACES,
        indexing="ij",
    )  # fmt: skip
    angle, cycles, sigma, aspect, down, right = (
        own.reshape(-1, 1) for own in (angle, cycles, sigma * size, aspect, down, right)
    )
    y = rows.ravel() - (height - 1) / 2 - down * height
    x = columns.ravel() - (width - 1) / 2 - right * width
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    envelope = np.exp(-((along / sigma) ** 2 + (across / (sigma * aspect)) ** 2) / 2)
    waves = [envelope * wave(2 * np.pi * cycles * along) for wave in (np.cos, np.sin)]
    even, odd = (own - own.mean(axis=1, keepdims=True) for own in waves)
    even, length = _normalise(even)
    odd, rest = _normalise(odd - (odd * even).sum(axis=1, keepdims=True) * even)
    kept = (np.minimum(length, rest) > THIN)[:, 0]
    return np.stack([even, odd], axis=1)[kept].astype(np.float32)


def _normalise(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(length, 1e-12), length


def _centre(patterns: Array) -> Array:
    return patterns - patterns.mean(axis=(1, 2), keepdims=True)


@register.measure("filters")
def measure_filters(
    model: models.Model, params: models.Params, stats: models.Stats, observed: Observed, key: Array
) -> dict[str, Array]:
    """How oriented, Gabor-like and coloured the kernels of the first layer are, on average.

    Nothing of kernels that are less than 3 cells high or wide.
    """
    kernels = find_kernels(model, params, stats)
    if kernels is None or min(kernels.shape[:2]) < LEAST:
        return {}
    return {name: own.mean() for name, own in describe_filters(kernels).scores.items()}
