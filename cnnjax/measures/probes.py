"""What can be read linearly off each layer of a network (Alain and Bengio 2016).

A probe is a ridge regression on what a layer says: fitted on the validation images, which the
network never saw, and scored on the test images. Its ridge is the one of least squared error where
each image in turn is left out.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from cnnjax.config import register
from cnnjax.data.batches import Batches
from cnnjax.data.source import spread_places
from cnnjax.data.spec import DataSpec
from cnnjax.measures.arithmetic import factorise
from cnnjax.measures.observed import Observed
from cnnjax.measures.units import Units, read_numbered, see_units, write_numbered
from cnnjax.networks import models

RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)  # times the number of images, of standardised features
ROUNDING = 1e-5  # of a mean, below which a deviation is none
MOST = 10_000  # images to fit to, and as many to score
TINY = 1e-6  # of what an image leaves to the others
WHOLE, PART = "probe ", "part probe "  # of a layer


class Features(NamedTuple):
    """What a layer says of images, and which of these are no padding."""

    values: Array  # [n, features]
    mask: Array  # [n] of 1 and 0


class Probe(NamedTuple):
    """A linear reading of features."""

    mean: Array  # [1, features]
    scale: Array  # [1, features]
    kernel: Array  # [features, targets]
    bias: Array  # [1, targets]
    ridge: Array  # the one that was chosen

    def __call__(self, values: Array) -> Array:
        """The targets of features [n, features]."""
        standard = (values - self.mean) / self.scale
        return jnp.matmul(standard, self.kernel, precision="highest") + self.bias


def measure(features: Features) -> tuple[Array, Array]:
    """Mean and deviation [1, features] of the images that are no padding; infinite of what is
    constant, which then says nothing of others either.
    """  # fmt: skip
    weight, number = features.mask[:, None], features.mask.sum()
    mean = (features.values * weight).sum(axis=0, keepdims=True) / number
    variance = (((features.values - mean) ** 2) * weight).sum(axis=0, keepdims=True) / number
    varies = variance > (ROUNDING * mean) ** 2  # what is constant varies by its rounding
    return mean, jnp.where(varies, jnp.sqrt(jnp.where(varies, variance, 1.0)), jnp.inf)


def fit_probe(features: Features, targets: Array) -> Probe:
    """The ridge regression of targets [n, targets] on features, each standardised first."""
    (probe,) = fit_probes(features, [targets])
    return probe


def fit_probes(features: Features, targets: Sequence[Array]) -> list[Probe]:
    """One of each of several targets [n, targets], each with a ridge of its own.

    By its singular values: of ridge r the squares s^2 weigh s^2 / (s^2 + r), and an image that is
    left out errs by its residual over one less its leverage.
    """
    values, mask = features
    weight, number = mask[:, None], mask.sum()
    mean, scale = measure(features)
    standard, ridges = (values - mean) / scale * weight, jnp.asarray(RIDGES) * number
    left, singular, right = factorise(standard)

    def fit(own: Array) -> Probe:
        bias = (own * weight).sum(axis=0, keepdims=True) / number
        centred = (own - bias) * weight
        squares, along = singular**2, left.T @ centred

        def leave_out(ridge: Array) -> Array:
            share = squares / (squares + ridge)
            rest = jnp.maximum(1 - (left**2 @ share + 1 / number), TINY)
            errors = (centred - left @ (share[:, None] * along)) / rest[:, None]
            return (errors**2 * weight).sum()

        ridge = ridges[lax.map(leave_out, ridges).argmin()]
        kernel = right.T @ ((singular / (squares + ridge))[:, None] * along)
        return Probe(mean, scale, kernel, bias, ridge)

    with jax.default_matmul_precision("highest"):
        return [fit(own) for own in targets]


def summarise(units: Array) -> Array:
    """Of maps [n, H, W, C] the largest and the mean by channel [n, 2 C]; units [n, C] as they are.

    So that nothing counts but whether something is there, and how much, wherever it is.
    """
    if units.ndim == 2:
        return units
    axes = tuple(range(1, units.ndim - 1))
    return jnp.concatenate([units.max(axis=axes), units.mean(axis=axes)], axis=1)


def take(batches: Batches, most: int | None = None) -> Batches:
    """All batches, or of a large split some from all over it, with `most` (MOST) images or so."""
    number, size = batches.labels.shape
    places = spread_places(number, max((most or MOST) // size, 1))
    return jax.tree.map(lambda own: own[places], batches)


def see_features(
    model: models.Model, params: models.Params, stats: models.Stats, observed: Observed,
    batches: Batches,
) -> dict[str, Features]:  # fmt: skip
    """What each layer says of images, as `summarise` makes features of its units."""

    def see(batch: Batches) -> Units:
        _, seen = see_units(model, params, stats, observed.prepare(batch.images))
        return OrderedDict((name, summarise(own.astype(jnp.float32))) for name, own in seen.items())

    mask = batches.mask.reshape(-1)
    return {
        name: Features(own.reshape(len(mask), own.shape[-1]), mask)
        for name, own in lax.map(see, batches).items()
    }


def score_classes(probe: Callable[[Array], Array], features: Features, labels: Array) -> Array:
    """The share of images whose class [n] is the one that a probe reads."""
    right = probe(features.values).argmax(axis=-1) == labels
    return share_of(right.astype(jnp.float32), features)


def share_of(right: Array, features: Features) -> Array:
    """The mean [] over images that are no padding."""
    return (right * features.mask).sum() / features.mask.sum()


def score_parts(probe: Probe, features: Features, parts: Array) -> Array:
    """The share of answers, whether an image has a part [n, parts], that a probe gives rightly."""
    right = (probe(features.values) > 0.5) == (parts > 0.5)
    return share_of(right.astype(jnp.float32).mean(axis=-1), features)


def finish(found: Mapping[str, np.ndarray], spec: DataSpec) -> dict[str, Any]:
    """What the first layer, the last and the whole way between them score, and each by name."""
    scores: dict[str, Any] = {}
    for start, name in ((WHOLE, "probe"), (PART, "probe_parts")):
        if own := read_numbered(start, found):
            first, last = (tuple(own.values())[place] for place in (0, -1))
            scores |= {f"{name}_first": first, f"{name}_last": last, f"{name}_rise": last - first}
            scores[f"{name}_by_layer"] = own
    return scores


@register.measure("probes", finish=finish)
def measure_probes(
    model: models.Model, params: models.Params, stats: models.Stats, observed: Observed, key: Array
) -> dict[str, Array]:
    """How well the class is read linearly off each layer, and where it has parts, each of these."""
    spec, splits = observed.spec, (take(observed.validation), take(observed.test))
    fitted, scored = (see_features(model, params, stats, observed, own) for own in splits)
    known, labels = (own.labels.reshape(-1) for own in splits)
    targets = [jax.nn.one_hot(known, spec.num_classes)]
    parts = None if spec.parts is None else jnp.asarray(spec.parts, jnp.float32)
    targets += [] if parts is None else [parts[known]]
    whole, part = {}, {}
    for name, features in fitted.items():
        probe, *others = fit_probes(features, targets)
        whole[name] = score_classes(probe, scored[name], labels)
        for other in others:
            assert parts is not None
            part[name] = score_parts(other, scored[name], parts[labels])
    return {**write_numbered(WHOLE, whole), **write_numbered(PART, part)}
