"""Where a single run errs: its answers to the test images, class by class."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cnnjax.records.predictions import Predictions
from cnnjax.study.recognised import Share, count_answers, share_of

MOST = 20  # classes of a confusion matrix; of more only those recognised least have a row
MISTAKES = 10  # that are shown


class Row(NamedTuple):
    """A class, and what its test images are taken for."""

    name: str
    place: int  # among the classes
    recognised: Share
    cells: list[int]  # images taken for each class, in the order of the columns; of few classes


class Mistake(NamedTuple):
    """A test image that is taken for another class."""

    place: int  # in the test split, from 0
    true: str
    taken: str
    probability: float  # of the class that it is taken for, as the network has it


class Errors(NamedTuple):
    """Where a run errs."""

    columns: list[str]  # classes that images are taken for; none where there are too many
    rows: list[Row]
    mistakes: list[Mistake]  # the surest first
    count: int  # of all mistakes


def name_classes(class_names: Sequence[str], answers: Sequence[Predictions]) -> list[str]:
    """The names of all classes that answers speak of: their numbers where nothing names them."""
    said = [int(array.max(initial=0)) for own in answers for array in (own.predicted, own.label)]
    number = max(len(class_names), 1 + max(said))
    return [*class_names, *map(str, range(len(class_names), number))]


def find_errors(answers: Predictions, class_names: Sequence[str]) -> Errors:
    """The classes with the share of their images that is recognised, and the surest mistakes."""
    label, predicted = answers.label.astype(int), answers.predicted.astype(int)
    names = name_classes(class_names, [answers])
    matrix = count_answers(label, predicted, len(names))
    few = len(names) <= MOST
    order = [place for place in range(len(names)) if matrix[place].sum()]
    if not few:
        order = sorted(order, key=lambda place: matrix[place, place] / matrix[place].sum())[:MOST]
    rows = [
        Row(names[place], place, share_of(matrix, place), matrix[place].tolist() if few else [])
        for place in order
    ]
    wrong = np.flatnonzero(label != predicted)
    surest = wrong[np.argsort(-answers.probability[wrong].astype(float), kind="stable")]
    mistakes = [
        Mistake(int(place), names[label[place]], names[predicted[place]],
                float(answers.probability[place]))
        for place in surest[:MISTAKES]
    ]  # fmt: skip
    return Errors(names if few else [], rows, mistakes, len(wrong))
