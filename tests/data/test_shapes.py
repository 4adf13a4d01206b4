"""What is known of data sets before anything is prepared."""

import os

import pytest

from cnnjax.config.config import Config
from cnnjax.config.datasets import Where
from cnnjax.config.knobs import ConfigError
from cnnjax.data import load


def test_shape_and_classes_are_known_before_anything_is_prepared(tmp_path):
    where = Where(os.fspath(tmp_path))
    assert load.load_info(Config(dataset="cifar100"), where) == ((32, 32, 3), 100)
    assert load.load_info(Config(dataset="emnist/letters"), where) == ((28, 28, 1), 37)
    with pytest.raises(ConfigError, match="images differ in size: give --image_size"):
        load.load_info(Config(dataset="imagenette"), where)
    shape, _ = load.load_info(Config(dataset="imagenette", image_size=64), where)
    assert shape == (64, 64, 3)
    assert not list(tmp_path.iterdir())
