"""All runs as a table: the same columns in one order for all, and nothing that computes."""

import csv
import json

import pyarrow.parquet
import pytest

from cnnjax.records import export, store
from cnnjax.records.record import record_path, write_record
from tests.by_hand import fail, make_records

RECORDS = make_records(num_seeds=1)


def with_scores(record, **scores):
    return record._replace(scores={**record.scores, **scores})


def with_knobs(record, **knobs):
    return record._replace(config={**record.config, **knobs})


def read_csv(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_columns_are_the_same_for_all_in_whatever_order_records_come():
    own = with_knobs(with_scores(RECORDS[0], zebra=1, ant=2), mine=3, former=4)
    rows = export.list_rows([own, *map(fail, RECORDS[1:])])
    turned = export.list_rows([*map(fail, RECORDS[:0:-1]), own])
    columns = list(rows[0])
    assert all(list(row) == columns for row in (*rows, *turned))
    assert columns[:2] == ["id", "dataset"] and columns[-1] == "plugins"
    assert columns.index("seed") < columns.index("former") < columns.index("mine")
    assert columns.index("mine") < columns.index("ant") < columns.index("zebra")
    assert rows[0]["zebra"] == 1 and rows[1]["zebra"] is None is rows[1]["test_accuracy"]


def test_a_row_has_settings_scores_cost_and_where_it_was(tmp_path):
    provenance = {**RECORDS[0].provenance, "host": "here", "seconds": 2.5}
    (row,) = export.list_rows([RECORDS[0]._replace(provenance=provenance)])
    assert (row["id"], row["seed"], row["widths"]) == ("id0", 0, "16,32")
    assert (row["host"], row["seconds"], row["map_shape"]) == ("here", 2.5, "4,4,8")
    assert "by_image" not in row and "origin" not in row


@pytest.mark.parametrize("schema", [1, 2])
def test_older_records_without_host_and_duration_are_rows_too(tmp_path, schema):
    write_record(tmp_path, RECORDS[0])
    path = record_path(tmp_path, "id0")
    fields = json.loads(path.read_text())
    assert "host" not in fields["provenance"]
    if schema == 1:
        del fields["sha256"]
        path.write_text(json.dumps({**fields, "schema": 1}))
    (row,) = export.list_rows(store.load_records(tmp_path))
    assert row["host"] is None is row["seconds"] and row["test_accuracy"] is not None


def test_what_a_spreadsheet_would_compute_is_text(tmp_path):
    given = ["=1+1", "+x", "-y", "@sum", "\t=1", "-1e3", "+5", "plain", 'a "b", c']
    records = [with_knobs(RECORDS[0], note=text) for text in given]
    export.write_csv(tmp_path / "a.csv", export.list_rows(records))
    shown = [row["note"] for row in read_csv(tmp_path / "a.csv")]
    assert shown == [
        "'=1+1", "'+x", "'-y", "'@sum", "\\x09=1", "-1e3", "+5", "plain", 'a "b", c',
    ]  # fmt: skip


def test_csv_and_parquet_say_the_same(tmp_path):
    odd = with_scores(with_knobs(RECORDS[1], clip_norm=None, pool=7), ratio=0.5, huge=2**70)
    records = [with_scores(RECORDS[0], ratio=1), odd, fail(RECORDS[2])]
    rows = export.list_rows(records)
    for suffix, write in export.WRITERS.items():
        write(tmp_path / f"all{suffix}", rows)
    found = pyarrow.parquet.read_table(tmp_path / "all.parquet").to_pylist()
    assert list(found[0]) == list(rows[0]) == list(read_csv(tmp_path / "all.csv")[0])
    assert [row["test_accuracy"] for row in found] == [row["test_accuracy"] for row in rows]
    assert [row["ratio"] for row in found] == [1.0, 0.5, None]
    assert [row["pool"] for row in found] == ["max", "7", "avg"]
    assert found[1]["huge"] == str(2**70) and found[0]["failed"] is False
    for row, line in zip(found, read_csv(tmp_path / "all.csv"), strict=True):
        assert line["test_accuracy"] == ("" if row["failed"] else str(row["test_accuracy"]))


def test_a_name_that_is_no_unicode_is_shown_with_escapes(tmp_path):
    rows = export.list_rows([with_knobs(RECORDS[0], dataset="folder:caf\udce9")])
    for suffix, write in export.WRITERS.items():
        write(tmp_path / f"all{suffix}", rows)
    assert read_csv(tmp_path / "all.csv")[0]["dataset"] == "folder:caf\\xe9"
