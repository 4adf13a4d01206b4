"""What `experiments.look` shows of runs: each part of its page, and the numbers beside it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cnnjax.report import looks
from cnnjax.report.looks import Section
from cnnjax.runs import look
from cnnjax.runs.look import Subject

Part = tuple[list[Section], dict[str, Any]]  # sections of the page, and numbers by name


def collect(subjects: Sequence[Subject], what: Sequence[str]) -> Part:
    """The parts of the page that a network has, and their numbers by name."""
    sections: list[Section] = []
    numbers: dict[str, Any] = {}
    for name in what:
        found, own = PARTS[name](subjects)
        sections += found
        numbers |= {name: own} if found else {}
    return sections, numbers


def _filters(subjects: Sequence[Subject]) -> Part:
    found = look.look_at_filters(subjects[0])
    if found is None:
        return [], {}
    scores = {name: np.asarray(own) for name, own in found.scores.items()}
    plain = {name: own.tolist() for name, own in scores.items()}
    return [looks.describe_filters(np.asarray(found.kernels), scores)], plain


def _activity(subjects: Sequence[Subject]) -> Part:
    scores = look.measure(subjects[0], "activity")
    active = scores.get("active_units_by_layer", {})
    return [looks.describe_maps(look.look_at_maps(subjects[0]), active)], scores


def _saliency(subjects: Sequence[Subject]) -> Part:
    found = look.look_at_saliency(subjects[0])
    numbers = {**found.scores, "layers": found.layers, "cascade": found.cascade}
    return [looks.describe_saliency(*found)], numbers


def _receptive_field(subjects: Sequence[Subject]) -> Part:
    found = look.look_at_field(subjects[0])
    if found is None:
        return [], {}
    numbers = {"effective_field": found.side, "effective_field_share": found.side / found.most}
    return [looks.describe_field(*found)], numbers


def _probes(subjects: Sequence[Subject]) -> Part:
    scores = look.measure(subjects[0], "probes")
    if not scores:
        return [], {}
    spec, observed = subjects[0].observed.spec, subjects[0].observed
    counts = int(observed.validation.mask.sum()), int(observed.test.mask.sum())
    return [looks.describe_probes(scores, spec.num_classes, counts)], scores


def _similarity(subjects: Sequence[Subject]) -> Part:
    found = look.look_at_similarity(subjects)
    numbers = {
        own.names[1]: {"rows": own.rows, "columns": own.columns, "cka": own.values.tolist()}
        for own in found
    }
    return [looks.describe_similarity(*own) for own in found], numbers


PARTS: dict[str, Callable[[Sequence[Subject]], Part]] = {
    "filters": _filters, "activity": _activity, "saliency": _saliency,
    "receptive_field": _receptive_field, "probes": _probes, "similarity": _similarity,
}  # fmt: skip
