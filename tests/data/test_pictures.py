"""The few test images that a page shows, from wherever the data lie."""

import numpy as np
import pytest

from cnnjax.config.config import Config
from cnnjax.config.datasets import Where
from cnnjax.data import load
from cnnjax.data.pictures import make_look
from tests.true_formats import encode

PLACES = [5, 0, 2]


@pytest.fixture
def images(tmp_path, monkeypatch):
    """A folder of images [6, 9] that the host cuts to 4x4."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 2), ("test", 3)):
        for name in ("ant", "bee"):
            (tmp_path / "images" / split / name).mkdir(parents=True)
            for number in range(count):
                raw = encode(rng.integers(0, 255, (6, 9, 3)).astype(np.uint8), "PNG")
                (tmp_path / "images" / split / name / f"{number}.png").write_bytes(raw)
    return tmp_path / "images"


def test_they_are_those_that_the_network_is_tested_on(digits, data_dir):
    found = make_look(Where(str(data_dir)))(Config(), digits.test.labels, PLACES)
    assert [*found] == PLACES
    for place, (pixels, name) in found.items():
        assert (pixels == digits.test.images[place]).all() and name == ""


def test_of_a_folder_they_are_cut_as_for_the_network_and_have_names(images):
    config = Config(dataset=f"folder:{images}", image_size=4, batch_size=2)
    test = load.load_dataset(config, Where()).test
    found = make_look(Where())(config, test.labels, PLACES)
    assert [*found] == PLACES
    for place, (pixels, name) in found.items():
        assert (pixels == test.images[place]).all()
        assert name.startswith(f"test/{('ant', 'bee')[test.labels[place]]}/")


def test_no_other_is_decoded(images, monkeypatch):
    config = Config(dataset=f"folder:{images}", image_size=4, batch_size=2)
    labels, decoded = load.load_dataset(config, Where()).test.labels, []
    fit = load.fit_pixels
    monkeypatch.setattr(load, "fit_pixels", lambda *own: decoded.append(own) or fit(*own))
    make_look(Where())(config, labels, PLACES)
    assert len(decoded) == len(PLACES)


def test_images_of_other_labels_are_none(digits, data_dir):
    look, labels = make_look(Where(str(data_dir))), digits.test.labels
    assert not look(Config(), labels[:-1], PLACES)
    other = labels.copy()
    other[2] += 1
    assert not look(Config(), other, PLACES)
    assert look(Config(), other, PLACES[:2])


def test_nothing_is_prepared_for_their_sake(digits, tmp_path):
    assert not make_look(Where(str(tmp_path)))(Config(), digits.test.labels, PLACES)
    assert not [*tmp_path.iterdir()]
    assert not make_look(None)(Config(), digits.test.labels, PLACES)
    gone = Config(dataset=f"folder:{tmp_path / 'gone'}", image_size=4)
    assert not make_look(Where())(gone, digits.test.labels, PLACES)
