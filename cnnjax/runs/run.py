"""A finished run: its scores, its network, and what that says of images."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from cnnjax.config.config import Config, settings_of, structure_of, to_json
from cnnjax.config.datasets import Where
from cnnjax.config.knobs import ConfigError, format_value
from cnnjax.config.mesh import AUTO
from cnnjax.data import transform
from cnnjax.data.prepare import make_prepare
from cnnjax.networks import cost, models
from cnnjax.networks.models import Params, Stats
from cnnjax.records import predictions, weights
from cnnjax.records.atomic import write_json
from cnnjax.records.plugins import hash_files
from cnnjax.records.predictions import Predictions
from cnnjax.runs import picture, result
from cnnjax.runs.images import check_images
from cnnjax.runs.train import train_in_memory
from cnnjax.sweep import final
from cnnjax.sweep.final import Final, Input
from cnnjax.sweep.observer import QUIET, Observer

AT_ONCE = 256  # images


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Run:
    """One finished run, wherever it was trained."""

    config: Config
    scores: dict[str, Any]  # of the test split and of validation, by name; None where it failed
    metrics: list[dict[str, Any]]  # the learning curve: one dict an evaluation
    final: Final | None  # its network; None where the weights were not kept
    record: dict[str, Any]  # all that result.json or record.json says; empty where there is none
    predictions: Predictions | None = None  # on the test images; None where it failed
    path: pathlib.Path | None = None  # its folder, if it has one

    @property
    def params(self) -> Params:
        """Arrays by layer and name."""
        return self.network.params

    @property
    def stats(self) -> Stats:
        """What the network keeps besides: running averages, kernels that stay fixed."""
        return self.network.stats

    @property
    def input(self) -> Input:
        """What the network takes and gives."""
        return self.network.input

    @property
    def network(self) -> Final:
        """Raises ConfigError where its weights were not kept."""
        if self.final is None:
            raise ConfigError(describe_missing(self.path or pathlib.Path()))
        return self.final

    @property
    def temperature(self) -> float | None:
        """What calibrates its probabilities, as validation says; None where nobody asked that.

        Nor is it known of other weights than those that were scored: the last, or with --patience
        the best.
        """
        step = self.final.step if self.final else None
        judged = self.scores.get("best_step", self.config.last_step)
        return None if step not in (None, judged) else self.scores.get("temperature")

    def predict(self, images: ArrayLike, calibrated: bool = False) -> np.ndarray:
        """Probabilities [N, classes] float32, a row an image, in the order of `class_names`.

        Images are [N, height, width, channels] as the data set stores them, of bytes or of floats
        in the same range: they are standardised here, as in training. Where `calibrated` is asked
        for, the logits are first divided by `temperature` (Guo et al. 2017). Raises ConfigError on
        images of another shape or range, and where there is no temperature.
        """
        images = check_images(images, self.input.image_shape, self.input.pixels.low)
        if self.config.permute_pixels:
            images = transform.permute_pixels(images)
        found = self.answer(images)
        return calibrate(found, self.temperature) if calibrated else found

    def answer(self, images: np.ndarray) -> np.ndarray:
        """As `predict`, of images as the run sees those of its data set: in its order of pixels."""
        if not len(images):
            return np.empty((0, self.input.num_classes), np.float32)
        outside = tuple((hash_files(self.config) or {}).items())
        apply = _compile(
            structure_of(self.config), self.input.image_shape, self.input.num_classes, outside
        )
        prepare = make_prepare(self.config, self.input.pixels.mean, self.input.pixels.std)
        size = min(AT_ONCE, 1 << (len(images) - 1).bit_length())  # few shapes are compiled
        found = []
        for start in range(0, len(images), size):
            some = np.asarray(prepare(images[start : start + size]))
            filled = np.pad(some, [(0, size - len(some)), (0, 0), (0, 0), (0, 0)])
            found.append(np.asarray(apply(self.params, self.stats, filled))[: len(some)])
        return np.concatenate(found)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of the columns of `predict`."""
        if self.final is None:
            return tuple(self.record.get("provenance", {}).get("class_names", ()))
        return self.input.class_names or tuple(map(str, range(self.input.num_classes)))

    def save(self, path: str | pathlib.Path) -> pathlib.Path:
        """Writes the run to a new folder, which `load_run` opens; gives its path.

        Raises ConfigError where the folder holds something.
        """
        folder = pathlib.Path(path)
        require_new(folder)
        final.save(folder, self.config, self.network)
        write_json(folder / "config.json", to_json(self.config))
        files = result.write_lines(folder, self.metrics)
        files |= predictions.write(folder, self.predictions) if self.predictions else {}
        provenance = {**self.record.get("provenance", {}), "files": files}
        write_json(folder / "provenance.json", provenance)
        result.write(folder, {**self.scores, **self.record, "provenance": provenance})
        return folder

    def export(self, path: str | pathlib.Path, format: str = "stablehlo") -> pathlib.Path:
        """Writes the network to a new folder as a file that needs no cnnjax; gives its path.

        `format` is stablehlo or onnx; see `runs/export.py`, and there for what it raises.
        """
        from cnnjax.runs import export  # which imports this file

        return export.export_run(self, pathlib.Path(path), format).folder

    def __repr__(self) -> str:
        return f"Run({describe(self.config)}: {describe_scores(self.scores)})"

    def _repr_html_(self) -> str:
        """The run as a notebook shows it."""
        return picture.show_run(describe(self.config), describe_scores(self.scores), self.metrics)


def train(config: Config, where: Where, observer: Observer = QUIET, mesh: str = AUTO) -> Run:
    """One run that leaves no file. Raises as `train_run` does."""
    own, record = train_in_memory(config, where, observer, mesh)
    assert own.final is not None
    return make_run(config, record, own.metrics, own.final, own.predictions)


def require_new(folder: pathlib.Path) -> None:
    """Raises ConfigError where a folder holds something, or is a file."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is there already: name a new folder")


def describe_missing(folder: pathlib.Path, keep: str = "final") -> str:
    """Why weights cannot be opened."""
    if not folder.is_dir():
        return f"{folder} is no folder of a run"
    if not any((folder / name).exists() for name in ("config.json", "record.json")):
        return f"{folder} holds no run: it has neither config.json nor record.json"
    return (
        f"{folder} holds no {weights.NAMES[keep]}: the run is not done, or was made with another"
        f" --keep; its command with --keep={keep} writes it"
    )


def make_run(
    config: Config, record: dict[str, Any], metrics: list[dict[str, Any]], own: Final | None,
    answers: Predictions | None, folder: pathlib.Path | None = None,
) -> Run:  # fmt: skip
    """A run of what its files, or its training, say."""
    scores = {**record.get("scores", record)}
    for name in ("by_image", "provenance", result.KEY):
        scores.pop(name, None)
    return Run(config, scores, metrics, own, record, answers, folder)


def calibrate(probabilities: np.ndarray, temperature: float | None) -> np.ndarray:
    """Probabilities [N, classes] of logits divided by a temperature. Raises ConfigError on None."""
    if temperature is None:
        raise ConfigError("the run has no temperature, by which probabilities are calibrated")
    tiny = np.finfo(np.float32).tiny
    logits = np.log(np.maximum(probabilities, tiny)).astype(np.float64) / temperature
    found = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (found / found.sum(axis=-1, keepdims=True)).astype(np.float32)


@functools.lru_cache(maxsize=16)
def _compile(
    structure: Config, shape: tuple[int, int, int], num_classes: int,
    outside: tuple[tuple[str, str], ...],
) -> Callable:  # fmt: skip
    """Parameters, statistics and standardised images to probabilities, compiled when called.

    `outside` are the hashes of what the structure names from outside: a cell that runs again makes
    another network of the same structure.
    """
    network = cost.find_network(structure, shape, num_classes)
    model = models.make_model(network, shape, num_classes, jax.default_backend())

    @jax.jit
    def apply(params: Params, stats: Stats, images: jax.Array) -> jax.Array:
        with jax.default_matmul_precision(structure.precision):
            return models.probabilities(models.answer(model, params, stats, jnp.asarray(images)))

    return apply


def describe(config: Config) -> str:
    """A run in a line: what of it is not by default."""
    own = settings_of(config)
    words = [f"{name}={format_value(value)}" for name, value in own.items()]
    return " ".join([config.model, "on", config.dataset, *words[:12]])


def describe_scores(scores: Mapping[str, Any]) -> str:
    """What a run reached, in words."""
    if scores.get("test_accuracy") is None:
        return "failed" if scores.get("failed") else "not scored"
    failed = ", failed" if scores.get("failed") else ""
    return f"test accuracy {100 * scores['test_accuracy']:.2f}%{failed}"
