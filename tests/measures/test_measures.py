"""Measures by name: each is a function and its decorator, and costs nothing where unasked."""

import dataclasses
from collections import Counter

import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax import api
from cnnjax.config import knobs, measured, register
from cnnjax.config.config import KNOBS, Config, ConfigError, request_of, settings_of
from cnnjax.measures import examine
from cnnjax.records.packed import unpack_values
from cnnjax.study import arms, judge, metrics, wanted
from cnnjax.study.claims import Claim, Comparison, Score, Study, Tuning
from cnnjax.sweep import runner

OPTAX = True  # see conftest.py
BUILT_IN = dict(register.CHOICES["measure"])


def read_margin(record):
    return record.scores["test_margin"]


@pytest.fixture
def traced():
    """How often each measure declared here was traced, by its name; none stays declared."""
    count = Counter()

    @register.measure("margin")
    def measure_margin(model, params, stats, observed, key):
        """How far the logit of the true class is above the best other one."""
        count["margin"] += 1
        rows = jnp.arange(len(observed.labels))
        true = observed.logits[rows, observed.labels]
        best = observed.logits.at[rows, observed.labels].set(-jnp.inf).max(axis=-1)
        return {"test_margin": true - best, "largest_logit": observed.logits.max()}

    def add_up(found, spec):
        return {"parity": {"right": int(found["even"].sum())}, "test_even": 2.0 * found["even"]}

    @register.measure("parity", finish=add_up)
    def measure_parity(model, params, stats, observed, key):
        """Whether an even digit is said to be even."""
        count["parity"] += 1
        return {"even": observed.logits.argmax(axis=-1) % 2 == observed.labels % 2}

    by_image = metrics.kept("test_margin")
    register.metric("test_margin", margin=0.1, by_image=by_image, measure="margin")(read_margin)
    yield count
    register.CHOICES["measure"].clear()
    register.CHOICES["measure"].update(BUILT_IN)
    del register.CHOICES["metric"]["test_margin"]


def test_what_is_asked_for_is_measured_and_nothing_else(tiny, digits, traced):
    (plain,) = runner.run_lanes([tiny], digits)
    assert not traced and not {"test_margin", "parity"} & set(plain.scores)
    asking = dataclasses.replace(tiny, measure=("margin",))
    (result,) = runner.run_lanes([asking], digits)
    assert traced["margin"] > 0 and not traced["parity"]
    own = {"test_margin", "largest_logit"}
    assert set(result.scores) == set(plain.scores) | own
    by_image = {name: unpack_values(text) for name, text in result.scores["by_image"].items()}
    assert set(by_image) == {*plain.scores["by_image"], "test_margin"}
    np.testing.assert_array_equal(by_image["test_margin"] > 0, by_image["test_accuracy"] == 1)
    assert len(by_image["test_margin"]) == len(digits.test.labels)
    for name in set(plain.scores) - {"by_image", "diverged_at"}:
        assert result.scores[name] == pytest.approx(plain.scores[name], rel=1e-5), name


def test_a_metric_of_logits_is_measured_where_it_is_asked_for(tiny, digits):
    (plain,) = runner.run_lanes([tiny], digits)
    asking = dataclasses.replace(tiny, measure=("test_top5_accuracy",))
    (result,) = runner.run_lanes([asking], digits)
    assert set(result.scores) == set(plain.scores) | {"test_top5_accuracy"}
    by_image = {name: unpack_values(text) for name, text in result.scores["by_image"].items()}
    among = by_image["test_top5_accuracy"]
    assert len(among) == len(digits.test.labels) and (among >= by_image["test_accuracy"]).all()
    assert result.scores["test_top5_accuracy"] == among.mean() > result.scores["test_accuracy"]


def test_what_is_no_score_yet_is_finished_without_the_padding(tiny, digits, traced):
    (result,) = runner.run_lanes([dataclasses.replace(tiny, measure=("parity",))], digits)
    right = result.scores["parity"]["right"]
    assert result.scores["test_even"] == pytest.approx(2 * right / len(digits.test.labels))
    assert "even" not in result.scores and result.scores["test_accuracy"] <= right / 1000


@pytest.mark.slow
def test_a_metric_brings_its_measure(tiny, digits, traced, tmp_path):
    study = Study(
        name="margins",
        question="Which pooling leaves the larger margin?",
        base={**settings_of(tiny), "steps": 60},
        arms=({"pool": "max"}, {"pool": "avg"}),
        claims=(
            Claim("margins", "The maximum does.", (
                Comparison({"pool": "max"}, {"pool": "avg"}, ">", "unknown", metric="test_margin"),
            )),
        ),
    )  # fmt: skip
    base = arms.make_base(study, {})
    lanes = arms.make_lanes(study, base, 5)
    assert {lane.measure for lane in lanes} == {("margin",)}
    outcome = api.train_wanted(
        wanted.fixed(lanes), {request_of(base): digits}, api.Options(tmp_path)
    )
    (row,) = judge.judge(study, base, [*outcome.records.values()]).verdicts
    assert row["metric"] == "test_margin" and row["image_error"] > 0


ARM, OTHER = {"pool": "max"}, {"pool": "avg"}


@pytest.mark.parametrize(
    "own",
    [
        {"metric": "auc_blur"},
        {"claims": (Claim("a", "A.", (Comparison(ARM, OTHER, ">", "", metric="auc_salt"),)),)},
        {"claims": (Claim("a", "A.", (Comparison(Score(ARM, "auc_salt"), 0.9, ">", ""),)),)},
        {"tuning": Tuning({"learning_rate": (1e-3, 1e-2)}, metric="auc_scale")},
    ],
)  # fmt: skip
def test_wherever_a_study_names_a_metric_its_measure_is_asked_for(own):
    study = Study("a", "A?", {}, (ARM, OTHER), ())
    assert arms.make_base(study, {}).measure == ()
    assert arms.make_base(study._replace(**own), {}).measure == ("robustness",)


def test_what_a_person_asks_for_is_measured_too(traced):
    study = Study("a", "A?", {"measure": ("parity",)}, (ARM, OTHER), (), metric="auc_blur")
    assert arms.make_base(study, {}).measure == ("parity", "robustness")
    given = {"measure": ("margin",)}
    assert arms.make_base(study, given).measure == ("margin", "parity", "robustness")
    assert arms.make_base(study._replace(base={}, metric="test_loss"), given) == Config(
        draw="auto", **given
    )


def test_one_in_a_file_that_nothing_imports_is_refused(tiny, monkeypatch):
    asked = dataclasses.replace(tiny, measure=("robustness",))
    monkeypatch.delitem(register.CHOICES["measure"], "robustness")
    with pytest.raises(ConfigError, match="HOMES of measures/examine.py"):
        examine.list_measures(asked)


def test_the_source_says_what_the_decorators_do():
    """Names are read from the source, so that `--help` imports no JAX."""
    found = register.read_home("measure")
    assert set(found) == set(BUILT_IN)
    for name, own in found.items():
        assert own.facts.get("always", False) == BUILT_IN[name].traits["always"]
        assert own.help and own.help == BUILT_IN[name].help
    for name, own in register.read_home("metric").items():
        traits = register.find("metric", name).traits
        assert {trait: traits[trait] for trait in own.facts} == dict(own.facts)
    assert set(measured.read_built_in()) == {
        "robustness", "test_top5_accuracy", "test_ece_excess", "dead_units", "largest_eigenvalue",
        "zeroed_features", "last_layer_training", "filters", "probes", "head_probes", "activity",
        "saliency", "receptive_field", "similarity",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("robustnes", "--measure=robustnes is not allowed: give activity"),
        ("robustness,,", "--measure= is not allowed: give activity"),
        ("calibration", "--measure=calibration is measured always: leave it out, or give activity"),
    ],
)
def test_a_name_that_is_none_to_ask_for_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        knobs.parse_value(KNOBS["measure"], text)


def test_order_and_repetition_are_no_other_run(traced):
    knob = KNOBS["measure"]
    parsed = knobs.parse_value(knob, " robustness, margin,robustness")
    config = Config(measure=parsed)
    assert config == Config(measure=("margin", "robustness"))
    assert knobs.format_value(config.measure) == "margin,robustness"
    assert knobs.parse_value(knob, "") == ()


def test_a_name_is_declared_once(traced):
    def find(model, params, stats, observed, key):
        return {}

    cell = {"__name__": "__cell__", "register": register, "find": find}
    for _ in range(2):  # a notebook's cell that runs again
        exec('register.measure("own")(find)', cell)
    for name in ("margin", "own"):
        with pytest.raises(ConfigError, match=f"--measure={name} is there already"):
            register.measure(name)(find)
    register.measure("once")(find)
    with pytest.raises(ConfigError, match="--measure=once is there already"):
        register.measure("once")(find)


def test_what_is_neither_a_number_nor_by_image_is_refused(traced):
    images, classes = jnp.zeros(20), jnp.zeros(10)
    examine.check({"margin": {"a": images, "b": images[0]}, "parity": {"a": images}}, 20)
    with pytest.raises(ValueError, match="measure margin: a has shape"):
        examine.check({"margin": {"a": classes}}, 20)
    with pytest.raises(ValueError, match="measures accuracy and margin both give a"):
        examine.check({"accuracy": {"a": images}, "margin": {"a": images}}, 20)
