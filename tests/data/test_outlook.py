"""What is known of data before they are loaded."""

import os

import numpy as np
import pytest

from cnnjax.config.config import Config
from cnnjax.config.datasets import Where
from cnnjax.config.knobs import ConfigError
from cnnjax.data import load, outlook, transform


@pytest.mark.parametrize("knobs", [
    {"batch_size": 700}, {"train_examples": 700}, {"feed": "stream", "shuffle_labels": True},
    {"shift": 9}, {"feed": "stream", "permute_pixels": True},
])  # fmt: skip
def test_a_plan_refuses_what_a_run_would(data_dir, digits, knobs):
    config, where = Config(**knobs), Where(os.fspath(data_dir))
    with pytest.raises(ConfigError) as planned:
        outlook.describe_feed(Config(), where, 2**30, [config])
    with pytest.raises(ConfigError) as trained:
        transform.check(config, load.load_dataset(config, where))
    assert str(planned.value) == str(trained.value)


@pytest.mark.parametrize(
    ("dtype", "channels", "said"),
    [(np.float32, 1, "float32 images of 1 channel,"), (np.uint8, 4, "uint8 images of 4 channels,")],
)
@pytest.mark.parametrize("feed", ["memory", "stream"])
def test_images_that_the_host_cannot_cut_are_refused_by_the_plan(
    tmp_path, dtype, channels, said, feed
):
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, channels)).astype(dtype)
    labels = np.arange(60) % 2
    np.savez(tmp_path / "own.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    name = f"arrays:{tmp_path / 'own.npz'}"
    config = Config(dataset=name, eval_crop=0.5, image_size=4, feed=feed, batch_size=2)
    with pytest.raises(ConfigError, match=f"{said} and --eval_crop=0.5 cuts 8-bit grey or RGB"):
        outlook.describe_feed(config, Where(), 2**30)


def test_a_class_that_is_tested_and_not_trained_is_refused_by_the_plan(data_dir, digits):
    config = Config(train_split="test[5:9]", test_split="train[30:]", batch_size=4)
    with pytest.raises(ConfigError, match="cannot be learned: class .* is not among those of trai"):
        outlook.describe_feed(config, Where(os.fspath(data_dir)), 2**30)
