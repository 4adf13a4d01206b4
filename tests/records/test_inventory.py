"""A folder of records says what it holds, in a table and in a text beside them."""

import json

from cnnjax.records import index, inventory, predictions, readme, store, weights
from cnnjax.records.record import write_record
from tests.by_hand import ORIGIN, fail, make_records

RECORDS = make_records(num_seeds=3)


def test_runs_that_differ_in_their_seed_alone_are_one_row():
    rows = inventory.list_rows(RECORDS)
    assert len(rows) == 4 and all(row.seeds == [0, 1, 2] for row in rows)
    assert sorted(id for row in rows for id in row.ids) == sorted(own.id for own in RECORDS)
    own = rows[0].settings
    assert own["train_examples"] == 300 and own["measure"] == ("robustness",)
    shared = inventory.find_shared(rows)
    assert shared == {"train_examples": 300, "draw": "auto", "measure": ("robustness",)}
    assert {(row.settings.get("pool", "max"), row.settings.get("padding", "SAME"))
            for row in rows} == {("max", "SAME"), ("max", "VALID"), ("avg", "SAME"),
                                 ("avg", "VALID")}  # fmt: skip


def test_runs_of_another_origin_or_of_other_data_stand_in_a_row_of_their_own():
    other = {**RECORDS[0].provenance, "origin": {**ORIGIN, "program": "xyz"}}
    data = {**RECORDS[0].provenance, "origin": {**ORIGIN, "data": "xyz"}}
    rows = inventory.list_rows(
        [RECORDS[0]] + [RECORDS[0]._replace(provenance=own, id=name)
                        for name, own in (("program", other), ("data", data))]
    )  # fmt: skip
    origins = {row.ids[0]: row.origin for row in rows}
    assert len(rows) == 3 and origins["program"] != origins["data"] == origins[RECORDS[0].id]


def test_the_newest_is_last_and_runs_that_failed_have_no_part_in_the_mean():
    failed = fail(RECORDS[0])
    dated = [
        own._replace(provenance={**own.provenance, "date": date})
        for own, date in zip([failed, *RECORDS[1:4]], ("1", "2", "3", "0"), strict=True)
    ]
    last, first = inventory.list_rows(dated)[::-1]
    assert (first.date, last.date) == ("0", "3") and last.num_failed == 1
    scores = [record.scores["test_accuracy"] for record in RECORDS[1:3]]
    assert last.test_accuracy == sum(scores) / 2
    assert inventory.list_rows([failed])[0].test_accuracy is None


def test_a_record_of_a_model_that_is_not_known_here_is_listed():
    config = {**RECORDS[0].config, "model": "elsewhere"}
    (row,) = inventory.list_rows([RECORDS[0]._replace(config=config)])
    assert row.settings["model"] == "elsewhere"


def test_seeds_are_shown_as_spans():
    assert inventory.describe_seeds([3, 0, 1, 2, 7]) == "0-3, 7"
    assert inventory.describe_seeds([5]) == "5"
    assert inventory.describe_seeds([5, 6, 6]) == "5-6"


def test_beside_records_lies_what_they_are(tmp_path):
    write_record(tmp_path, RECORDS[0])
    text = (tmp_path / readme.NAME).read_text()
    assert text == readme.TEXT and max(map(len, text.splitlines())) <= 100
    assert store.count_files(tmp_path) == 1 and inventory.measure_size(tmp_path) > 100
    names = (
        "record.json",
        predictions.FILE,
        *weights.NAMES.values(),
        index.FILE,
        "records/plugins/",
    )
    for file in names:
        assert file in text
    (tmp_path / readme.NAME).write_text("my own")
    write_record(tmp_path, RECORDS[1])
    assert (tmp_path / readme.NAME).read_text() == "my own"


def test_rows_are_plain_json():
    assert json.loads(json.dumps(inventory.list_rows(RECORDS)[0]._asdict()))["seeds"] == [0, 1, 2]
