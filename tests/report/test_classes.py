"""Classes go by their names to the report: how well each is recognised, and by which arm least."""

import numpy as np
import pytest

from cnnjax.measures.packing import pack_values
from cnnjax.report import classes, page, scope
from tests.by_hand import STUDY, fail, judge, make_records

LABELS = np.array([0, 0, 0, 0, 1, 1, 2, 2])
# Right answers by pooling: all cats, half of the dogs, and owls by maxima alone.
RIGHT = {"max": [1, 1, 1, 1, 1, 0, 1, 1], "avg": [1, 1, 1, 1, 0, 1, 0, 0]}
NAMES = ["cat", "dog", "owl", "yak"]  # of which there is no test image


def tell(record):
    right = np.array(RIGHT[record.config["pool"]], bool)
    kept = {"label": pack_values(LABELS), "test_accuracy": pack_values(right)}
    return record._replace(
        scores={**record.scores, "by_image": kept},
        provenance={**record.provenance, "class_names": NAMES},
    )


@pytest.fixture
def records():
    return [tell(record) for record in make_records()]


def list_classes(records, study=STUDY):
    return page.list_classes(judge(records, study)).get("digits")


def test_classes_are_listed_by_name_the_least_recognised_first(records):
    table = list_classes(records)
    assert table.num_classes == 3
    assert [(row.name, row.num_images, row.mean) for row in table.rows] == [
        ("dog", 2, 0.5), ("owl", 2, 0.5), ("cat", 4, 1.0)
    ]  # fmt: skip
    owl = table.rows[1]
    assert owl.low == (0.0, "pool=avg padding=SAME") and owl.high == (1.0, "pool=max padding=SAME")


def test_failed_runs_and_arms_without_a_sound_one_are_left_out(records):
    changed = [
        fail(record) if record.config["pool"] == "avg" or record.seed == 0 else record
        for record in records
    ]
    assert list_classes(changed).rows[-1].low == (1.0, "pool=max padding=SAME")
    assert list_classes([fail(record) for record in records]) is None


def test_the_page_shows_them_and_the_names(records, tmp_path):
    html = page.write_report(judge(records), tmp_path, "command").read_text()
    assert "Classes of digits" in html and "<td>owl</td><td>2</td>" in html
    assert "<dt>classes</dt><dd>cat, dog, owl, yak</dd>" in html


def test_records_of_before_and_choices_by_validation_show_none(records, tmp_path):
    html = page.write_report(judge(make_records()), tmp_path, "command").read_text()
    assert "Classes of" not in html
    assert list_classes(records, STUDY._replace(metric="validation_accuracy")) is None


def test_of_many_classes_the_least_recognised_are_shown(records, monkeypatch, tmp_path):
    monkeypatch.setattr(classes, "MOST", 2)
    monkeypatch.setattr(scope, "NAMED", 2)
    html = page.write_report(judge(records), tmp_path, "command").read_text()
    assert "Shown are 2 of 3 classes." in html and "<td>cat</td>" not in html
    assert "<dd>cat, dog and 2 more</dd>" in html
