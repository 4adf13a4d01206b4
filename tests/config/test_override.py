"""Arms are made on a base that suits most of them."""

import pytest

from cnnjax.config.config import (
    Config,
    make_base,
    make_config,
    override,
)
from cnnjax.config.knobs import ConfigError

ARMS = ({"optimizer": "adam"}, {"optimizer": "momentum"})


def test_an_arm_that_no_longer_reads_a_knob_of_the_base_forgets_it():
    base = Config(pool_every=1, kernel_size=(5,))
    assert override(base, {"pool": "none"}) == Config(pool="none", kernel_size=(5,))
    assert override(base, {"model": "mlp"}) == Config(model="mlp")
    assert override(base, {"pool": "avg"}).pool_every == 1


def test_an_arm_that_gives_what_it_does_not_read_is_refused_whatever_the_value():
    base = Config()
    for arm in ({"optimizer": "adam", "momentum": 0.9}, {"pool": "none", "pool_size": 2}):
        with pytest.raises(ConfigError, match="does nothing"):
            override(base, arm)
    with pytest.raises(ConfigError, match="--activation=maxout cannot be"):
        override(Config(activation="maxout"), {"model": "resnet20"})


def test_a_model_of_an_arm_brings_its_own_architecture():
    base = make_config({"model": "airbench94", "learning_rate": 0.01})
    assert override(base, {"model": "cnn"}) == Config(learning_rate=0.01)
    layered = override(base, {"norm": "layer"})
    assert override(layered, {"norm": "batch"}) == base


def test_what_a_base_gives_is_read_by_one_of_its_arms():
    """A knob that every arm sets is no reason to refuse what one of them reads."""
    base = make_base({"momentum": 0.9, "steps": 7}, ARMS)
    arms = [override(base, arm) for arm in ARMS]
    assert [arm.momentum for arm in arms] == [0.9, 0.9] and arms[0] == Config(steps=7)
    tuned = make_base({"momentum": 0.8}, ARMS)
    assert [override(tuned, arm).momentum for arm in ARMS] == [0.9, 0.8]
    for given, arms in (
        ({"momentum": 0.9}, ARMS[:1]),
        ({"match": "macs"}, ARMS),
        ({"pad": (1,)}, ()),
    ):
        with pytest.raises(ConfigError, match="does nothing"):
            make_base(given, arms)
