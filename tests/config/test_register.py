"""One register for every choice: names in the source are those that are registered."""

import importlib
import json
import math
import os
import shutil
import subprocess
import sys

import pytest

from cnnjax.config import declared, register, rules
from cnnjax.config.errors import ConfigError


@pytest.mark.parametrize(
    "knob", [knob for knob in register.HOMES if knob not in ("model", "metric")]
)
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


@pytest.fixture
def register_again(monkeypatch):
    """What a test declares is forgotten after it."""
    for knob, known in register.CHOICES.items():
        monkeypatch.setitem(register.CHOICES, knob, dict(known))


def mean(maps, size, stride, padding):
    """A pooling."""


def spread(record):
    """A metric."""


BAD = ("", "a,b", "a=b", "a b", "a/b", "-a", ".a", "größe", 'a"b', None)


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize(
    "declare",
    [
        register.pooling,
        register.activation,
        register.measure,
        lambda name: register.choice("norm", name),
        lambda name: register.model(name, reads=()),
        lambda name: register.metric(name, margin=0.1),
    ],
)
def test_a_name_is_one_that_a_list_of_values_and_a_file_can_hold(declare, name, register_again):
    with pytest.raises(ConfigError, match="cannot be a name: give letters, digits"):
        declare(name)(mean)


def test_a_name_may_have_points_and_dashes(register_again):
    register.pooling("gem-3.0_x")(mean)
    assert "gem-3.0_x" in register.names("pool")


@pytest.mark.parametrize("decorator", ["pooling", "activation", "measure", "dataset"])
def test_a_decorator_without_its_name_is_refused_at_once(decorator):
    with pytest.raises(ConfigError, match=rf'@cnnjax.{decorator}\("mean"\)$'):
        getattr(register, decorator)(mean)


def test_the_recall_of_a_class_is_no_name_for_another_metric(register_again):
    with pytest.raises(ConfigError, match="test_recall_CLASS is the recall of a class"):
        register.metric("test_recall_cat", margin=0.1)(spread)


@pytest.mark.parametrize("margin", [0, -0.1, math.nan, math.inf, True, "0.1", None])
def test_a_margin_is_a_positive_number(margin, register_again):
    with pytest.raises(ConfigError, match="metric spread: margin=.* give a number > 0"):
        register.metric("spread", margin=margin)(spread)
    assert "spread" not in register.CHOICES["metric"]


@pytest.mark.parametrize("entry", ["widths", "padding=published", "norm@hidden"])
def test_a_model_reads_knobs_and_values_of_them(entry, register_again):
    register.model("mine", reads=(entry,))(lambda config, num_classes: None)
    assert "mine" in register.CHOICES["model"]


@pytest.mark.parametrize(
    ("entry", "meant"),
    [("widhts", "widths"), ("paddding=published", "padding"), ("norm@hiden", "hidden")],
)
def test_a_model_that_reads_what_is_no_knob_is_refused(entry, meant, register_again):
    with pytest.raises(ConfigError, match=f"which is no knob: did you mean {meant}"):
        register.model("mine", reads=("bias", entry))(mean)
    assert "mine" not in register.CHOICES["model"]


LINEN = """

from cnnjax.config import register


@register.model("senet", reads={"norm"}, defaults={"norm": "batch"})
def make_senet(config: Config, num_classes: int) -> nn.Module:
    \"\"\"A Linen module.\"\"\"
    return modules.Dense(config, num_classes, "cpu")
"""
ASK = """
import json, sys
from cnnjax.config import config, help, models, register, rules
found = [help.list_choices(config.KNOBS["model"])["senet"], models.list_readers("norm")[0]]
found += [config.make_config({"model": "senet"}).norm]
try:
    config.make_config({"model": "senet", "widths": (8,)})
except rules.ConfigError as error:
    found += [str(error).partition(":")[0]]
found += ["jax" in sys.modules]
from cnnjax.networks import cost
found += [cost.measure(config.make_config({"model": "senet"}), (8, 8, 1), 10).parameters > 640]
found += [models.reads("senet", "norm"), models.small_of("senet"), list(register.names("model"))]
print(json.dumps(found))
"""


def test_a_model_that_is_a_linen_module_is_built_in_by_one_function(tmp_path):
    shutil.copytree(declared.ROOT / "cnnjax", tmp_path / "cnnjax")
    home = tmp_path / f"{register.HOMES['model'].replace('.', '/')}.py"
    home.write_text(home.read_text() + LINEN)
    run = subprocess.run(
        [sys.executable, "-c", ASK], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    help, reader, norm, refused, jax, built, reads, small, names = json.loads(run.stdout)
    assert (help, reader, norm) == ("A Linen module.", "senet", "batch")
    assert refused == "--widths=8 does nothing with --model=senet" and not jax
    assert built and reads and small == {}
    assert sorted(names) == sorted({"senet", *register.names("model")})
