"""How well each class of a data set is recognised: over all arms, and by which the least."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cnnjax.records.packed import unpack_values
from cnnjax.records.record import Record
from cnnjax.study.summary import Arm

MOST = 20  # classes that are shown: those that are recognised least


class Row(NamedTuple):
    """The share of a class's test images that is recognised, its mean over seeds."""

    name: str
    num_images: int
    mean: float  # over all arms
    low: tuple[float, str]  # the least of them, and the arm
    high: tuple[float, str]


class Table(NamedTuple):
    """The classes of a data set that are recognised least, those first."""

    rows: list[Row]
    num_classes: int  # that have test images


def find_recalls(record: Record) -> tuple[np.ndarray, np.ndarray] | None:
    """Test images of each class, and the share that is recognised, [classes]; NaN without images.

    None of a run that failed or does not say it.
    """
    names = record.provenance.get("class_names")
    kept = record.scores.get("by_image") or {}
    if not names or record.failed or not {"label", "test_accuracy"} <= set(kept):
        return None
    labels, right = unpack_values(kept["label"]), unpack_values(kept["test_accuracy"])
    sizes = np.bincount(labels, minlength=len(names))
    with np.errstate(invalid="ignore"):
        return sizes, np.bincount(labels, right, minlength=len(names)) / sizes


def list_classes(arms: Sequence[Arm]) -> Table | None:
    """The table of arms on one data set, but for those without a run that tells; None without any.

    The arms are of one data set, whose classes and test images are the same for all.
    """
    told = [
        (arm.name, record.provenance["class_names"], *found)
        for arm in arms for record in arm.records
        if (found := find_recalls(record)) is not None
    ]  # fmt: skip
    if not told:
        return None
    names, sizes = told[0][1:3]
    by_arm: dict[str, list[np.ndarray]] = {}
    for arm_name, _, _, own in told:
        if len(own) == len(sizes):  # an older record may have been changed
            by_arm.setdefault(arm_name, []).append(own)
    recalls, arm_names = np.array([np.mean(own, axis=0) for own in by_arm.values()]), [*by_arm]
    tested = [place for place in range(len(names)) if sizes[place]]
    order = sorted(tested, key=lambda place: recalls[:, place].mean())

    def extreme(place: int, find: np.ufunc) -> tuple[float, str]:
        value = find.reduce(recalls[:, place])
        return float(value), arm_names[int(np.flatnonzero(recalls[:, place] == value)[0])]

    rows = [
        Row(names[place], int(sizes[place]), float(recalls[:, place].mean()),
            extreme(place, np.minimum), extreme(place, np.maximum))
        for place in order[:MOST]
    ]  # fmt: skip
    return Table(rows, len(tested))
