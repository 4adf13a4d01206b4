"""What a finished run learned, as arrays: what a page of it shows."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from cnnjax.config import register
from cnnjax.config.config import structure_of
from cnnjax.config.datasets import Where
from cnnjax.config.errors import ConfigError
from cnnjax.data.batches import pad_batches
from cnnjax.data.pictures import Shown
from cnnjax.data.prepare import make_prepare
from cnnjax.data.source import Say, say_nothing, spread_places
from cnnjax.data.spec import DataSpec
from cnnjax.measures import filters, outcome, receptive, saliency, similarity
from cnnjax.measures.arithmetic import divide
from cnnjax.measures.observed import Observed, observe
from cnnjax.measures.units import see_units
from cnnjax.networks import cost, models
from cnnjax.runs.evaluate import match_pixels, open_dataset
from cnnjax.runs.run import Run

T = TypeVar("T")
SEED = 0  # of the weights that are no run's
CHANNELS = 8  # of a map that are shown, those that differ most between its cells
STEPS = 12  # of layers drawn anew, where a network has more


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
    """The kernels of the first layer; None where it has none, or of less than 3x3 cells."""
    kernels = filters.find_kernels(*subject.network)
    if kernels is None or min(kernels.shape[:2]) < filters.LEAST:
        return None
    return jax.device_get(filters.describe_filters(kernels))


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
    """Explanations of the answers to the images that are shown, and of the test they stand."""
    images, model = subject.prepare(subject.places), subject.model
    classes = subject.observed.logits[subject.places].argmax(axis=-1)
    key = jax.random.key(SEED)

    @jax.jit
    def explain(params: models.Params, stats: models.Stats) -> Any:
        return saliency.explain(model, params, stats, images, classes)

    pictures = jax.device_get(explain(subject.params, subject.stats))
    cascade = [*saliency.cascade(*subject.network, images[:1], key)]
    steps = [cascade[place] for place in spread_places(len(cascade), STEPS)]
    alike: dict[str, list[float]] = {name: [] for name in pictures}
    for _, params, stats in steps:
        for name, found in explain(params, stats).items():
            alike[name].append(float(saliency.compare(pictures[name], found).mean()))
    wanted = jax.jit(lambda images: saliency.find_differences(*subject.network, images, classes))
    differences = wanted(images)
    missed = pictures["saliency_integrated"].sum(axis=(1, 2)) - differences
    error = saliency.find_error(missed, differences, jnp.ones(len(missed)))
    scores = {name: own[-1] for name, own in alike.items() if own}
    scores["saliency_completeness"] = float(error)
    shown = [
        _show(subject, at, {name: picture[at] for name, picture in pictures.items()})
        for at in range(len(images))
    ]
    return Explained(shown, scores, alike, [layer for layer, _, _ in steps])


def measure(subject: Subject, name: str) -> dict[str, Any]:
    """The scores of a measure, as a record has them."""
    make, key = register.find("measure", name).make, jax.random.key(SEED)
    found = jax.device_get(_compute(subject, lambda *given: make(*given, key)))
    finished = outcome.finish_measure(name, found, subject.observed.spec)
    return {key: own if isinstance(own, dict) else float(own) for key, own in finished.items()}


def _compute(subject: Subject, find: Callable[..., T]) -> T:
    """What a function of a network and of what is observed of it gives, compiled."""
    observed = subject.observed

    @jax.jit
    def compiled(params: models.Params, stats: models.Stats, arrays: Any) -> Any:
        whole = arrays._replace(spec=observed.spec, prepare=observed.prepare)
        return find(subject.model, params, stats, whole)

    arrays: Any = observed._replace(spec=None, prepare=None)
    return compiled(subject.params, subject.stats, arrays)


def look_at_field(subject: Subject) -> Field | None:
    """The effective receptive field of the last map, of mean weights; None without a map."""
    side = receptive.find_side(*subject.network, subject.prepare(subject.places[:1]))
    if side is None:
        return None
    weights = _compute(subject, receptive.average_weights)
    return Field(
        np.asarray(divide(weights, weights.max())), float(receptive.measure_side(weights)), side
    )


def look_at_similarity(subjects: Sequence[Subject]) -> list[Alike]:
    """CKA between all layers of the first run, and between its layers and those of each other.

    Raises ConfigError where runs have other test images than the first.
    """
    first = subjects[0]
    for other in subjects[1:]:
        if not (
            other.run.config.dataset == first.run.config.dataset
            and np.array_equal(other.labels, first.labels)
        ):
            raise ConfigError(
                f"{other.run.path} has other test images than {first.run.path}: compare runs of one"
                " data set"
            )
    products = [_compute(subject, similarity.find_centered) for subject in subjects]
    names = [str(subject.run.path or "run") for subject in subjects]
    compare, rows = jax.jit(similarity.compare_products), products[0]
    return [
        Alike((names[0], name), [*rows], [*columns], np.asarray(compare(rows, columns)))
        for name, columns in zip(names, products, strict=True)
        if rows and columns
    ]
