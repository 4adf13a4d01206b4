"""Some test images from all over the split, for measures that are of a few."""

import numpy as np
import pytest

from cnnjax.data.source import spread_places
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
def test_images_are_evenly_apart_and_no_padding_counts(size, count, at_once, expected):
    images = shown.draw_images(35)
    some = shown.show(images, size).sample(count, at_once)
    assert some.images.shape[:2] == some.mask.shape == some.labels.shape == expected
    flat, real = some.images.reshape(-1, 8, 8, 1), np.asarray(some.mask.reshape(-1) > 0)
    total = -(-35 // size) * size
    places = [place for place in spread_places(total, count) if place < 35]
    np.testing.assert_array_equal(flat[real], images[np.array(places)])
    assert places[0] == 0 and places[-1] >= 34 - 40 // count
