"""The first test images, for measures that are of a few."""

import numpy as np
import pytest

from tests.measures import shown


@pytest.mark.parametrize(
    ("size", "count", "at_once", "expected"),
    [
        (7, 10, 4, (3, 4)),  # cut anew over the ends of batches
        (7, 10, 9, (2, 7)),  # no more at once than the network is evaluated on
        (40, 10, 64, (1, 40)),
        (20, 99, 8, (5, 8)),  # all that there are
    ],
)
def test_the_first_images_come_in_their_order_and_no_padding_counts(size, count, at_once, expected):
    images = shown.draw_images(35)
    lead = shown.show(images, size).lead(count, at_once)
    assert lead.images.shape[:2] == lead.mask.shape == lead.labels.shape == expected
    flat, real = lead.images.reshape(-1, 8, 8, 1), np.asarray(lead.mask.reshape(-1) > 0)
    assert real.sum() == min(count, 35)
    np.testing.assert_array_equal(flat[real], images[:count])
