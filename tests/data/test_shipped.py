"""Data sets of 24x24 to 32x32 pixels that ship: what decides a class, and what no split shares."""

import numpy as np
import pytest
from scipy import ndimage

from cnnjax.config.config import Config
from cnnjax.config.datasets import Where
from cnnjax.config.knobs import RunError
from cnnjax.data import load
from cnnjax.data.builders import digits, drawings, patches, photographs, scans


def test_strokes_are_a_function_of_their_seed_with_balanced_labels():
    (images, labels), again = (drawings.make_strokes(120, 7) for _ in range(2))
    np.testing.assert_array_equal(images, again[0])
    np.testing.assert_array_equal(labels, again[1])
    assert images.shape == (120, 24, 24, 1) and images.dtype == np.uint8
    assert np.bincount(labels).tolist() == [10] * 12


STROKES = {  # row and column of the pixels of each
    0: [(3, own) for own in range(7)],
    1: [(own, own) for own in range(1, 6)],
    2: [(own, 3) for own in range(7)],
    3: [(6 - own, own) for own in range(1, 6)],
}


def test_a_class_of_strokes_is_which_two_they_are_and_which_is_left():
    """Read by templates: the best pair of strokes eight pixels apart, one two pixels lower."""
    images, labels = drawings.make_strokes(240, 0)
    found = []
    for stroke in STROKES.values():
        kernel = np.zeros((1, 7, 7))
        kernel[0][tuple(np.transpose(stroke))] = 1 / np.sqrt(len(stroke))
        kernel -= kernel.mean()
        match = ndimage.correlate(images[..., 0].astype(float), kernel, mode="nearest")
        found.append((match, ndimage.maximum_filter(match, (1, 5, 1))))
    pairs = [found[a][0][..., :-8] + found[b][1][..., 8:] for a, b in drawings.ORDERS]
    answers = np.max(pairs, axis=(2, 3)).argmax(axis=0)
    assert (answers == labels).mean() > 0.9


def test_the_bag_of_strokes_leaves_two_orders_open():
    pairs = [frozenset(order) for order in drawings.ORDERS]
    assert len(pairs) == 12 and all(pairs.count(pair) == 2 for pair in pairs)
    assert drawings.ARRANGEMENTS[:2] == ["horizontal left of falling", "falling left of horizontal"]


def test_a_scan_lies_whole_on_its_canvas():
    full = np.full((200, 8, 8), 16.0)
    images = scans.place(full, 0)[..., 0]
    assert images.shape == (200, 28, 28) and images.max() == 255
    areas = (images / 255).sum(axis=(1, 2))
    assert areas.min() > 0.9 * scans.SIZES[0] ** 2 and areas.max() < 1.15 * scans.SIZES[1] ** 2
    places = [np.argwhere(image > 128).mean(axis=0) for image in images]
    assert np.std(places, axis=0).min() > 1


def test_a_scan_is_turned_by_no_more_than_makes_another_digit():
    bar = np.zeros((300, 8, 8))
    bar[:, 3:5] = 16  # level
    for image in scans.place(bar, 1)[..., 0]:
        rows, columns = np.nonzero(image > 100)
        slope = np.polyfit(columns, rows, 1)[0]
        assert abs(np.arctan(slope)) < scans.TURN + np.deg2rad(5)


def test_bilinear_values_at_cells_are_those_of_the_cells_and_zero_outside():
    images = np.arange(12.0).reshape(1, 3, 4) + 1
    rows, columns = np.mgrid[-1:4, -1:5].astype(float)
    expected = np.pad(images[0], 1)
    np.testing.assert_array_equal(scans.sample(images, rows[None], columns[None])[0], expected)
    half = scans.sample(images, np.full((1, 1, 1), 0.5), np.full((1, 1, 1), 1.5))
    assert half.item() == images[0, :2, 1:3].mean()


@pytest.fixture
def regions():
    """Regions in which each pixel says its column, with stripes to be seen."""
    columns = np.arange(320.0) + np.zeros((128, 1))
    return [columns, columns[:96]]


def test_no_pixel_is_in_two_splits(regions):
    ends = {split: (320 * low, 320 * high) for split, (low, high) in patches.COLUMNS.items()}
    found = {
        "train": patches.draw(regions, 200, 0),
        "validation": patches.lay_out(regions, "validation"),
        "test": patches.lay_out(regions, "test"),
    }
    for split, own in found.items():
        low, high = ends[split]
        assert own and all(low <= patch.pixels.min() for patch in own)
        assert all(patch.pixels.max() < high for patch in own)
    assert ends["train"][1] < ends["validation"][0] and ends["validation"][1] < ends["test"][0]


def test_test_patches_lie_on_a_grid_and_those_that_share_pixels_are_a_cluster():
    marked = np.arange(128 * 400.0).reshape(128, 400)  # each pixel says where it is
    found = patches.lay_out([marked], "test")
    full, half = found[:16], found[16:]
    assert len(half) == 4 and {own.cluster for own in full} == {own.cluster for own in half}
    seen = [set(own.pixels.ravel()) for own in full]
    assert sum(map(len, seen)) == len(set.union(*seen))
    for own in half:
        inside = [patch for patch in full if patch.cluster == own.cluster]
        mean = np.mean([patch.pixels.mean() for patch in inside])
        assert len(inside) == 4 and own.pixels.mean() == pytest.approx(mean)


def test_training_patches_are_of_all_regions_and_both_sizes_alike(regions):
    found = patches.draw(regions, 400, 0)
    assert [sum(own.label == label for own in found) for label in (0, 1)] == [200, 200]
    steps = [np.diff(own.pixels, axis=1).mean() for own in found]
    assert [steps.count(step) for step in (1, 2)] == [200, 200]
    again = patches.draw(regions, 400, 0)
    assert all((a.pixels == b.pixels).all() for a, b in zip(found, again, strict=True))


def test_brightness_and_contrast_tell_nothing_and_what_is_flat_is_left_out(regions):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(32, 32))
    made = patches.to_bytes([patches.Patch(a * noise + b, 0, 0) for a, b in ((0.02, 0.9), (1, 0))])
    np.testing.assert_array_equal(made[0], made[1])
    assert made.mean() == pytest.approx(128, abs=1) and made.std() == pytest.approx(40, abs=2)
    with pytest.raises(ValueError, match="region 0 is flat"):
        patches.draw([np.zeros((64, 320))], 1, 0)
    flat = [np.zeros((128, 320)), *regions]
    assert {own.label for own in patches.lay_out(flat, "test")} == {1, 2}
    assert patches.choose(flat, 2)[0] is regions[0]


@pytest.mark.slow
def test_scans_of_one_split_are_in_no_other_and_each_is_a_cluster(data_dir):
    dataset = load.load_dataset(Config(dataset="scans"), Where(str(data_dir)))
    assert dataset.image_shape == (28, 28, 1) and len(dataset.test.labels) == 10_000
    assert len(set(dataset.cluster.tolist())) == 1000
    labels = {}
    for cluster, label in zip(dataset.cluster.tolist(), dataset.test.labels, strict=True):
        assert labels.setdefault(cluster, label) == label
    spans = sorted(digits.SPLITS.values())
    assert all(a[1] == b[0] for a, b in zip(spans, spans[1:], strict=False))


@pytest.mark.slow
def test_patches_of_the_two_photographs_are_24_regions_in_clusters(data_dir):
    dataset = load.load_dataset(Config(dataset="patches"), Where(str(data_dir)))
    assert dataset.image_shape == (32, 32, 1) and dataset.num_classes == 24
    assert len(np.unique(dataset.test.labels)) == 24
    assert len(dataset.test.labels) == len(dataset.cluster) > 100
    assert len(set(dataset.cluster.tolist())) >= 24
    assert len(dataset.train.labels) == photographs.TRAIN


def test_photos_say_what_they_need(monkeypatch):
    monkeypatch.setattr(photographs.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RunError, match="photos are those of scikit-image: pip install"):
        photographs.find_folder()
