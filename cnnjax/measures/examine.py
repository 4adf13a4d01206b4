"""What is measured on a finished run, on the device: what always is, and what is asked for."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from cnnjax.config import guard, register
from cnnjax.config.config import Config
from cnnjax.config.errors import ConfigError
from cnnjax.data.batches import Batches
from cnnjax.data.prepare import Prepare
from cnnjax.data.spec import DataSpec
from cnnjax.measures import (
    activity,
    answers,
    calibration,
    curvature,
    dead_units,
    filters,
    last_layer,
    probes,
    probes_of_heads,
    receptive,
    robustness,
    saliency,
    similarity,
)
from cnnjax.measures.observed import Observed, Training, observe
from cnnjax.networks import models

# Where measures are declared: a new file joins here, and so what decides a lane's numbers.
HOMES = (
    answers, calibration, last_layer, robustness, dead_units, curvature, filters, probes,
    probes_of_heads, activity, saliency, receptive, similarity,
)  # fmt: skip
SEED = 0  # fixed: every run is measured with the same draws
# `measures` has what each measure found, by its name and then by that of a score; `validation` the
# right answers [validation examples]; `predicted` and `probability` the class that each test image
# is taken for, and how surely [test examples], padding among them.
Examination = dict[str, Any]


def list_measures(
    structure: Config, at_start: bool = False, of_training: bool = False
) -> list[str]:
    """The measures of a finished run by test images, as they are declared.

    Or those of a run before its first step, or of the finished one, by its training images.

    Raises ConfigError where one that is asked for is declared in a file that nothing imports.
    """
    known = register.CHOICES["measure"].items()
    for name in structure.measure:
        if name not in register.CHOICES["measure"]:
            raise ConfigError(f"--measure={name}: its file is not in HOMES of measures/examine.py")
    asked = [(name, own) for name, own in known
             if own.traits["always"] or name in structure.measure]  # fmt: skip
    stage = {"at_start": at_start, "of_training": of_training}
    return [name for name, own in asked if all(own.traits.get(k, False) == v
                                               for k, v in stage.items())]  # fmt: skip


def make_examine(
    structure: Config, model: models.Model, spec: DataSpec, prepare: Prepare
) -> Callable[..., Examination]:
    """`examine(params, stats, validation, test)` of a run; the test split is read here only."""

    def examine(
        params: models.Params, stats: models.Stats, validation: Batches, test: Batches
    ) -> Examination:
        observed = observe(model, params, stats, validation, test, spec, prepare)
        key = jax.random.key(SEED)
        found = {
            name: measure(name, model, params, stats, observed, key)
            for name in list_measures(structure)
        }
        check(found, len(observed.labels))
        answers = observed.validation_logits.argmax(axis=-1)
        # Apart from all else, which is then rounded as without it.
        logits = lax.optimization_barrier(observed.logits)
        return {
            "measures": found,
            "validation": answers == validation.labels.reshape(-1),
            "predicted": logits.argmax(axis=-1),
            "probability": models.probabilities(logits).max(axis=-1),
        }

    return examine


def sees_training(structure: Config) -> bool:
    """Whether some measure of a run reads its own training images."""
    return any(list_measures(structure, **{stage: True}) for stage in ("at_start", "of_training"))


def examine_training(
    structure: Config, model: models.Model, first: tuple[models.Params, models.Stats],
    last: tuple[models.Params, models.Stats], training: Training,
) -> dict[str, dict[str, Array]]:  # fmt: skip
    """What measures find by training images, by their names and then by scores.

    Of what a network has, parameters and statistics, before its first step and behind its last.
    """
    key, found = jax.random.key(SEED), {}
    for stage, own in (("at_start", first), ("of_training", last)):
        for name in list_measures(structure, **{stage: True}):
            found[name] = register.find("measure", name).make(model, *own, training, key)
    return found


def measure(
    name: str,
    model: models.Model,
    params: models.Params,
    stats: models.Stats,
    observed: Observed,
    key: Array,
) -> dict[str, Array]:
    """What a measure finds; one of logits and labels is computed from these in `outcome.finish`."""
    own = register.find("measure", name)
    if own.traits["of_logits"]:
        return {"logits": observed.logits.astype(jnp.float32).T, "labels": observed.labels}
    return own.make(model, params, stats, observed, key)


def check(found: Mapping[str, Mapping[str, Any]], num_images: int) -> None:
    """Raises ValueError where a measure gives what is neither one number nor one by image, and
    where two give one score.
    """  # fmt: skip
    givers: dict[str, str] = {}
    for name, own in found.items():
        for score, value in own.items():
            if value.ndim and value.shape[-1] != num_images:
                raise guard.mistake(
                    register.find("measure", name),
                    f"measure {name}: {score} has shape {value.shape}: give one number, or one for"
                    f" each of the {num_images} test images, padding among them, on the last axis",
                )
            traits = register.find("measure", name).traits
            is_score = traits["finish"] is None and not traits["of_logits"]
            if is_score and givers.setdefault(score, name) != name:
                said = f"measures {givers[score]} and {name} both give {score}"
                raise guard.mistake(register.find("measure", name), said)
