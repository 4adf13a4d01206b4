"""A Config refuses what cannot be, in one line that says what would be right."""

import dataclasses
import json

import pytest

from cnnjax import config as config_lib
from cnnjax import knobs
from cnnjax.config import KNOBS, Config
from cnnjax.knobs import ConfigError


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pool": "median"}, "--pool=median is not allowed: give max|avg|"),
        ({"steps": 0}, "--steps=0 is not allowed: give an integer >= 1"),
        ({"steps": 2.5}, "give an integer"),
        ({"steps": True}, "give an integer"),
        ({"learning_rate": 0.0}, "give a number > 0.0"),
        ({"learning_rate": float("nan")}, "give a number > 0.0"),
        ({"learning_rate": float("inf")}, "give a number > 0.0"),
        ({"momentum": 1.0, "optimizer": "momentum"}, "give a number >= 0.0 and < 1.0"),
        ({"widths": (16, 0)}, "--widths=16,0 is not allowed: give integers such as 16,32"),
        ({"widths": 16}, "--widths=16"),
        ({"seed": 2**32}, "give an integer >= 0 and <= 4294967295"),
        ({"model": "mlp", "pool": "avg"}, "--pool=avg does nothing with --model=mlp"),
        ({"momentum": 0.5}, "--momentum=0.5 does nothing with --optimizer=adam"),
        ({"pool": "none", "pool_size": 3}, "--pool_size=3 does nothing with --pool=none"),
        ({"pad": (2,)}, "--pad=2 does nothing with --padding=SAME"),
        ({"padding": "VALID", "fill": "edge"}, "--fill=edge does nothing with --padding=VALID"),
        ({"conv": "unshared", "groups": 2}, "--groups=2 does nothing with --conv=unshared"),
        ({"kernel_size": (3, 3)}, "give one integer, or two that differ such as 3x5"),
        ({"kernel_size": 3}, "give one integer, or two that differ"),
        ({"kernel_size": ()}, "give one integer, or two that differ"),
        ({"weight_decay": 0.1}, "--weight_decay=0.1 does nothing with --optimizer=adam"),
        ({"steps": 5, "warmup_steps": 5}, "--warmup_steps=5 leaves nothing of --steps=5"),
        ({"bias": 1}, "--bias=1 is not allowed: give true|false"),
    ],
)
def test_refuses_in_one_line(fields, message):
    with pytest.raises(ConfigError, match="^[^\n]*$") as caught:
        Config(**fields)
    assert message in str(caught.value)


def test_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().steps = 3


def test_json_round_trip():
    config = Config(widths=(8,), hidden=(), pool="avg", seed=7)
    assert config_lib.from_json(json.loads(json.dumps(config_lib.to_json(config)))) == config


def test_unknown_knob_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean padding"):
        config_lib.from_json({"paddin": "SAME"})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("widths", "16x32", (16, 32)), ("widths", "16,32", (16, 32)), ("hidden", "", ()),
     ("kernel_size", "3x5", (3, 5)), ("kernel_size", "3x3", (3,)), ("kernel_size", "3", (3,)),
     ("bias", "false", False), ("learning_rate", "1e-3", 1e-3), ("pool", "avg", "avg"),
     ("steps", "12", 12)],
)  # fmt: skip
def test_parse_value(name, text, value):
    assert knobs.parse_value(KNOBS[name], text) == value


@pytest.mark.parametrize("knob", KNOBS.values(), ids=lambda knob: knob.name)
def test_format_and_parse_are_inverse(knob):
    assert knobs.parse_value(knob, knobs.format_value(knob.default)) == knob.default


def test_structure_forgets_the_traced_numbers_and_nothing_else():
    one, other = Config(seed=1, learning_rate=0.1), Config(seed=2, label_smoothing=0.5)
    assert config_lib.structure_of(one) == config_lib.structure_of(other)
    assert config_lib.structure_of(one) != config_lib.structure_of(Config(pool="avg"))
    assert set(config_lib.numbers_of(one)) == {"seed", "learning_rate", "momentum", "weight_decay",
                                              "label_smoothing", "init_gain"}  # fmt: skip


def test_grid_expands_to_every_combination():
    arms = config_lib.expand_grid(Config(), {"pool": ("max", "avg"), "padding": ("SAME", "VALID")})
    assert arms == [
        {"pool": "max", "padding": "SAME"},
        {"pool": "max", "padding": "VALID"},
        {"pool": "avg", "padding": "SAME"},
        {"pool": "avg", "padding": "VALID"},
    ]


def test_an_arm_that_no_longer_reads_a_knob_of_the_base_forgets_it():
    base = Config(pool_every=1, kernel_size=(5,))
    assert config_lib.override(base, {"pool": "none"}) == Config(pool="none", kernel_size=(5,))
    assert config_lib.override(base, {"model": "mlp"}) == Config(model="mlp")
    assert config_lib.override(base, {"pool": "avg"}).pool_every == 1


def test_grid_refuses_an_arm_that_would_not_read_its_knob():
    with pytest.raises(ConfigError, match="does nothing"):
        config_lib.expand_grid(Config(), {"pool": ("max", "none"), "pool_size": (2, 3)})
