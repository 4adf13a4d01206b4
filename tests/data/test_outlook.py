"""What is known of data before they are loaded."""

import os

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
