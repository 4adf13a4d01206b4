"""One register for every choice: names in the source are those that are registered."""

import importlib

import pytest

from cnnjax.config import register, rules
from cnnjax.config.errors import ConfigError


@pytest.mark.parametrize("knob", [knob for knob in register.HOMES if knob != "metric"])
def test_the_names_in_the_source_are_those_that_are_registered(knob):
    home = register.HOMES[knob]
    importlib.import_module("cnnjax.measures.examine" if knob == "measure" else home)
    found = {name: choice.help for name, choice in register.CHOICES[knob].items()}
    assert found and register.scan(knob) == found and register.names(knob) == tuple(found)
    assert all(found.values()) and not any(own.source for own in register.CHOICES[knob].values())


@pytest.mark.parametrize("knob", ["pool", "norm", "optimizer"])
def test_the_knobs_in_the_source_are_those_that_a_choice_reads(knob, monkeypatch):
    importlib.import_module(register.HOMES[knob])
    asked = [(name, other) for name in register.scan(knob) for other in rules.KNOBS]
    registered = [entry for entry in asked if register.reads(knob, *entry)]
    monkeypatch.setitem(register.CHOICES, knob, {})
    assert registered and registered == [entry for entry in asked if register.reads(knob, *entry)]


def test_what_is_no_choice_is_answered_with_those_that_are():
    with pytest.raises(ConfigError, match="give one of norm, init, optimizer, schedule"):
        register.choice("scedule", "mine")
    with pytest.raises(ConfigError, match="give one of norm"):
        register.choice("pool", "mine")
