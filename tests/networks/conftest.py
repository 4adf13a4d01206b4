"""What tests of networks share."""

import pytest

from cnnjax.networks import cost, models
from tests.foreign import SqueezeExcite


@pytest.fixture
def use(monkeypatch):
    """Lets `cnn` stand for a module made by a function of the number of classes."""

    def use(make):
        monkeypatch.setitem(models.MODELS, "cnn", lambda config, num_classes, _: make(num_classes))
        cost.measure.cache_clear()
        cost.find_poolings.cache_clear()

    yield use
    cost.measure.cache_clear()
    cost.find_poolings.cache_clear()


@pytest.fixture
def foreign(use):
    use(SqueezeExcite)
