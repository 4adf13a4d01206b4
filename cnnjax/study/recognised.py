"""A share of images that is recognised, and what is known of it by their number and by seeds."""

from typing import NamedTuple

import numpy as np

from cnnjax.study import distributions, statistics

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


class Recall(NamedTuple):
    """The share of images that networks of several seeds recognise, its mean over seeds.

    All seeds answer for the same images, so that neither interval stands for the other: more seeds
    do not shrink what the images leave open, nor more images what the seeds do.
    """

    count: int  # images
    mean: float
    of_seeds: tuple[float, float]  # 95%, of other seeds on these images; NaN of fewer than 2
    of_images: tuple[float, float]  # 95%, of other images, as `Share` has it of one network


def find_recall(right: np.ndarray, clusters: np.ndarray | None = None) -> Recall:
    """That of right answers [seeds, images] as true and false; `clusters` [images] says which
    images belong together, where these are what was drawn.

    Over seeds it is Student's t, each seed one value, of which the resolution is a single image:
    equal shares are no certainty.
    """  # fmt: skip
    shares, count = right.mean(axis=1), right.shape[1]
    low = high = np.nan
    if len(shares) > 1:
        low, high = np.clip(statistics.estimate(shares, 1 / count).interval(LEVEL), 0, 1)
    drawn = count if clusters is None else max(round(statistics.count_effective(clusters)), 1)
    of_images = make_share(round(float(shares.mean()) * drawn), drawn).interval
    return Recall(count, float(shares.mean()), (float(low), float(high)), of_images)


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
    return Share(right, count, distributions.wilson_interval(right, count, LEVEL))
