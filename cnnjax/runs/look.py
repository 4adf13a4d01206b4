"""What a finished run learned, as arrays: what a page of it shows."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cnnjax.config import register
from cnnjax.config.config import structure_of
from cnnjax.config.datasets import Where
from cnnjax.data.batches import pad_batches
from cnnjax.data.pictures import Shown
from cnnjax.data.prepare import make_prepare
from cnnjax.data.source import Say, say_nothing
from cnnjax.data.spec import DataSpec
from cnnjax.measures import filters, receptive, saliency, similarity
from cnnjax.measures.observed import Observed, observe
from cnnjax.measures.units import see_units
from cnnjax.networks import cost, models
from cnnjax.runs.evaluate import match_pixels, open_dataset
from cnnjax.runs.run import Run

SEED = 0  # of the weights that are no run's
CHANNELS = 8  # of a map that are shown, those that differ most between its cells
COMPARED = 256  # images by which layers are compared
FIELD = 64  # images over which a receptive field is averaged


class Subject(NamedTuple):
    """A run with its network and its images, as measures are given them."""

    run: Run
    model: models.Model
    params: models.Params
    stats: models.Stats
    observed: Observed
    images: np.ndarray  # [n, H, W, C] test images, as stored
    labels: np.ndarray  # [n] the run's classes
    places: np.ndarray  # [k] of those that are shown

    @property
    def network(self) -> tuple[models.Model, models.Params, models.Stats]:
        """What every measure is given first."""
        return self.model, self.params, self.stats

    def prepare(self, places: Any) -> jax.Array:
        """Test images as the network takes them."""
        return self.observed.prepare(jnp.asarray(self.images[places]))

    def name(self, label: int) -> str:
        """The name of a class."""
        return self.run.class_names[int(label)]


class Explained(NamedTuple):
    """Explanations of answers, and how they stand the test of weights that nobody trained."""

    shown: list[Shown]
    scores: dict[str, float]  # the measure's
    # How like each explanation is to that of the trained network, the more layers are drawn anew.
    cascade: dict[str, list[float]]
    layers: list[str]  # drawn anew from the logits downward


class Field(NamedTuple):
    """How much each pixel weighs in the middle of the last map."""

    weights: np.ndarray  # [H, W], the largest being 1
    side: float  # in pixels, of what weighs
    most: float  # in pixels, of what could


class Alike(NamedTuple):
    """How alike layers see the same images (CKA)."""

    names: tuple[str, str]  # of the runs
    rows: list[str]  # layers of the first
    columns: list[str]  # and of the second
    values: np.ndarray  # [rows, columns]


def open_subject(
    run: Run, where: Where, count: int, dataset: str | None = None, say: Say = say_nothing
) -> Subject:
    """A run with the images of its data set, or of another of its classes.

    `count` of the test images are shown: the first of each class in turn. Raises ConfigError as
    `evaluate` does, and where the weights of the run were not kept.
    """
    own, opened = run.network, open_dataset(run, dataset, where, say)
    data, order = opened.dataset, np.asarray(opened.order)
    shape, classes, pixels = run.input.image_shape, run.input.num_classes, run.input.pixels
    structure = structure_of(run.config)
    network = cost.find_network(structure, shape, classes)
    model = models.make_model(network, shape, classes, jax.default_backend())
    prepare = make_prepare(run.config, pixels.mean, pixels.std)
    spec = DataSpec(
        shape, classes, data.num_train, **pixels._asdict(),
        positions=data.positions, parts=data.parts,
    )  # fmt: skip
    splits = {
        name: (match_pixels(run, own.images, data.name, say), order[own.labels].astype(np.int32))
        for name, own in (("validation", data.validation), ("test", data.test))
    }

    @jax.jit
    def see(params: Any, stats: Any, validation: Any, test: Any) -> Any:
        found = observe(model, params, stats, validation, test, spec, prepare)
        return found._replace(spec=None, prepare=None)

    params, stats = (jax.tree.map(jnp.asarray, tree) for tree in (own.params, own.stats))
    observed = see(
        params, stats, *(jax.tree.map(jnp.asarray, pad_batches(*own)) for own in splits.values())
    )
    return Subject(
        run, model, params, stats, observed._replace(spec=spec, prepare=prepare),
        *splits["test"], choose_places(splits["test"][1], count),
    )  # fmt: skip


def choose_places(labels: np.ndarray, count: int) -> np.ndarray:
    """So many places of labels [n]: the first image of each class in turn, then the second, ..."""
    turns = np.zeros(len(labels), int)
    seen: dict[int, int] = {}
    for place, label in enumerate(labels.tolist()):
        turns[place] = seen[label] = seen.get(label, -1) + 1
    return np.lexsort((labels, turns))[:count]


def look_at_filters(subject: Subject) -> filters.Filters | None:
    """The kernels of the first layer; None where it has none."""
    kernels = filters.find_kernels(*subject.network)
    return None if kernels is None else jax.device_get(filters.describe_filters(kernels))


def look_at_maps(subject: Subject) -> list[Shown]:
    """What the layers make of each image that is shown: of each map the channels of most contrast.

    Side by side, [H, CHANNELS x W]; units of a layer without maps are one row.
    """
    _, seen = jax.device_get(
        jax.jit(lambda images: see_units(*subject.network, images))(subject.prepare(subject.places))
    )
    return [
        _show(subject, at, {name: spread_channels(units[at]) for name, units in seen.items()})
        for at in range(len(subject.places))
    ]


def spread_channels(units: np.ndarray) -> np.ndarray:
    """The channels of most contrast of a map [H, W, C] side by side, or units [C] in a row."""
    units = np.asarray(units, np.float32)
    if units.ndim != 3:
        return units.reshape(1, -1)
    order = np.argsort(-units.std(axis=(0, 1)), kind="stable")[:CHANNELS]
    gap = np.full((len(units), 1), np.nan, np.float32)
    tiles = [tile for channel in sorted(order) for tile in (units[:, :, channel], gap)]
    return np.concatenate(tiles[:-1], axis=1)


def _show(subject: Subject, at: int, pictures: dict[str, np.ndarray]) -> Shown:
    place = int(subject.places[at])
    answer = int(np.asarray(subject.observed.logits[place]).argmax())
    return Shown(
        place, subject.name(subject.labels[place]), subject.name(answer),
        np.asarray(subject.images[place]), pictures,
    )  # fmt: skip


def look_at_saliency(subject: Subject) -> Explained:
    """Explanations of the answers to the images that are shown, and of the test they stand.

    Scores are those of the measure, of the same images: the first of the test split.
    """
    size, logits, model = saliency.IMAGES, subject.observed.logits, subject.model

    @jax.jit  # once, for as many images as the measure has
    def explain(params: models.Params, stats: models.Stats, images: Any, classes: Any) -> Any:
        return saliency.explain(model, params, stats, images, classes)

    def see(params: models.Params, stats: models.Stats, places: np.ndarray) -> Any:
        filled = np.resize(places, size)
        found = explain(params, stats, subject.prepare(filled), logits[filled].argmax(axis=-1))
        return {name: own[: len(places)] for name, own in jax.device_get(found).items()}

    key = jax.random.key(SEED)
    own, first = subject.params, subject.stats
    pictures = see(own, first, subject.places)
    alike: dict[str, list[float]] = {name: [] for name in pictures}
    layers = []
    for layer, params, stats in saliency.cascade(*subject.network, subject.prepare([0]), key):
        layers.append(layer)
        for name, found in see(params, stats, subject.places).items():
            alike[name].append(float(saliency.compare(pictures[name], found).mean()))
    shown = [
        _show(subject, at, {name: picture[at] for name, picture in pictures.items()})
        for at in range(len(subject.places))
    ]
    return Explained(shown, _score(subject, see), alike, layers)


def _score(subject: Subject, see: Callable[..., Any]) -> dict[str, float]:
    """As `saliency.measure_saliency`, by what explains the images at some places."""
    places = np.arange(min(saliency.IMAGES, len(subject.images)))
    images, classes = subject.prepare(places), subject.observed.logits[places].argmax(axis=-1)
    drawn = subject.model.init(jax.random.key(SEED))
    own, other = (see(*each, places) for each in ((subject.params, subject.stats), drawn))
    scores = {name: float(saliency.compare(own[name], other[name]).mean()) for name in own}
    wanted = jax.jit(lambda images: saliency.find_differences(*subject.network, images, classes))
    differences = np.asarray(wanted(images))
    missed = own["saliency_integrated"].sum(axis=(1, 2)) - differences
    size = float(np.sqrt((differences**2).mean()))
    relative = float(np.sqrt((missed**2).mean())) / size if size else 0.0
    return {**scores, "saliency_completeness": relative}


def measure(subject: Subject, name: str) -> dict[str, Any]:
    """The scores of a measure, as a record has them."""
    own, observed = register.find("measure", name), subject.observed

    @jax.jit
    def find(params: Any, stats: Any, arrays: Any) -> Any:
        whole = arrays._replace(spec=observed.spec, prepare=observed.prepare)
        return own.make(subject.model, params, stats, whole, jax.random.key(SEED))

    arrays = observed._replace(spec=None, prepare=None)
    found = jax.device_get(find(subject.params, subject.stats, arrays))
    finish = own.traits["finish"] or (lambda found, spec: jax.tree.map(float, found))
    return dict(finish(found, observed.spec))


def look_at_field(subject: Subject) -> Field | None:
    """The effective receptive field of the last map, of mean weights; None without a map."""
    images = subject.prepare(slice(FIELD))
    weights = jax.jit(lambda images: receptive.find_weights(*subject.network, images))(images)
    side = receptive.find_side(*subject.network, images)
    if weights is None or side is None:
        return None
    mean = np.asarray(weights.mean(axis=0))
    return Field(mean / max(float(mean.max()), 1e-30), float(receptive.measure_side(mean)), side)


def look_at_probes(subject: Subject) -> dict[str, Any]:
    """How well classes, and parts where they have any, are read off each layer."""
    return measure(subject, "probes")


def look_at_similarity(subjects: Sequence[Subject]) -> list[Alike]:
    """CKA between all layers of the first run, and between its layers and those of each other."""
    images = subjects[0].images[:COMPARED]

    def find(subject: Subject) -> Any:
        own = subject.observed.prepare(jnp.asarray(images))
        return jax.jit(lambda images: similarity.find_features(*subject.network, images))(own)

    features = [find(subject) for subject in subjects]
    names = [str(subject.run.path or "run") for subject in subjects]
    compare = jax.jit(similarity.compare_layers)
    return [
        Alike((names[0], name), [*features[0]], [*other], np.asarray(compare(features[0], other)))
        for name, other in zip(names, features, strict=True)
    ]
