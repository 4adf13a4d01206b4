"""Where the arms of a study err over their seeds: by class, by image, and what is taken for what.

It is made of the answers beside the records. Whose answers are gone, or whose run failed, has none.
"""

import contextlib
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cnnjax.records import predictions
from cnnjax.records.packed import unpack_values
from cnnjax.records.predictions import Predictions
from cnnjax.report import scope
from cnnjax.report.errors import MOST, name_classes
from cnnjax.report.thumbnails import Look, Thumbnail, make_thumbnails
from cnnjax.study.judge import Judgement
from cnnjax.study.recognised import Recall, count_answers, find_recall
from cnnjax.study.summary import Arm

# What keeps a report small: of all its data sets together, but PAIRS and IMAGES.
ARMS = 24
CELLS = 2400  # of confusion matrices; where there would be more, each arm has only its pairs
PAIRS = 5  # of classes that an arm confuses most
ALL_IMAGES = 16
IMAGES = 12  # of a data set


class Row(NamedTuple):
    """A class, and what its test images are taken for."""

    name: str
    place: int  # among the classes
    recognised: Recall
    cells: list[float]  # mean images taken for each class, in the order of the columns


class Pair(NamedTuple):
    """A class whose images are taken for another."""

    true: str
    taken: str
    images: float  # mean over seeds


class ArmErrors(NamedTuple):
    """Where one arm errs."""

    name: str
    num_seeds: int  # that tell
    count: float  # of all mistakes, mean over seeds
    rows: list[Row]
    pairs: list[Pair]  # the most frequent first


class Mistaken(NamedTuple):
    """A test image, and how many runs of all arms that are shown mistake it."""

    place: int  # in the test split, from 0
    true: str
    taken: str  # for which class by most of them
    runs: int
    of: int


class Section(NamedTuple):
    """Where the arms on one test split err."""

    dataset: str
    columns: list[str]  # classes that images are taken for; none where there are too many
    arms: list[ArmErrors]
    images: list[Mistaken]  # those first that most seeds of most arms mistake
    pictures: dict[int, Thumbnail]  # of them, by place
    silent: int  # runs that did not fail, and whose answers are not there
    left_out: int  # arms that are not shown


class _Told(NamedTuple):
    """An arm, and what those of its seeds answer that tell."""

    arm: Arm
    answers: list[Predictions]


def collect(judgement: Judgement, runs: pathlib.Path, look: Look) -> list[Section]:
    """A section for each data set of which answers are there; none where the test is not read.

    The records lie below `runs`.
    """
    if judgement.study.metric.startswith("validation"):
        return []
    by_name = scope.group_by_dataset(judgement)
    each = max(ARMS // len(by_name), 1)
    groups = []
    for name, arms in by_name.items():
        read = [_read(arm, runs) for arm in arms[:each]]
        silent = sum(missing for _, missing in read)
        told = [own for own, _ in read if own.answers]
        rest = len(arms) - len(arms[:each])
        for alike in _group_by_labels(told):
            groups.append((name, alike, silent, rest))
            silent = rest = 0  # said once
    if not groups:
        return []
    few = min(max(ALL_IMAGES // len(groups), 1), IMAGES)
    cells = sum(len(told) * _count_classes(told) ** 2 for _, told, _, _ in groups)
    return [
        _describe(name, told, few, cells <= CELLS, look)._replace(silent=silent, left_out=rest)
        for name, told, silent, rest in groups
    ]


def _read(arm: Arm, runs: pathlib.Path) -> tuple[_Told, int]:
    """What the seeds of an arm answer, and how many that did not fail do not tell."""
    found, missing = [], 0
    for record in arm.records:
        answers = None
        with contextlib.suppress(FileNotFoundError, ValueError):  # deleted or damaged
            answers = predictions.load_of(runs, record)
        if answers is not None and (not found or np.array_equal(answers.label, found[0].label)):
            found.append(answers)
        else:
            missing += not record.failed
    return _Told(arm, found), missing


def _group_by_labels(told: Sequence[_Told]) -> list[list[_Told]]:
    """Arms that were tested on the same images: a data set may be split in other ways too."""
    groups: dict[bytes, list[_Told]] = {}
    for own in told:
        labels = own.answers[0].label.astype(np.int32).tobytes()
        groups.setdefault(labels, []).append(own)
    return [*groups.values()]


def _name_all(told: Sequence[_Told]) -> list[str]:
    names = told[0].arm.records[0].provenance.get("class_names") or ()
    return name_classes(names, [answers for own in told for answers in own.answers])


def _count_classes(told: Sequence[_Told]) -> int:
    return len(_name_all(told))


def _describe(name: str, told: Sequence[_Told], num_images: int, room: bool, look: Look) -> Section:
    names = _name_all(told)
    few = room and len(names) <= MOST
    images = find_mistaken([own.answers for own in told], names, num_images)
    labels, places = told[0].answers[0].label, [own.place for own in images]
    return Section(
        dataset=name,
        columns=names if few else [],
        arms=[find_arm(own.arm, own.answers, names, few) for own in told],
        images=images,
        pictures=make_thumbnails(look, told[0].arm.config, labels, places),
        silent=0,
        left_out=0,
    )


def find_arm(
    arm: Arm, answers: Sequence[Predictions], names: Sequence[str], few: bool
) -> ArmErrors:
    """Where an arm errs, by what its seeds answer; with a matrix where there are `few` classes.

    Of many the classes are listed that are recognised least.
    """
    label = answers[0].label.astype(int)
    right = np.stack([own.predicted == own.label for own in answers])
    matrix = np.mean(
        [count_answers(label, own.predicted.astype(int), len(names)) for own in answers], axis=0
    )
    kept = next((own for one in arm.records if (own := one.scores.get("by_image"))), {})
    clusters = unpack_values(kept["cluster"]) if "cluster" in kept else None
    sizes = matrix.sum(axis=1)
    order = [place for place in range(len(names)) if sizes[place]]
    if not few:
        order = sorted(order, key=lambda place: matrix[place, place] / sizes[place])[:MOST]
    rows = []
    for place in order:
        own = label == place
        recall = find_recall(right[:, own], None if clusters is None else clusters[own])
        rows.append(Row(names[place], place, recall, matrix[place].tolist() if few else []))
    wrong = matrix - np.diag(np.diag(matrix))
    most = [int(at) for at in np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]]
    pairs = [
        Pair(names[row], names[column], float(wrong[row, column]))
        for row, column in (divmod(at, len(names)) for at in most)
        if wrong[row, column]
    ]
    return ArmErrors(arm.name, len(answers), float(wrong.sum()), rows, pairs)


def find_mistaken(
    answers: Sequence[Sequence[Predictions]], names: Sequence[str], number: int
) -> list[Mistaken]:
    """The test images that arms mistake most, by what the seeds of each answer.

    Arms weigh alike, however many seeds of them tell; where as many err, the surer come first.
    """
    label = answers[0][0].label.astype(int)
    wrong = [np.stack([own.predicted != own.label for own in arm]) for arm in answers]
    share = np.mean([own.mean(axis=0) for own in wrong], axis=0)
    every = [own for arm in answers for own in arm]
    runs = np.concatenate(wrong).sum(axis=0)
    sure = np.sum(
        [(own.predicted != own.label) * own.probability.astype(float) for own in every], 0
    )
    found = []
    for place in np.lexsort((-sure, -share))[:number].tolist():
        if not share[place]:
            break
        taken = [int(own.predicted[place]) for own in every]
        votes = np.bincount([own for own in taken if own != label[place]])
        true, most = names[int(label[place])], names[int(votes.argmax())]
        found.append(Mistaken(place, true, most, int(runs[place]), len(every)))
    return found
