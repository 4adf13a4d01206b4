"""A share of images that is recognised, and what is known of it by their number."""

from typing import NamedTuple

import numpy as np
from scipy import stats

LEVEL = 0.95


class Share(NamedTuple):
    """A share of images, of one network."""

    right: int
    count: int
    interval: tuple[float, float]  # 95%, of Wilson (1927): of the images alone, not of seeds

    @property
    def mean(self) -> float:
        """NaN of no images."""
        return self.right / self.count if self.count else np.nan


def count_answers(label: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Images [classes, classes] of a class (row) by what they are taken for."""
    found = np.zeros((classes, classes), int)
    np.add.at(found, (label, predicted), 1)
    return found


def share_of(answers: np.ndarray, place: int) -> Share:
    """The share of the images of a class that is recognised, of what `count_answers` gives."""
    return make_share(int(answers[place, place]), int(answers[place].sum()))


def make_share(right: int, count: int) -> Share:
    """A share with its interval."""
    found = stats.binomtest(right, count).proportion_ci(LEVEL, method="wilson")
    return Share(right, count, (float(found.low), float(found.high)))
