"""Whether two parts of a data set have the classes in the same shares."""

import numpy as np
import pytest
from scipy import stats

from cnnjax.data.sources import shares

COUNTS = ([[30, 10], [5, 9]], [[300, 100, 20], [50, 90, 1]], [[3, 4], [3, 4]], [[9, 1], [1, 0]])


@pytest.mark.parametrize("counts", [np.array(own) for own in COUNTS])
def test_unlike_shares_are_pearsons_test(counts):
    expected = stats.chi2_contingency(counts).pvalue
    assert shares.test_unlike(counts) == pytest.approx(expected)
