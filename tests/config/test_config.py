"""A Config refuses what cannot be, in one line that says what would be right."""

import dataclasses
import json

import numpy as np
import pytest
from absl import flags as absl_flags

from cnnjax.config import explain, flags, knobs
from cnnjax.config.allowed import Readers
from cnnjax.config.config import (
    KNOBS,
    Config,
    from_json,
    make_config,
    numbers_of,
    override,
    structure_of,
    to_json,
)
from cnnjax.config.knobs import ConfigError


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
        ({"steps": 5, "stop_at": 5}, "--stop_at=5 is not below --steps=5: give less, or 0"),
        ({"eval_every": 0, "patience": 2}, "--patience=2 does nothing with --eval_every=0"),
        ({"bias": 1}, "--bias=1 is not allowed: give true|false"),
    ],
)
def test_refuses_in_one_line(fields, message):
    with pytest.raises(ConfigError, match="^[^\n]*$") as caught:
        Config(**fields)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"momentum": 0.9}, "--momentum=0.9 does nothing with --optimizer=adam"),
        ({"weight_decay": 0.0}, "--weight_decay=0.0 does nothing with --optimizer=adam"),
        ({"model": "resnet18", "widths": (16, 32)}, "--widths=16,32 does nothing with --model"),
        ({"model": "mlp", "pool": "max"}, "--pool=max does nothing with --model=mlp"),
        ({"pool": "none", "pool_every": 0}, "--pool_every=0 does nothing with --pool=none"),
        ({"pool": "none", "pool_stride": 0}, "--pool_stride=0 does nothing with --pool=none"),
        ({"pad": (1,)}, "--pad=1 does nothing with --padding=SAME"),
        ({"padding": "VALID", "fill": "zero"}, "--fill=zero does nothing with --padding=VALID"),
        ({"norm_scale": True}, "--norm_scale=true does nothing with --norm=none"),
        ({"norm_epsilon": 1e-5}, "--norm_epsilon=1e-05 does nothing with --norm=none"),
        ({"count_padding": False}, "--count_padding=false does nothing with --pool=max"),
        ({"match": "parameters"}, "--match=parameters does nothing with --model=cnn"),
        ({"stem": "imagenet"}, "--stem=imagenet does nothing with --model=cnn"),
        ({"model": "resnet20", "stem": "small"}, "--stem=small does nothing with --model=resnet20"),
        ({"model": "resnet18", "stem": "small", "pool_size": 3}, "--pool_size=3 does nothing with"),
        ({"model": "logistic", "activation": "relu"}, "--activation=relu does nothing with"),
        ({"model": "logistic", "norm": "none"}, "--norm=none does nothing with --model=logistic"),
        ({"model": "logistic", "init_gain": 1.0}, "--init_gain=1.0 does nothing with"),
        ({"model": "local_twin", "conv_form": "auto"}, "--conv_form=auto does nothing with"),
        ({"model": "mlp_twin", "fill": "zero"}, "--fill=zero does nothing with --model=mlp_twin"),
        ({"model": "mlp_twin", "freeze": "none"}, "--freeze=none does nothing with --model"),
        ({"model": "all_cnn_c", "hidden": ()}, "does nothing with --model=all_cnn_c"),
        ({"model": "all_cnn_c", "head": "flatten"}, "--head=flatten cannot be with --model"),
        ({"mixup": 0.2, "batch_size": 1}, "--mixup=0.2 mixes images of one batch"),
        (
            {"shift_fill": "zero"},
            "does nothing with --shift=0: leave it out, or choose --shift of 1",
        ),
        ({"paddin": "SAME"}, "did you mean padding"),
    ],
)
def test_what_is_given_and_not_read_is_refused_whatever_its_value(given, message):
    with pytest.raises(ConfigError, match="^[^\n]*$") as caught:
        make_config(given)
    assert message in str(caught.value)


@pytest.mark.parametrize("knob", KNOBS.values(), ids=lambda knob: knob.name)
def test_no_rule_names_a_knob_below_its_own(knob):
    """So that one look at the knobs in their order settles what is read."""
    order = list(KNOBS)
    for rule in (knob.used_with, *knob.only_with.values()):
        for other, allowed in rule.items():
            assert order.index(other) < order.index(knob.name)
            if isinstance(allowed, Readers):
                assert allowed == (other, knob.name) and allowed.among(KNOBS[other].choices)
            if isinstance(allowed, (range, Readers)):
                continue
            choices = (True, False) if KNOBS[other].type is bool else KNOBS[other].choices
            assert set(getattr(allowed, "names", allowed)) <= set(choices)


SMALLEST = 1.1754943508222875e-38  # normal number of float32
TINY, HUGE = "1e-50", "1e39"


@pytest.mark.parametrize(
    ("name", "text", "fields"),
    [
        *[
            (knob.name, text, {})
            for knob in KNOBS.values()
            if knob.type is float
            for text in (TINY, "1e-40", "5e-324", HUGE, "1e400", "-1e39", "nan", "inf", "-inf")
        ],
        ("momentum", "0.99999999999", {"optimizer": "momentum"}),  # is 1 in float32
        ("ema_decay", "0.99999999999", {}), ("dropout", "0.99999999999", {}),
        ("eval_crop", "1.0000001", {}), ("seed", "4294967296", {}), ("seed", "-1", {}),
        ("seed", "0.5", {}), ("steps", "2147483648", {}), ("widths", "16,2147483648", {}),
        ("batch_size", "99999999999999999999", {}), ("image_size", "1e-3", {}),
    ],
)  # fmt: skip
def test_numbers_are_checked_in_the_precision_that_computes(name, text, fields):
    with pytest.raises(ConfigError, match=f"^--{name}=[^\n]*give"):
        make_config({name: knobs.parse_value(KNOBS[name], text), **fields})


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--learning_rate=1e-50", "is 0 in float32, in which runs compute: give a number > 0.0"),
        ("--logit_scale=1e39", "is inf in float32"),
        ("--steps=99999999999", "does not fit 32 bits: give at most 2147483647"),
        ("--steps=0", "give an integer >= 1"),
    ],
)
def test_a_flag_that_32_bits_do_not_hold_says_why(flag, words, capsys):
    values = absl_flags.FlagValues()
    flags.define_config(values, Config())
    with pytest.raises(SystemExit):
        flags.parse(values, ["train", flag], "")
    assert f"error: flag {flag}: {words}" in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name, knob in KNOBS.items() if knob.beside_one])
def test_what_is_too_small_to_act_beside_one_is_refused(name):
    needs = {"momentum": {"optimizer": "momentum"}, "norm_momentum": {"norm": "batch"},
             "stochastic_depth": {"model": "resnet18"}}.get(name, {})  # fmt: skip
    with pytest.raises(ConfigError, match=f"--{name}=1e-10 does nothing: it is lost beside 1"):
        make_config({**needs, name: 1e-10})
    for value in (0.0, 2.0**-23):
        assert getattr(make_config({**needs, name: value}), name) == value


def test_the_extremes_of_float32_and_of_seeds_are_taken():
    config = Config(learning_rate=SMALLEST, logit_scale=3.4e38, clip_norm=0.0, seed=2**32 - 1)
    numbers = {
        name: np.asarray(value, np.float32) for name, value in dataclasses.asdict(config).items()
        if isinstance(value, float)
    }  # fmt: skip
    assert numbers["learning_rate"] > 0 and np.isfinite(numbers["logit_scale"])
    assert np.uint32(config.seed) == 2**32 - 1


def test_a_run_sees_no_more_images_than_32_bits_count():
    assert Config(steps=2**25, batch_size=63).steps == 2**25
    with pytest.raises(ConfigError, match="give at most 33554431 steps"):
        Config(steps=2**25, batch_size=64)


@pytest.mark.parametrize(
    ("one", "other"), [({"learning_rate": 1}, {"learning_rate": 1.0}), ({"noise": -0.0}, {})]
)
def test_equal_numbers_are_one_run(one, other):
    texts = [json.dumps(to_json(make_config(own))) for own in (one, other)]
    assert texts[0] == texts[1]


def test_a_value_of_the_model_that_a_choice_does_not_read_is_dropped():
    layered = make_config({"model": "airbench94", "norm": "layer"})
    assert layered.norm_momentum == KNOBS["norm_momentum"].default
    assert layered.norm_epsilon == KNOBS["norm_epsilon"].default
    assert not layered.norm_scale  # a layer norm reads it
    small = make_config({"model": "resnet18", "stem": "small"})
    assert (small.pool_size, small.pool_stride, small.pool_padding) == (2, 0, "VALID")
    unshared = make_config({"model": "airbench94", "conv": "unshared"})
    assert (unshared.first_layer, unshared.init) == ("learned", "he_normal")
    assert make_config({"model": "resnet20"}).stem == "small"  # its own, not to be set


@pytest.mark.parametrize("model", KNOBS["model"].choices)
def test_a_model_says_nothing_of_training(model):
    config = make_config({"model": model})
    for name in ("optimizer", "learning_rate", "momentum", "weight_decay", "schedule", "steps",
                 "batch_size", "eval_every", "warmup_steps", "label_smoothing", "flip", "shift",
                 "crop", "ema_decay"):  # fmt: skip
        assert getattr(config, name) == KNOBS[name].default
    assert from_json(to_json(config)) == config
    assert override(config, {}) == config
    assert structure_of(config) == config


def test_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().steps = 3


def test_json_round_trip():
    config = Config(widths=(8,), hidden=(), pool="avg", seed=7)
    assert from_json(json.loads(json.dumps(to_json(config)))) == config


def test_unknown_knob_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean padding"):
        from_json({"paddin": "SAME"})


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
    assert structure_of(one) == structure_of(other)
    assert structure_of(one) != structure_of(Config(pool="avg"))
    assert set(numbers_of(one)) == {"seed", "seed_init", "seed_order", "seed_draw", "learning_rate",
                                    "momentum", "weight_decay", "label_smoothing",
                                    "init_gain", "stop_at"}  # fmt: skip


def test_a_part_that_names_no_seed_of_its_own_has_the_runs():
    def seeds(**given):
        numbers = numbers_of(Config(**given))
        return [numbers[f"seed{part}"] for part in ("", "_init", "_order", "_draw")]

    assert seeds(seed=4) == [4, 4, 4, 4]
    assert seeds(seed=4, seed_init=0, seed_draw=2**32 - 1, draw="seed") == [4, 0, 4, 2**32 - 1]


ARMS = ({"optimizer": "adam"}, {"optimizer": "momentum"})


def test_the_plan_says_whence_each_value_is():
    given = {"model": "resnet18", "stem": "small", "optimizer": "momentum", "momentum": 0.9}
    sources = {"command line": {"model", "stem"}, "recipe": {"optimizer", "momentum"}}
    found = {
        choice.name: (choice.value, choice.source)
        for choice in explain.explain(make_config(given), sources)
    }
    assert found["stem"] == ("small", "command line") and found["momentum"] == (0.9, "recipe")
    assert found["norm"] == ("batch", "model") and found["learning_rate"] == (3e-3, "default")
    assert found["weight_decay"] == (0.0, "default")
    assert not {"pool_size", "widths", "match", "pad"} & set(found)  # nothing reads them
    assert explain.describe_choices(explain.explain(Config(), {})) == [
        "all values: the default (--help)"
    ]
    assert explain.describe_choices(explain.explain(make_config(given), sources)) == [
        "from the model: --image_size=224 --head=global_avg --hidden= --padding=HALF --norm=batch",
        "from the command line: --model=resnet18 --stem=small",
        "from the recipe: --optimizer=momentum --momentum=0.9",
        "all else: the default (--help)",
    ]
    twenty = explain.explain(make_config({"model": "resnet20"}), {})
    assert ("stem", "small", "model") in twenty  # in force, though nobody can set it


def test_a_flag_is_from_the_command_line_or_from_a_file(tmp_path):
    (tmp_path / "recipe.txt").write_text("--steps=7\n--flip=true\n--shift=2\n")
    values = absl_flags.FlagValues()
    flags.define_config(values, Config())
    argv = ["train", f"--flagfile={tmp_path / 'recipe.txt'}", "--shift=3", "--nobias"]
    flags.parse(values, argv, "")
    assert flags.find_sources(values, argv) == {
        "command line": {"shift", "bias"}, "recipe": {"steps", "flip"}
    }  # fmt: skip
