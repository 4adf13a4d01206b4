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


def make_share(right: int, count: int) -> Share:
    """A share with its interval."""
    found = stats.binomtest(right, count).proportion_ci(LEVEL, method="wilson")
    return Share(right, count, (float(found.low), float(found.high)))
