"""Records are found by all that can change their numbers, and are written whole or not at all."""

import dataclasses
import hashlib
import json
import re
import subprocess

import pytest

from cnnjax.config import datasets
from cnnjax.config.config import KNOBS, Config, make_config, override, to_json
from cnnjax.records.address import arm_key, fill, make_form, record_id
from cnnjax.records.atomic import write_json
from cnnjax.records.origin import Origin
from cnnjax.records.provenance import code_revision
from cnnjax.records.record import Record, load_record, write_record
from tests import by_hand

CONFIG = Config(seed=3, widths=(8,))
ORIGIN = Origin(
    "cpu", "cpu", "cpu", "haswell", ["avx2", "fma"], 2, None, {"jax_threefry_partitionable": True},
    {}, {"jax": "0.10.2"}, "program", "data", "memory",
)._asdict()  # fmt: skip
RECORD = Record(
    record_id(CONFIG, ORIGIN), to_json(CONFIG), {**by_hand.SCORES, "test_accuracy": 0.5},
    by_hand.LINES, by_hand.COST, by_hand.PROVENANCE,
)  # fmt: skip


def test_round_trip(tmp_path):
    write_record(tmp_path, RECORD)
    assert load_record(tmp_path, RECORD.id) == RECORD
    fields = json.loads((tmp_path / "records" / RECORD.id / "record.json").read_text())
    assert set(fields) >= {"schema", "config", "seed", "scores", "metrics", "cost", "provenance"}
    assert fields["seed"] == 3


def test_absent_is_none(tmp_path):
    assert load_record(tmp_path, "nothing") is None


def test_a_config_of_another_time_is_read_as_it_stands(tmp_path):
    config = {**RECORD.config, "former_knob": 3}
    del config["pool"]
    write_record(tmp_path, RECORD._replace(config=config))
    found = load_record(tmp_path, RECORD.id)
    assert found is not None and found.config == config and found.seed == 3


def test_a_knob_that_a_record_lacks_counts_as_at_its_models_default():
    def key(config, without=(), **former):
        values = to_json(config).items()
        return arm_key({k: v for k, v in values if k not in without} | former)

    assert key(CONFIG, without=["pool"]) == key(CONFIG) != key(Config(widths=(8,), pool="avg"))
    assert key(RESNET, without=["norm"]) == key(RESNET)  # batch, where a CNN has none
    assert key(CONFIG, former_knob=3) == key(CONFIG)
    assert key(dataclasses.replace(CONFIG, seed=4)) == key(CONFIG)


OTHER_VALUES = {
    "dataset": "dot", "draw": "seed", "permute_pixels": True, "standardise": "all",
    "roll_pixels": 1, "hidden_activation": "identity",
    "shuffle_labels": True, "shift_fill": "reflect", "input_dropout": 0.2,
    "residual": True, "init_gain": 2.0, "freeze": "convolutions", "measure": ("robustness",),
    "init_from": "runs/one",
    "train_examples": 5, "image_size": 9, "model": "mlp", "match": "macs", "width_multiplier": 2.0,
    "stem": "small", "logits": "rbf", "stochastic_depth": 0.5, "flip": True, "shift": 1,
    "rotation": 5.0, "crop": 0.5, "jitter": 0.1, "noise": 0.1, "cutout": 2, "mixup": 0.2,
    "augment": ("flip_vertical",),
    "first_layer": "whitened", "norm_scale": False, "norm_momentum": 0.6, "norm_epsilon": 1e-12,
    "logit_scale": 0.5, "cutmix": 1.0, "widths": (1,), "conv": "unshared", "conv_form": "winograd2",
    "kernel_size": (1,), "lanes_strategy": "vmap",
    "stride": 2, "dilation": 2, "groups": 2, "connectivity": "random", "bias": False,
    "padding": "VALID", "pad": (2,), "fill": "edge", "pool": "avg", "pool_size": 3,
    "pool_stride": 1, "pool_padding": "SAME", "count_padding": True, "pool_every": 1,
    "norm": "batch", "activation": "tanh", "head": "global_avg", "hidden": (), "dropout": 0.5,
    "init": "orthogonal", "optimizer": "momentum", "learning_rate": 1.0, "momentum": 0.5,
    "weight_decay": 1.0, "schedule": "constant", "warmup_steps": 5, "clip_norm": 1.0,
    "label_smoothing": 0.1, "ema_decay": 0.9, "dtype": "bfloat16", "precision": "default",
    "train_split": "train[:9%]", "validation_split": "train[9%:]", "test_split": "test[:9%]",
    "group_by": "patient",
    "feed": "stream", "eval_crop": 0.5, "batch_size": 1, "steps": 1, "eval_every": 1, "seed": 1,
    "seed_init": 1, "seed_order": 1, "seed_draw": 1, "stop_at": 1, "patience": 1,
    "squeeze_ratio": 2, "flip_alternating": True, "lookahead": 5, "norm_bias_rate": 2.0,
    "whitening_bias_steps": 3, "views": "mirror",
    "randaugment": 2, "randaugment_magnitude": 5.0,
}  # fmt: skip
RESNET = make_config({"model": "resnet18"})
BASES = {"shift_fill": Config(shift=1), "flip_alternating": Config(flip=True),
         "randaugment_magnitude": Config(randaugment=1),
         "match": Config(model="mlp_twin"), "width_multiplier": RESNET, "stem": RESNET,
         "stochastic_depth": RESNET, "momentum": Config(optimizer="momentum"),
         "pad": Config(padding="explicit"),
         "weight_decay": Config(optimizer="adamw"),
         "whitening_bias_steps": Config(first_layer="whitened"),
         **dict.fromkeys(("norm_scale", "norm_momentum", "norm_epsilon", "norm_bias_rate"),
                         Config(norm="batch")),
         "residual": Config(model="mlp"), "seed_draw": Config(draw="seed"),
         "count_padding": Config(pool="avg", pool_padding="SAME")}  # fmt: skip


def test_every_field_is_tried_here():
    assert set(OTHER_VALUES) == set(KNOBS)


@pytest.mark.parametrize("field", OTHER_VALUES)
def test_every_field_is_part_of_the_address(field):
    base = BASES.get(field, Config())
    changed = override(base, {field: OTHER_VALUES[field]})
    assert record_id(changed, ORIGIN) != record_id(base, ORIGIN)


@pytest.mark.parametrize("field", ORIGIN)
def test_every_field_of_the_origin_is_part_of_the_address(field):
    other = {**ORIGIN, field: {"other": 1}}
    assert record_id(CONFIG, other) != record_id(CONFIG, ORIGIN)


@pytest.mark.parametrize("field", OTHER_VALUES)
def test_the_address_is_a_hash_of_config_and_origin_as_json_with_sorted_keys(field):
    lane = override(BASES.get(field, Config()), {field: OTHER_VALUES[field]})
    fields = {**to_json(lane), "dataset": datasets.without_path(lane.dataset)}
    fields["init_from"] = "start" if field == "init_from" else ""  # its origin tells which
    text = json.dumps([fields, ORIGIN], sort_keys=True, allow_nan=False)
    assert record_id(lane, ORIGIN) == hashlib.sha256(text.encode()).hexdigest()[:24]


def test_lanes_that_differ_in_traced_numbers_share_a_form():
    form = make_form(CONFIG, ORIGIN)
    for lane in (
        CONFIG,
        *(override(CONFIG, {"seed": 7, "learning_rate": r}) for r in (1e-7, 3.0)),
    ):
        assert fill(form, lane) == record_id(lane, ORIGIN)
        assert make_form(lane, ORIGIN) == form
    assert make_form(override(CONFIG, {"widths": (9,)}), ORIGIN) != form


def test_the_address_does_not_depend_on_the_order_of_fields():
    turned = dict(reversed(ORIGIN.items()))
    assert record_id(CONFIG, turned) == record_id(CONFIG, ORIGIN)


def commit(folder):
    """A repository of `folder`, with all that is in it."""
    for command in (
        ["init", "-q"], ["add", "-A"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"],
    ):  # fmt: skip
        subprocess.run(["git", "-C", folder, *command], check=True)


def test_the_code_revision_is_of_a_repository_that_tracks_the_file(tmp_path):
    installed = tmp_path / "venv" / "cnnjax" / "store.py"
    installed.parent.mkdir(parents=True)
    (tmp_path / "other.py").write_text("another project\n")
    (tmp_path / ".gitignore").write_text("venv\n")
    commit(tmp_path)
    installed.write_text("x = 1\n")
    assert code_revision(installed) is None
    assert re.fullmatch("[0-9a-f]{40}", code_revision(tmp_path / "other.py") or "")
    (tmp_path / "other.py").write_text("changed\n")
    assert (code_revision(tmp_path / "other.py") or "").endswith("+")


def test_numbers_that_json_lacks_become_null(tmp_path):
    write_json(tmp_path / "a.json", {"x": [float("nan"), float("inf"), 1.0]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": [None, None, 1.0]}


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", object())
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert json.loads((tmp_path / "a.json").read_text()) == 1
