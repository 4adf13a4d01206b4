"""A short run, where its data are, and the folder that it leaves."""

import jax
import pytest

from cnnjax.config.config import Config
from cnnjax.config.datasets import Where
from cnnjax.runs.train import train_run


@pytest.fixture(scope="module")
def config():
    return Config(widths=(8,), hidden=(16,), batch_size=16, steps=60, eval_every=30)


@pytest.fixture(scope="module")
def where(data_dir, digits):
    return Where(str(data_dir))


@pytest.fixture(scope="module")
def folder(config, where, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "one"
    with jax.numpy_dtype_promotion("standard"):
        train_run(config, folder, where)
    return folder
