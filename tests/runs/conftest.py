"""A short run, and where its data are."""

import pytest

from cnnjax.config.config import Config
from cnnjax.config.datasets import Where


@pytest.fixture(scope="module")
def config():
    return Config(widths=(8,), hidden=(16,), batch_size=16, steps=60, eval_every=30)


@pytest.fixture(scope="module")
def where(data_dir, digits):
    return Where(str(data_dir))
