"""What a study may compare: how each metric is read from a record, and how it is shown.

A metric is a function of a record below `@register.metric("name", ...)`; what is alike is declared
in a loop. One of logits and labels stands in a file of `measures`, for it decides what is trained
to be measured: only what its decorator says is read here.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cnnjax.config import guard, hints, naming, register
from cnnjax.config.absent import Absent
from cnnjax.config.errors import ConfigError
from cnnjax.config.measured import FACTS
from cnnjax.config.naming import RECALL
from cnnjax.config.register import Choice
from cnnjax.records.packed import unpack_values
from cnnjax.records.record import Record
from cnnjax.study import curves  # which declares those of how a run went
from cnnjax.study.classes import find_class, name_class
from cnnjax.study.ratios import kept_by_image

Images = Callable[[Record], np.ndarray | None]
CORRUPTIONS = register.read_home("corruption")  # by kind


class Metric(NamedTuple):
    """One number a run. `share` is shown in per cent, its differences in points."""

    label: str
    margin: float  # differences below this do not matter, unless a study says otherwise
    read: Callable[[Record], float]  # NaN where the run failed
    share: bool
    unit: str  # of what is no share
    resolution: Callable[[Record], float]  # least step between two scores
    # What the metric is the mean of [images], NaN for images that do not count; None where it is
    # no such mean, or was not kept.
    images: Images
    counts_failures: bool
    measure: str  # what a lane is measured by for it, where that must be asked for


def find(name: str) -> Metric:
    """The metric of that name; `test_recall_3` is the recall of class 3, `test_recall_cat` that of
    the class cat. Raises ConfigError, with the nearest name, where there is none.
    """  # fmt: skip
    asked = name.removeprefix(RECALL)
    if asked != name and asked and asked == name_class(asked):
        return _recall(asked)
    facts = register.read_home("metric").get(name)
    if facts is not None:
        return _of_logits(name, facts.facts)
    _declare_areas()
    own = register.CHOICES["metric"].get(name)
    measure = register.CHOICES["measure"].get(name)
    if own is None and measure is not None and isinstance(measure.make, Absent):
        measure.make()
    if own is None:
        hint = hints.suggest(name, list_names(), f"give {', '.join(list_names())}")
        raise ConfigError(f"there is no metric {name}: {hint}")
    if "of_logits" in own.traits:
        return _of_logits(name, own.traits)
    return _of_record(name, own)


def list_names() -> tuple[str, ...]:
    """The metrics that there are, but for recalls."""
    _declare_areas()
    return register.names("metric")


def list_measures(names: Iterable[str]) -> tuple[str, ...]:
    """What must be measured for these metrics besides what always is."""
    return tuple(sorted({find(name).measure for name in names} - {""}))


def check_given(name: str, records: Sequence[Record]) -> None:
    """Raises PluginError where a metric from outside has nothing to say of any finished run."""
    own = register.CHOICES["metric"].get(name)
    done = [record for record in records if not record.failed]
    if own is None or not own.source or "of_logits" in own.traits or not done:
        return
    if all(own.make(record) is None for record in done):
        raise guard.mistake(own, f"metric {name} gives None of every run: return a number")


def check_classes(names: Iterable[str], class_names: Sequence[str]) -> None:
    """Raises ConfigError where a metric is the recall of a class that these are without."""
    asked = [name.removeprefix(RECALL) for name in names if name.startswith(RECALL)]
    if beyond := [own for own in asked if find_class(own, class_names) >= len(class_names)]:
        raise ConfigError(f"{RECALL}{beyond[0]}: there are {len(class_names)} classes, from 0 on")


def _of_record(name: str, own: Choice) -> Metric:
    """The metric that a function of a record is.

    Of a failed run it is not asked, unless it counts such or reads what they still say.
    """
    traits: dict[str, Any] = dict(own.traits)
    given: Any = traits.pop("resolution")
    by_image, make = traits.pop("by_image"), own.make
    of_failed = traits["counts_failures"] or name in (*FACTS, *curves.OF_FACTS)

    def run(record: Record, make: Callable[[Record], Any] = make) -> Any:
        return make(record) if of_failed or not record.failed else None

    if by_image is True:
        return Metric(
            **traits, images=run, read=lambda record: _mean(run(record)),
            resolution=lambda record: max(given, _step(run(record))),
        )  # fmt: skip

    def read(record: Record) -> float:
        value = run(record)
        return math.nan if value is None else float(value)

    step: Any = given if callable(given) else lambda record: given
    images = (lambda record: run(record, by_image)) if by_image else no_images
    return Metric(**traits, images=images, read=read, resolution=step)


def _of_logits(name: str, traits: Mapping[str, Any]) -> Metric:
    """The metric that reads what a function of logits and labels gave, by its decorator.

    Its traits are values, of a built-in one those that its source says. Raises ConfigError where
    the margin or the resolution there is no plain number.
    """
    for trait in ("margin", "resolution"):
        if isinstance(own := traits.get(trait, 0.0), str):
            raise ConfigError(f"metric {name}: {trait}={own}: give a plain number, such as 0.005")
    images = kept(name) if traits.get("by_image") else no_images
    given, read = float(traits.get("resolution", 0.0)), score(name)
    return Metric(
        label=traits.get("label") or naming.name_plainly(name),
        margin=float(traits["margin"]),
        read=lambda record: math.nan if (own := read(record)) is None else float(own),
        share=bool(traits.get("share")),
        unit=traits.get("unit", ""),
        resolution=lambda record: max(given, _step(images(record))),
        images=images,
        counts_failures=False,
        measure=name,
    )


def no_images(record: Record) -> None:
    """Of what is no mean over images."""


def _mean(values: np.ndarray | None) -> float:
    """The mean of the images that count."""
    known = None if values is None else np.asarray(values)[np.isfinite(values)]
    return math.nan if known is None or not len(known) else float(np.mean(known, dtype=np.float64))


def _step(values: np.ndarray | None) -> float:
    """The least step between two means of such values: where they are whole, that of one image."""
    known = np.zeros(0) if values is None else np.asarray(values)[np.isfinite(values)]
    return 1 / len(known) if len(known) and (known == np.round(known)).all() else 0.0


def score(name: str) -> Callable[[Record], float | None]:
    """What reads a score of that name."""
    return lambda record: record.score(name)


def kept(name: str) -> Images:
    """What reads a score image by image [images], where it was kept."""

    def read(record: Record) -> np.ndarray | None:
        own = record.scores.get("by_image") or {}
        return unpack_values(own[name]).astype(np.float32) if name in own else None

    return read


def one_image(record: Record) -> float:
    """The step of what counts test images."""
    return 1 / record.scores["num_test_examples"]


COUNTED = {  # shares of the test images
    "test_accuracy": ("test accuracy", 0.005, ""),
    "test_balanced_accuracy": ("balanced accuracy", 0.005, ""),
    "shift_consistency": ("shift consistency", 0.01, "robustness"),
    "zeroed_top": ("accuracy without a class's top features", 0.01, "zeroed_features"),
    "zeroed_random": ("accuracy without features at random", 0.01, "zeroed_features"),
}
MEANS = {  # over the test images
    "test_loss": ("test loss", 0.02, False, "nats"),
    "test_brier": ("Brier score", 0.005, False, ""),
    "test_brier_scaled": ("Brier score, scaled", 0.005, False, ""),
    "test_overconfidence": ("confidence above accuracy", 0.005, True, ""),
    "test_overconfidence_scaled": ("confidence above accuracy, scaled", 0.005, True, ""),
    "test_position_error": ("position error", 0.1, False, "pixels"),
}
OTHERS = {  # numbers of a run, with what they must be measured by
    "validation_accuracy": ("validation accuracy", 0.005, True, ""),
    "initial_loss": ("loss before training", 0.1, False, "nats"),
    "test_ece": ("calibration error", 0.005, True, ""),
    "test_ece_scaled": ("calibration error, scaled", 0.005, True, ""),
    "fc_correlation": ("rank correlation", 0.05, False, ""),
    "fc_correlation_train": ("training rank correlation", 0.05, False, "", "last_layer_training"),
    "dead_units": ("dead units", 0.01, True, "", "dead_units"),
    "active_units": ("active units", 0.01, True, "", "activity"),
    "first_layer_selectivity": ("orientation selectivity", 0.05, False, "", "filters"),
    "first_layer_gabor": ("variance that a Gabor function explains", 0.05, True, "", "filters"),
    "first_layer_colour": ("colour of the first layer", 0.05, True, "", "filters"),
    "probe_first": ("class read off the first layer", 0.01, True, "", "probes"),
    "probe_last": ("class read off the last layer", 0.01, True, "", "probes"),
    "probe_rise": ("rise from first to last layer", 0.01, True, "", "probes"),
    "probe_parts_first": ("parts read off the first layer", 0.01, True, "", "probes"),
    "probe_parts_last": ("parts read off the last layer", 0.01, True, "", "probes"),
    "probe_parts_rise": ("rise of the parts", 0.01, True, "", "probes"),
    "probe_head_flat": ("linear on the whole map", 0.01, True, "", "head_probes"),
    "probe_head_mean": ("linear on channel means", 0.01, True, "", "head_probes"),
    "probe_head_dense": ("hidden layer on the whole map", 0.01, True, "", "head_probes"),
    "largest_eigenvalue": ("largest eigenvalue", 0.1, False, "", "largest_eigenvalue"),
    "saliency_gradient": ("gradients as untrained", 0.05, False, "", "saliency"),
    "saliency_integrated": ("integrated gradients as untrained", 0.05, False, "", "saliency"),
    "saliency_grad_cam": ("Grad-CAM as untrained", 0.05, False, "", "saliency"),
    "saliency_completeness": ("error of integrated gradients", 0.01, True, "", "saliency"),
    "effective_field": ("effective receptive field", 0.5, False, "pixels", "receptive_field"),
    "effective_field_share": ("used receptive field", 0.02, True, "", "receptive_field"),
    "cka_first_last": ("CKA of first and last layer", 0.05, False, "", "similarity"),
}


def _declare_counted(name: str, label: str, margin: float, measure: str) -> None:
    register.metric(
        name, label=label, margin=margin, share=True, resolution=one_image, by_image=kept(name),
        measure=measure,
    )(score(name))  # fmt: skip


def _declare_areas() -> None:
    """The metric of each corruption, also of one that was declared since."""
    for kind in register.names("corruption"):
        if f"auc_{kind}" not in register.CHOICES["metric"]:
            _declare_counted(f"auc_{kind}", f"accuracy under {kind}", 0.01, "robustness")
            _declare_kept(kind, f"auc_{kind}")


def _declare_kept(kind: str, still: str) -> None:
    """Of the images that are recognised as they are, the share that is so still."""

    def images(record: Record) -> np.ndarray | None:
        right, after = kept("test_accuracy")(record), kept(still)(record)
        return None if right is None or after is None else kept_by_image(right, after)

    register.metric(
        f"kept_{kind}", label=f"recognised still, {kind}", margin=0.01, share=True,
        resolution=one_image, by_image=images, measure="robustness",
    )(lambda record: _mean(images(record)))  # fmt: skip


for _name, _facts in COUNTED.items():
    _declare_counted(_name, *_facts)
_declare_areas()
_declare_kept("shift", "shift_consistency")
for _name, (_label, _margin, _share, _unit, *_measure) in {**MEANS, **OTHERS}.items():
    register.metric(
        _name, label=_label, margin=_margin, share=_share, unit=_unit, measure="".join(_measure),
        by_image=_name in MEANS and kept(_name),
    )(score(_name))  # fmt: skip


@register.metric(
    "failed", label="runs that fail to converge", margin=0.05, share=True, counts_failures=True
)
def read_failed(record: Record) -> float:
    """Whether a run failed: the mean over seeds is the share that does."""
    return float(record.failed)


def _recall(asked: str) -> Metric:
    """The share of the test images of a class, by its number or name, that are recognised."""

    def images(record: Record) -> np.ndarray | None:
        correct, labels = kept("test_accuracy")(record), kept("label")(record)
        if correct is None or labels is None:
            return None
        place = find_class(asked, record.provenance.get("class_names") or ())
        return np.where(labels == place, correct, np.nan)

    def read(record: Record) -> float:
        own = images(record)
        known = None if own is None else own[np.isfinite(own)]
        return math.nan if known is None or not len(known) else float(np.mean(known))

    def resolution(record: Record) -> float:
        own = images(record)
        return 0.0 if own is None else 1 / max(int(np.isfinite(own).sum()), 1)

    return Metric(
        f"recall of class {asked}", 0.005, read, True, "", resolution, images, False, ""
    )  # fmt: skip
