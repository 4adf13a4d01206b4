"""What images that were recognised keep: one share over another, image by image. Reads no files."""

import numpy as np


def kept_by_image(right: np.ndarray, still: np.ndarray) -> np.ndarray:
    """Values [images] whose mean is what those that are right keep: sum(right still) / sum(right).

    `right` [images] is 0 or 1, `still` [images] in 0 to 1. A ratio of two means is no mean over
    images, but to first order it varies with them as these values do (the delta method: ratio
    + (above - ratio * below) / mean(below), Cochran 1977, section 6.3). NaN where none is right.
    """
    right, still = (np.asarray(values, np.float64) for values in (right, still))
    if not right.any():
        return np.full(len(right), np.nan)
    ratio = (right * still).sum() / right.sum()
    return ratio + right * (still - ratio) / right.mean()
