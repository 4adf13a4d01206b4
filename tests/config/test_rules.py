"""Which model reads which knob: by what its row says, and with the refusals of old."""

import dataclasses
import json
import pathlib
import re
import subprocess
import sys

import pytest

from cnnjax.config import knobs, models, presets, register, rules
from cnnjax.config.config import KNOBS, Config, make_config, override
from cnnjax.config.errors import ConfigError
from cnnjax.config.knobs import format_value, structure
from cnnjax.config.layouts import Dense

MODELS = register.names("model")
# By knob and value, the models that refuse it: written when rules still named models.
REFUSALS = json.loads((pathlib.Path(__file__).parent / "refusals.json").read_text())


def values_of(knob):
    """All choices of a knob, or its default and another value."""
    if knob.item is str:
        return (knob.default,)
    if knob.choices:
        return knob.choices
    if knob.type is bool:
        return False, True
    if knob.type is tuple:
        return knob.default, (1, 2) if knob.pair else (3, 5)
    if knob.type is str:
        return (knob.default,)
    other = knob.default + 1 if knob.type is int else 0.25 if knob.default != 0.25 else 0.5
    return knob.default, 0.5 if knob.name == "eval_crop" else other


def refusal(make, *given):
    try:
        make(*given)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "knob", [k for k in KNOBS.values() if k.name != "model"], ids=lambda k: k[0]
)
def test_every_value_of_a_knob_is_refused_by_the_same_models_in_the_same_words(knob):
    for value in values_of(knob):
        by_model = {
            model: words
            for words, refusing in REFUSALS.get(f"{knob.name}={format_value(value)}", {}).items()
            for model in refusing.split()
        }
        for model in MODELS:
            words = by_model.get(model, "").replace("--model=MODEL:", f"--model={model}:")
            given = {knob.name: value}
            assert refusal(make_config, {"model": model, **given}) == words
            assert refusal(override, Config(), {"model": model, **given}) == words
            assert refusal(override, make_config({"model": model}), given) == words


def test_a_row_names_knobs_and_values_that_there_are():
    known = {name for name, knob in KNOBS.items() if knob.by_model}
    known |= {f"{knob.name}={value}" for knob in KNOBS.values() for value in knob.model_values}
    for model in MODELS:
        row = register.find("model", model).traits
        assert {entry for entry in row["reads"] if not entry.endswith("@hidden")} <= known
        assert set(row["defaults"]) | set(row["small"]) <= set(KNOBS)
        assert {re.split("[=@]", entry)[0] for entry in row["reads"]} <= row["reads"] | {"head"}
    assert all(models.list_readers(entry) for entry in known)
    assert all(set(knob.model_values) <= set(knob.choices) for knob in KNOBS.values())


@pytest.fixture
def own_register(monkeypatch):
    """What a test registers is forgotten after it."""
    for knob, known in register.CHOICES.items():
        monkeypatch.setitem(register.CHOICES, knob, dict(known))


def test_a_model_from_outside_has_the_knobs_that_it_says_it_reads(own_register):
    @register.model("mine", reads=presets.PUBLISHED - {"dropout"}, defaults={"pool": "avg"})
    def mine(config, num_classes):
        """Mine."""
        return Dense()

    assert KNOBS["model"].choices == (*MODELS, "mine")
    config = make_config({"model": "mine", "activation": "maxout", "norm": "response"})
    assert config.pool == "avg" and register.find("model", "mine").help == "Mine."
    for name in presets.PUBLISHED & set(KNOBS) - {"dropout"}:
        obstacle = rules.find_obstacle(KNOBS[name], vars(config))
        assert obstacle is None or obstacle[1] != "model", name
    with pytest.raises(ConfigError, match="--dropout=0.0 does nothing with --model=mine"):
        make_config({"model": "mine", "dropout": 0.0})
    with pytest.raises(ConfigError, match="--padding=published cannot be with --model=mine"):
        make_config({"model": "mine", "padding": "published"})
    with pytest.raises(ConfigError, match=r"choose --model=cnn\|.*\|mine$"):
        make_config({"model": "logistic", "norm": "batch"})
    assert override(config, {"model": "cnn"}).pool == "max"


def test_a_name_is_declared_once_but_by_a_cell_that_runs_again(own_register):
    def make(config, num_classes):
        return Dense()

    for _ in range(2):
        exec('register.model("mine", reads=())(make)', {"register": register, "make": make})
    with pytest.raises(ConfigError, match="--model=cnn is there already: give it another name"):
        register.model("cnn", reads=())(make)
    with pytest.raises(ConfigError, match="--model=mine is there already"):
        register.model("mine", reads=())(lambda config, num_classes: Dense())


def test_a_knob_is_of_one_family():
    @dataclasses.dataclass(frozen=True)
    class One:
        steps: int = structure(1, "One.")

    @dataclasses.dataclass(frozen=True)
    class Two:
        epochs: int = structure(1, "Two.")
        steps: int = structure(2, "Two.")

    with pytest.raises(TypeError, match="One and Two declare steps"):
        knobs.join([One, Two])
    assert [knob.family for knob in knobs.join([Two]).values()] == ["Two", "Two"]


def test_a_config_is_the_families_in_their_order():
    assert Config.__bases__ == rules.FAMILIES[::-1]
    assert [field.name for field in dataclasses.fields(Config)] == [*KNOBS, "own"]


def test_names_are_known_without_their_home():
    code = (
        "import sys; from cnnjax.config import register, rules;"
        "print(rules.KNOBS['pool'].choices[-1], *register.scan('pool')['none'].split());"
        "print([name for name in ('jax', 'cnnjax.ops.pool') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "none Not at all.\n[]\n"


def test_a_pooling_from_outside_has_the_knobs_of_windows(own_register):
    @register.pooling("middle", sees=lambda size: 1)
    def middle(maps, size, stride, padding="VALID"):
        """Mine."""
        return maps

    assert make_config({"pool": "middle", "pool_size": 3}).pool == "middle"
    with pytest.raises(ConfigError, match=r"choose --pool=max\|.*\|middle$"):
        make_config({"pool": "none", "pool_size": 3})
    with pytest.raises(ConfigError, match="--pool=max is there already"):
        register.pooling("max")(middle)
