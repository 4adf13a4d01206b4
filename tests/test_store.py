"""Records are found by all that can change their numbers, and are written whole or not at all."""

import dataclasses
import json

import pytest

from cnnjax import config as config_lib
from cnnjax import store
from cnnjax.config import KNOBS, Config

CONFIG = Config(seed=3, widths=(8,))
RECORD = store.Record(
    store.record_id(CONFIG, "cpu"), CONFIG, {"test_accuracy": 0.5}, [{"step": 1}], {"macs": 1}, {}
)


def test_round_trip(tmp_path):
    store.write_record(tmp_path, RECORD)
    assert store.load_record(tmp_path, RECORD.id) == RECORD
    fields = json.loads((tmp_path / "records" / RECORD.id / "record.json").read_text())
    assert set(fields) >= {"schema", "config", "seed", "scores", "metrics", "cost", "provenance"}
    assert fields["seed"] == 3


def test_absent_is_none(tmp_path):
    assert store.load_record(tmp_path, "nothing") is None


def test_another_schema_is_refused_by_name(tmp_path):
    store.write_record(tmp_path, RECORD)
    path = store.record_path(tmp_path, RECORD.id)
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 99'))
    with pytest.raises(ValueError, match="record.json is not a record of schema 1"):
        store.load_record(tmp_path, RECORD.id)


OTHER_VALUES = {
    "dataset": "dot", "draw": "seed", "permute_pixels": True, "standardise": "all", "shuffle_labels": True,
    "residual": True, "init_gain": 2.0, "freeze": "convolutions", "robustness": True,
    "train_examples": 5, "image_size": 9, "model": "mlp", "match": "macs", "width_multiplier": 2.0,
    "stem": "small", "logits": "rbf", "stochastic_depth": 0.5, "flip": True, "shift": 1,
    "rotation": 5.0, "crop": 0.5, "jitter": 0.1, "noise": 0.1, "cutout": 2, "mixup": 0.2,
    "first_layer": "whitened", "norm_scale": False, "norm_momentum": 0.6, "norm_epsilon": 1e-12,
    "logit_scale": 0.5, "cutmix": 1.0, "widths": (1,), "conv": "unshared", "conv_form": "winograd2",
    "kernel_size": (1,), "lanes_strategy": "vmap",
    "stride": 2, "dilation": 2, "groups": 2, "connectivity": "random", "bias": False,
    "padding": "VALID", "pad": (2,), "fill": "edge", "pool": "avg", "pool_size": 3,
    "pool_stride": 1, "pool_padding": "SAME", "count_padding": True, "pool_every": 1,
    "norm": "batch", "activation": "tanh", "head": "global_avg", "hidden": (), "dropout": 0.5,
    "init": "orthogonal", "optimizer": "momentum", "learning_rate": 1.0, "momentum": 0.5,
    "weight_decay": 1.0, "schedule": "constant", "warmup_steps": 5, "clip_norm": 1.0,
    "label_smoothing": 0.1, "ema_decay": 0.9, "dtype": "bfloat16",
    "train_split": "train[:9%]", "validation_split": "train[9%:]", "test_split": "test[:9%]",
    "feed": "stream", "eval_crop": 0.5, "batch_size": 1, "steps": 1, "eval_every": 1, "seed": 1,
}  # fmt: skip
RESNET = config_lib.make_config({"model": "resnet18"})
BASES = {"match": Config(model="mlp_twin"), "width_multiplier": RESNET, "stem": RESNET,
         "stochastic_depth": RESNET, "momentum": Config(optimizer="momentum"),
         "pad": Config(padding="explicit"),
         "weight_decay": Config(optimizer="adamw"),
         **dict.fromkeys(("norm_scale", "norm_momentum", "norm_epsilon"), Config(norm="batch")),
         "residual": Config(model="mlp"),
         "count_padding": Config(pool="avg", pool_padding="SAME")}  # fmt: skip


def test_every_field_is_tried_here():
    assert set(OTHER_VALUES) == set(KNOBS)


@pytest.mark.parametrize("field", OTHER_VALUES)
def test_every_field_is_part_of_the_address(field):
    base = BASES.get(field, Config())
    changed = config_lib.override(base, {field: OTHER_VALUES[field]})
    assert store.record_id(changed, "cpu") != store.record_id(base, "cpu")


def test_origin_is_part_of_the_address():
    assert store.record_id(CONFIG, "cpu map") != store.record_id(CONFIG, "gpu vmap")


def test_comments_and_docstrings_do_not_change_the_program_version():
    code = 'def f(x):\n    """Gives x."""\n    return x  # as it is\n'
    other = 'def f(x):\n    """Gives x, always."""\n\n    return x\n'
    assert store._code_only(code) == store._code_only(other)
    assert store._code_only(code) != store._code_only(code.replace("return x", "return -x"))


def test_every_program_file_exists():
    for pattern in store.PROGRAM_FILES:
        assert list(store.ROOT.glob(pattern)), pattern


def test_numbers_that_json_lacks_become_null(tmp_path):
    store.write_json(tmp_path / "a.json", {"x": [float("nan"), float("inf"), 1.0]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": [None, None, 1.0]}


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    store.write_json(tmp_path / "a.json", 1)
    with pytest.raises(TypeError):
        store.write_json(tmp_path / "a.json", object())
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert json.loads((tmp_path / "a.json").read_text()) == 1
