"""What is damaged in a store is named in a line, and is nobody's record."""

import json
import os

import numpy as np
import pytest

from cnnjax.records import check, index, predictions, store, weights
from cnnjax.records.plugins import hash_text
from cnnjax.records.record import DamagedRecord, load_record, record_path, write_record
from tests.records.test_store import RECORD


def damage(act):
    """What changes a record's fields, written as someone would who does not know the checksum."""

    def write(path):
        fields = json.loads(path.read_text())
        act(fields)
        path.write_text(json.dumps(fields))

    return write


DAMAGES = {
    "empty": (lambda path: path.write_text(""), "is no JSON"),
    "cut": (lambda path: path.write_text(path.read_text()[:200]), "is no JSON"),
    "binary": (lambda path: path.write_bytes(b"\xff\xfe\x00"), "is no JSON"),
    "null": (lambda path: path.write_text("null"), "is no record"),
    "list": (lambda path: path.write_text("[1, 2]"), "is no record"),
    "nested": (lambda path: path.write_text("[" * 100_000), "is no JSON"),
    "folder": (lambda path: (path.unlink(), path.mkdir()), "is no file"),
    "link to nothing": (lambda path: (path.unlink(), path.symlink_to("gone")), "is no file"),
    "pipe": (lambda path: (path.unlink(), os.mkfifo(path)), "is no file"),
    "object": (lambda path: path.write_text("{}"), "is no record"),
    "newer": (damage(lambda own: own.update(schema=99)), "is of schema 99, and 2 is the newest"),
    "text": (damage(lambda own: own.update(schema="2")), "is of schema '2'"),
    "truth": (damage(lambda own: own.update(schema=True)), "is of schema True"),
    "score": (damage(lambda own: own["scores"].update(test_accuracy=1)), "was changed since"),
    "seed": (damage(lambda own: own["config"].update(seed=4)), "was changed since"),
    "more": (damage(lambda own: own.update(note="mine")), "was changed since"),
    "without checksum": (damage(lambda own: own.pop("sha256")), "was changed since"),
    "older without config": (
        damage(lambda own: (own.update(schema=1), own.pop("sha256"), own.pop("config"))),
        "lacks config",
    ),
    "older of other kinds": (
        damage(lambda own: (own.update(schema=1, metrics={}), own.pop("sha256"))),
        "lacks metrics, or has another kind",
    ),
    "older without seed": (
        damage(lambda own: (own.update(schema=1, config={}), own.pop("sha256"))),
        "lacks config.seed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_record_is_none_and_named_in_one_line(tmp_path, name):
    write_record(tmp_path, RECORD)
    path = record_path(tmp_path, RECORD.id)
    act, words = DAMAGES[name]
    act(path)
    with pytest.raises(DamagedRecord, match=words) as refusal:
        load_record(tmp_path, RECORD.id)
    assert str(path) in str(refusal.value) and "\n" not in str(refusal.value)
    assert [*check.list_damaged(tmp_path)] == [str(refusal.value)]
    assert [*store.load_records(tmp_path)] == [] == index.list_heads(tmp_path)


def test_a_record_under_another_address_is_not_its(tmp_path):
    write_record(tmp_path, RECORD)
    record_path(tmp_path, RECORD.id).parent.rename(tmp_path / "records" / ("e" * 24))
    with pytest.raises(DamagedRecord, match=f"is the record of {RECORD.id}: it was moved here"):
        load_record(tmp_path, "e" * 24)


def test_a_record_may_be_laid_out_anew_and_one_of_schema_1_is_read(tmp_path):
    write_record(tmp_path, RECORD)
    path = record_path(tmp_path, RECORD.id)
    fields = json.loads(path.read_text())
    path.write_text(json.dumps(fields, indent=7, sort_keys=True))
    assert load_record(tmp_path, RECORD.id) == RECORD
    del fields["sha256"]
    path.write_text(json.dumps({**fields, "schema": 1}))
    assert load_record(tmp_path, RECORD.id) == RECORD


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def put_weights_of_another(path):
    config = {**RECORD.config, "seed": 8}
    weights.save(path, {"params": {"w": np.zeros(3)}}, {"config": config})


BESIDE = {
    "answers gone": ("predictions.npz", lambda path: path.unlink(), "is gone", False),
    "answers flipped": ("predictions.npz", flip, "is not the file that its record was", True),
    "answers a folder": (
        "predictions.npz", lambda path: (path.unlink(), path.mkdir()), "cannot be read", True,
    ),
    "weights flipped": ("final.safetensors", flip, "was changed since it was written", True),
    "weights cut": (
        "final.safetensors", lambda path: path.write_bytes(b"12345"), "no weights that can", True,
    ),
    "weights of another": ("final.safetensors", put_weights_of_another, "of another run", True),
}  # fmt: skip


@pytest.mark.parametrize("name", BESIDE)
def test_what_is_damaged_beside_a_record_is_named_in_one_line(tmp_path, name):
    answers = predictions.pack(*map(np.array, ([1, 2], [0.5, 0.5], [1, 1])))
    write_record(tmp_path, predictions.keep(tmp_path, RECORD, answers))
    folder = record_path(tmp_path, RECORD.id).parent
    tree = {"params": {"w": np.zeros(3)}}
    weights.save(folder / "final.safetensors", tree, {"config": RECORD.config})
    assert [*check.list_damaged(tmp_path)] == []
    file, act, words, spoils = BESIDE[name]
    act(folder / file)
    (problem,) = check.list_problems(tmp_path, RECORD.id)
    assert words in problem.text and str(folder / file) in problem.text
    assert "\n" not in problem.text and problem.spoils == spoils


def test_a_plug_ins_text_is_what_its_name_says_but_for_comments(tmp_path):
    path = tmp_path / "records" / "plugins" / f"{hash_text('x = 1')}.py"
    path.parent.mkdir(parents=True)
    path.write_text("x = 1  # one")
    assert [*check.list_damaged(tmp_path)] == []
    path.write_text("x = 2")
    (line,) = check.list_damaged(tmp_path)
    assert line == f"{path} was changed since it was kept: its hash is another"
