"""Generated data sets: the same for the same seed, balanced, and each label is right."""

import numpy as np
import pytest

from cnnjax.config import datasets
from cnnjax.config.config import Config
from cnnjax.config.datasets import Where
from cnnjax.data import load
from cnnjax.data.builders import drawings, generated

MAKERS = {"dot": drawings.make_dots, "gratings": drawings.make_gratings,
          "shapes": drawings.make_shapes}  # fmt: skip


@pytest.mark.parametrize("name", MAKERS)
def test_a_drawing_is_a_function_of_its_seed_with_balanced_labels(name):
    (images, labels), again = (MAKERS[name](160, 7) for _ in range(2))
    np.testing.assert_array_equal(images, again[0])
    np.testing.assert_array_equal(labels, again[1])
    other, _ = MAKERS[name](160, 8)
    assert (images != other).any() and images.dtype == np.uint8
    counts = np.bincount(labels)
    assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize(("name", "builder", "second"), [
    ("dot", generated.CnnjaxDot, "row 0 column 1"), ("shapes", generated.CnnjaxShapes, "square"),
    ("gratings", generated.CnnjaxGratings, "22.5 degrees"),
])  # fmt: skip
def test_classes_are_named(name, builder, second, tmp_path):
    classes = builder(data_dir=tmp_path).info.features["label"].names
    assert classes[1] == second and len(set(classes)) == len(np.unique(MAKERS[name](160, 7)[1]))


def test_the_brightest_pixel_lies_in_the_block_of_the_label():
    images, labels = drawings.make_dots(200, 0)
    for image, label in zip(images[..., 0], labels, strict=True):
        row, column = np.unravel_index(image.argmax(), image.shape)
        assert (image == 255).sum() == 1
        assert row // 3 * 4 + column // 3 == label
        assert np.abs(drawings.dot_positions()[label] - (row, column)).max() <= 1


def test_a_grating_waves_along_its_orientation():
    images, labels = drawings.make_gratings(200, 0)
    rows, columns = np.meshgrid(*[np.fft.fftfreq(16)] * 2, indexing="ij")
    for image, label in zip(images[..., 0], labels, strict=True):
        spectrum = abs(np.fft.fft2(image - image.mean())) ** 2
        moment = (spectrum * np.exp(2j * np.arctan2(rows, columns))).sum()
        apart = (np.angle(moment) / 2 - label * np.pi / 8 + np.pi / 2) % np.pi - np.pi / 2
        assert abs(apart) < np.deg2rad(18)


def test_shapes_are_told_apart_by_their_outlines():
    images, labels = drawings.make_shapes(400, 0)
    bright = images[..., 0] > 115
    tops = np.array([rows[rows > 0][0] for rows in bright.sum(axis=2)])
    bottoms = np.array([rows[rows > 0][-1] for rows in bright.sum(axis=2)])
    triangle = labels == drawings.SHAPES.index("triangle")
    assert (bottoms - tops)[triangle].mean() > 4  # it widens downwards
    assert abs((bottoms - tops)[~triangle]).mean() < 1.5


@pytest.fixture(scope="module")
def signals(data_dir):
    return load.load_dataset(Config(dataset="mnist1d"), Where(str(data_dir)))


@pytest.mark.slow
def test_mnist1d_is_its_authors(signals):
    from mnist1d import data

    published = data.make_dataset(data.get_dataset_args())
    for split, images, labels in ((signals.train, "x", "y"), (signals.test, "x_test", "y_test")):
        np.testing.assert_array_equal(
            split.images[:, 0, :, 0], published[images].astype(np.float32)
        )
        np.testing.assert_array_equal(split.labels, published[labels])
    assert len(signals.train.labels) == 4000 and len(signals.test.labels) == 1000


def test_validation_signals_are_others(signals):
    assert len(signals.validation.labels) == 1000
    seen = {signal.tobytes() for signal in (*signals.train.images, *signals.test.images)}
    assert not any(signal.tobytes() in seen for signal in signals.validation.images)


def test_dots_come_with_the_places_of_their_classes(data_dir):
    dots = load.load_dataset(Config(dataset="dot"), Where(str(data_dir)))
    np.testing.assert_array_equal(dots.positions, drawings.dot_positions())
    assert [len(split.labels) for split in (dots.train, dots.validation, dots.test)] == [
        *generated.SIZES.values()
    ]


VARIED = pytest.mark.parametrize("name", ["gratings", "shapes"])


@VARIED
def test_noise_is_that_of_its_deviation_on_the_same_drawings(name):
    plain, labels = MAKERS[name](300, 5, noise=0)
    assert (labels == MAKERS[name](300, 5)[1]).all()
    for noise in (5, datasets.DRAWN[name]["noise"]):
        noisy, _ = MAKERS[name](300, 5, noise=noise)
        apart = noisy.astype(float) - plain
        assert apart.std() == pytest.approx(noise, rel=0.02)
    np.testing.assert_array_equal(noisy, MAKERS[name](300, 5)[0])  # as by default


@VARIED
def test_turned_drawings_are_the_same_but_turned(name):
    plain, labels = MAKERS[name](300, 5, noise=0)
    turned, same = MAKERS[name](300, 5, rotation=45, noise=0)
    np.testing.assert_array_equal(labels, same)
    assert (plain != turned).any(axis=(1, 2, 3)).mean() > 0.7  # a disc is as it was
    light = [images.astype(float).sum(axis=(1, 2, 3)) for images in (plain, turned)]
    if name == "shapes":
        disc = labels == drawings.SHAPES.index("disc")
        np.testing.assert_array_equal(plain[disc], turned[disc])
        assert np.abs(light[0] - light[1]).max() < 0.25 * light[0].min()
    again = MAKERS[name](300, 5, rotation=45, noise=0)[0]
    np.testing.assert_array_equal(turned, again)


def test_gratings_are_turned_by_no_more_than_is_asked():
    images, labels = drawings.make_gratings(200, 0, rotation=60, noise=0)
    rows, columns = np.meshgrid(*[np.fft.fftfreq(16)] * 2, indexing="ij")
    found = []
    for image, label in zip(images[..., 0].astype(float), labels, strict=True):
        spectrum = abs(np.fft.fft2(image - image.mean())) ** 2
        moment = (spectrum * np.exp(2j * np.arctan2(rows, columns))).sum()
        found.append((np.angle(moment) / 2 - label * np.pi / 8 + np.pi / 2) % np.pi - np.pi / 2)
    assert np.abs(found).max() < np.deg2rad(60 + 18) and np.abs(found).max() > np.deg2rad(50)


@pytest.mark.slow
def test_what_a_name_asks_is_prepared_beside_the_set_itself(tmp_path):
    where = Where(str(tmp_path))
    names = ("shapes", "shapes/noise=0", "shapes/rotation=180+noise=60")
    found = [load.load_dataset(Config(dataset=name), where) for name in names]
    assert len({dataset.test_fingerprint for dataset in found}) == 3
    for dataset, given in zip(found, ({}, {"noise": 0}, {"rotation": 180, "noise": 60}),
                              strict=True):  # fmt: skip
        images, labels = drawings.make_shapes(10_000, generated.SEEDS["test"], **given)
        np.testing.assert_array_equal(dataset.test.images, images)
        np.testing.assert_array_equal(dataset.test.labels, labels)
        assert dataset.class_names == tuple(drawings.SHAPES)
