"""The index lists records without opening them, and is never more than what the files say."""

import json
import os

import numpy as np
import pytest

from cnnjax.config.config import Config, to_json
from cnnjax.config.knobs import RunError
from cnnjax.measures.packing import pack_values
from cnnjax.records import index
from cnnjax.records.archive import list_complete
from cnnjax.records.record import Record, load_record, record_path, write_record
from cnnjax.records.store import load_records
from tests.by_hand import COST, LINES, PROVENANCE

LANES = [Config(pool=pool, seed=seed) for pool in ("max", "avg") for seed in (0, 1)]


def make_record(lane, id="", accuracy=0.5, date="2026-01-01"):
    images = {"label": pack_values(np.arange(3) % 2)}
    scores = {"test_accuracy": accuracy, "failed": False, "by_image": images,
              "num_test_examples": 3}  # fmt: skip
    cost = {**COST, "macs": 7, "examples_per_second": 3.5, "compile_seconds": 1.0}
    provenance = {**PROVENANCE, "date": date, "num_devices": 2, "class_names": ["a", "b"]}
    id = id or f"{lane.pool}{lane.seed}"
    return Record(id, to_json(lane), scores, LINES, cost, provenance)


@pytest.fixture
def runs(tmp_path):
    for lane in LANES:
        write_record(tmp_path, make_record(lane))
    return tmp_path


@pytest.fixture
def opened(monkeypatch):
    """The ids of records that the index opens."""
    ids = []

    def load(runs, id):
        ids.append(id)
        return load_record(runs, id)

    monkeypatch.setattr(index, "load_record", load)
    return ids


def test_heads_say_what_records_say(runs):
    heads, whole = index.list_heads(runs), list(load_records(runs))
    assert [head.id for head in heads] == [record.id for record in whole]
    for head, record in zip(heads, whole, strict=True):
        assert head.config == record.config and head.seed == record.seed
        assert head.scores == {"test_accuracy": 0.5, "failed": False}
        assert head.cost == {"macs": 7, "examples_per_second": 3.5, "compile_seconds": 1.0}
        assert head.provenance == {**PROVENANCE, "num_devices": 2}
        assert head.metrics == []


def test_what_failed_is_listed_and_nothing_opened_again(runs, opened):
    """An older record says only whether it diverged."""
    for name, said in (("a", {"failed": True}), ("b", {"diverged": True}), ("c", {})):
        record = make_record(LANES[0], name)
        scores = {own: value for own, value in record.scores.items() if own != "failed"}
        write_record(runs, record._replace(scores={**scores, **said}))
    expected = {record.id: record.failed for record in load_records(runs)}
    assert index.list_failed(runs) == expected and sum(expected.values()) == 2
    opened.clear()
    assert index.list_failed(runs) == expected and opened == []


def test_heads_are_chosen_as_records_are_and_opened_then(runs):
    (by_heads,) = list_complete(LANES, index.list_heads(runs))
    (whole,) = list_complete(LANES, load_records(runs))
    assert by_heads._replace(records=index.open_heads(runs, by_heads.records)) == whole


def test_each_record_is_opened_once(runs, opened):
    assert len(index.list_heads(runs)) == len(opened) == 4
    assert index.list_heads(runs) == index.list_heads(runs) and len(opened) == 4
    write_record(runs, make_record(Config(seed=9)))
    assert len(index.list_heads(runs)) == 5 and opened[4:] == ["max9"]


def test_a_record_that_was_written_anew_is_read_anew(runs, opened):
    index.list_heads(runs)
    write_record(runs, make_record(LANES[0], accuracy=0.75))
    heads = {head.id: head for head in index.list_heads(runs)}
    assert heads["max0"].scores["test_accuracy"] == 0.75 and opened[4:] == ["max0"]


def test_a_record_that_is_gone_is_forgotten(runs):
    (head, *others) = index.list_heads(runs)
    record_path(runs, head.id).unlink()
    assert index.list_heads(runs) == others
    with pytest.raises(RunError, match=f"{head.id}/record.json was taken away meanwhile"):
        index.open_heads(runs, [head])


def test_a_damaged_index_is_made_anew(runs):
    heads = index.list_heads(runs)
    path = runs / "records" / index.FILE
    sound = path.read_bytes()
    wrong = sound.replace(b'"max"', b'"avg"')
    assert wrong != sound
    for damaged in (b"", sound[: len(sound) // 2], wrong, b"\xff\n{}", b"0\n[]"):
        path.write_bytes(damaged)
        assert index.list_heads(runs) == heads and path.read_bytes() == sound


def test_an_index_of_another_form_is_made_anew(runs, monkeypatch):
    index.list_heads(runs)
    monkeypatch.setattr(index, "SCORES", ("failed",))
    assert {tuple(head.scores) for head in index.list_heads(runs)} == {("failed",)}


def test_what_another_launch_wrote_meanwhile_is_read_next_time(runs):
    """Two launches read, and the one that knows less writes last."""
    index.list_heads(runs)
    path = runs / "records" / index.FILE
    former = path.read_bytes()
    write_record(runs, make_record(Config(seed=9)))
    index.list_heads(runs)
    path.write_bytes(former)
    assert len(index.list_heads(runs)) == 5
    assert [name for name in os.listdir(runs / "records") if name.startswith(".")] == []


def test_a_store_that_cannot_be_written_is_listed(runs, monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(index, "write_bytes", refuse)
    assert len(index.list_heads(runs)) == 4 and not (runs / "records" / index.FILE).exists()
    assert index.list_heads(runs / "nothing") == []


def test_what_is_no_record_of_this_schema_is_passed_over_once(runs, opened):
    (runs / "records" / "notes.txt").write_text("of somebody's own")
    (runs / "records" / "plugins").mkdir()
    path = record_path(runs, "max0")
    path.write_text(path.read_text().replace('"schema": 2', '"schema": 99'))
    assert [len(index.list_heads(runs)) for _ in range(2)] == [3, 3] and len(opened) == 4


def test_a_record_of_former_times_is_told_by_what_it_says(runs):
    former = {"origin": "a sentence", "platform": "cpu", "program_version": "p"}
    whole = {**PROVENANCE, **former}
    old = make_record(LANES[0], "old")._replace(provenance=whole)
    write_record(runs, old)
    (head,) = [head for head in index.list_heads(runs) if head.id == "old"]
    assert head.provenance == whole
    assert json.loads(json.dumps(head.config)) == old.config


def test_the_newest_come_first(runs):
    for age, id in enumerate(("max1", "avg0", "max0", "avg1")):
        os.utime(record_path(runs, id), (1e9 - age, 1e9 - age))
    assert [head.id for head in index.list_newest(runs, 2)] == ["max1", "avg0"]
