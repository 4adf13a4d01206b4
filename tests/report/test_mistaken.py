"""Where the arms of a study err: classes, pairs of classes and images, over seeds."""

import re

import numpy as np
import pytest

from cnnjax import api
from cnnjax.config.datasets import Where
from cnnjax.measures.packing import pack_values
from cnnjax.records import predictions, record
from cnnjax.report import mistaken, page, standing
from cnnjax.report.thumbnails import look_nowhere
from cnnjax.study.arms import make_base
from tests.by_hand import STUDY, fail, judge, make_records

LABELS = np.array([0, 0, 0, 0, 1, 1, 2, 2])
NAMES = ["cat", "dog", "owl", "yak"]  # of which there is no test image
SEEDS = 3
# By pooling, for each seed.
TAKEN = {
    "max": [[0, 0, 0, 1, 1, 1, 2, 1]] * 2 + [[0, 0, 0, 0, 1, 1, 2, 1]],
    "avg": [[0, 0, 0, 1, 1, 1, 2, 1], [0, 0, 0, 1, 0, 1, 2, 2], [0, 0, 0, 2, 1, 1, 2, 1]],
}


def keep(runs, records, taken=lambda own: TAKEN[own.config["pool"]][own.seed], labels=LABELS):
    """The records with answers beside them, in a folder of runs."""
    kept = []
    for own in records:
        named = own._replace(provenance={**own.provenance, "class_names": NAMES})
        predicted = np.asarray(taken(own))
        sure = np.linspace(0.5, 0.9, len(predicted))
        answers = predictions.pack(predicted, sure, np.asarray(labels))
        kept.append(predictions.keep(runs, named, answers))
    return kept


@pytest.fixture
def records(tmp_path):
    return keep(tmp_path, make_records(SEEDS))


def collect(records, runs, look=look_nowhere, study=STUDY):
    return mistaken.collect(judge(records, study), runs, look)


def test_an_arm_has_its_classes_over_seeds_and_a_mean_matrix(records, tmp_path):
    (section,) = collect(records, tmp_path)
    assert section.dataset == "digits" and section.columns == NAMES
    arm = next(own for own in section.arms if own.name == "pool=max padding=SAME")
    assert (arm.num_seeds, len(section.arms)) == (3, 4) and arm.count == pytest.approx(5 / 3)
    assert [(row.name, row.place, row.recognised.count) for row in arm.rows] == [
        ("cat", 0, 4), ("dog", 1, 2), ("owl", 2, 2),
    ]  # fmt: skip
    assert arm.rows[0].cells == pytest.approx([10 / 3, 2 / 3, 0, 0])
    assert arm.rows[0].recognised.mean == pytest.approx(10 / 12)
    assert arm.pairs == [("owl", "dog", 1.0), ("cat", "dog", pytest.approx(2 / 3))]


def test_the_images_come_first_that_most_seeds_of_most_arms_mistake(records, tmp_path):
    (section,) = collect(records, tmp_path)
    # Image 3 is mistaken by 5 of 6 seeds, 7 by as many and more surely, 4 by one alone.
    assert [tuple(own) for own in section.images] == [
        (7, "owl", "dog", 10, 12), (3, "cat", "dog", 10, 12), (4, "dog", "cat", 2, 12),
    ]  # fmt: skip


def test_arms_weigh_alike_however_many_seeds_tell(records):
    def answer(taken):
        return predictions.pack(np.array(taken), np.full(2, 0.5), np.zeros(2, int))

    one, many = [answer([1, 0])], [answer([0, 1])] * 2 + [answer([0, 0])]
    found = mistaken.find_mistaken([one, many], ["a", "b"], 9)
    assert [(own.place, own.runs) for own in found] == [(0, 1), (1, 2)]


def test_failed_runs_have_none_and_answers_that_are_gone_are_told(records, tmp_path):
    failed = [fail(own)._replace(provenance={**own.provenance, "files": {}}) if own.seed == 0
              else own for own in records]  # fmt: skip
    (section,) = collect(failed, tmp_path)
    assert {arm.num_seeds for arm in section.arms} == {2} and section.silent == 0
    place = record.record_path(tmp_path, records[0].id).with_name(predictions.FILE)
    place.unlink()
    place = record.record_path(tmp_path, records[1].id).with_name(predictions.FILE)
    place.write_bytes(b"other")
    (section,) = collect(records, tmp_path)
    assert section.silent == 2
    path = page.write_report(judge(records), tmp_path, "command")
    assert "Left out: 2 runs whose answers are not" in path.read_text()


def test_records_alone_and_choices_by_validation_have_no_section(records, tmp_path):
    assert collect(make_records(SEEDS), tmp_path) == []
    study = STUDY._replace(metric="validation_accuracy")
    assert collect(records, tmp_path, study=study) == []
    path = page.write_report(judge(make_records(SEEDS)), tmp_path, "command")
    assert "Where they err" not in path.read_text()


def test_images_of_one_cluster_count_once(records, tmp_path):
    kept = {"cluster": pack_values(np.array([0, 0, 0, 0, 1, 1, 2, 2], np.int32))}
    told = [own._replace(scores={**own.scores, "by_image": kept}) for own in records]
    alone, of_four = (collect(own, tmp_path)[0].arms[0].rows[0] for own in (records, told))
    assert np.ptp(of_four.recognised.of_images) > np.ptp(alone.recognised.of_images)
    assert of_four.recognised.of_seeds == alone.recognised.of_seeds


def test_arms_on_other_test_images_have_a_section_of_their_own(tmp_path):
    halves = [own for own in make_records(SEEDS) if own.config["padding"] == "SAME"]
    other = [own for own in make_records(SEEDS) if own.config["padding"] != "SAME"]
    records = keep(tmp_path, halves) + keep(
        tmp_path, other, taken=lambda own: [0, 0], labels=[0, 1]
    )
    one, two = collect(records, tmp_path)
    assert [len(own.arms) for own in (one, two)] == [2, 2]
    assert two.images == [(1, "dog", "cat", 6, 6)]
    record.record_path(tmp_path, records[0].id).with_name(predictions.FILE).unlink()
    assert [own.silent for own in collect(records, tmp_path)] == [1, 0]


def test_of_many_classes_the_worst_and_the_pairs_are_shown(tmp_path):
    labels = np.repeat(np.arange(50), 2)
    wrong = np.where((np.arange(100) % 2 == 0) & (labels < 30), (labels + 1) % 50, labels)
    records = keep(tmp_path, make_records(SEEDS), taken=lambda own: wrong, labels=labels)
    (section,) = collect(records, tmp_path)
    arm = section.arms[0]
    assert section.columns == [] and len(arm.rows) == mistaken.MOST
    assert not any(row.cells for row in arm.rows)
    assert len(arm.pairs) == mistaken.PAIRS and arm.pairs[0].images == 1
    assert len(section.images) == mistaken.IMAGES
    path = page.write_report(judge(records), tmp_path, "command")
    assert "cat for dog (1.0), dog for owl (1.0)" in path.read_text()


def test_a_report_of_many_arms_stays_small(records, tmp_path, monkeypatch):
    monkeypatch.setattr(mistaken, "ARMS", 3)
    monkeypatch.setattr(mistaken, "CELLS", 3 * 16)
    (section,) = collect(records, tmp_path)
    assert len(section.arms) == 3 and section.left_out == 1 and section.columns
    html = page.write_report(judge(records), tmp_path, "command").read_text()
    assert "Shown are the first arms; 1 arm is not." in html
    monkeypatch.setattr(mistaken, "CELLS", 3 * 16 - 1)
    assert not collect(records, tmp_path)[0].columns


def test_the_page_has_it_folded_and_by_number_where_no_image_is_at_hand(records, tmp_path):
    html = page.write_report(judge(records), tmp_path, "command").read_text()
    shown = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", html))
    assert html.count("<details>") == 4 and "<img" not in html
    assert "pool=max padding=SAME: 1.7 test images mistaken, mean of 3 seeds" in shown
    assert "cat 4 83.3% [47.5, 100.0] [30.1, 95.4] 3.3 0.7" in shown
    assert "number 7 owl dog by 10 of 12 runs" in shown
    assert "may be labelled wrongly" in shown


def test_the_page_shows_images_and_stays_small(records, tmp_path):
    rng, asked = np.random.default_rng(0), []

    def look(config, labels, places):
        asked.append((config.dataset, labels.tolist(), [*places]))
        return {own: (rng.integers(0, 255, (99, 99, 3)).astype(np.uint8), "x/<7>.png")
                for own in places[:2]}  # fmt: skip

    plain = page.write_report(judge(records), tmp_path, "command").stat().st_size
    path = standing.write_report(judge(records), tmp_path, "command", look=look)
    html = path.read_text()
    assert asked == [("digits", LABELS.tolist(), [7, 3, 4])]
    assert html.count('<img src="data:image/png;base64,') == 2
    assert 'alt="Test image 7: owl, taken for dog"' in html and "x/&lt;7&gt;.png" in html
    assert path.stat().st_size - plain < 15_000


def test_whoever_has_the_data_sees_the_images(tmp_path, data_dir, digits):
    labels = digits.test.labels
    records = keep(
        tmp_path, make_records(SEEDS), taken=lambda own: (labels + (labels > 8)) % 10, labels=labels
    )
    finished = api.Finished(STUDY, make_base(STUDY, {}), records, "", [])
    options = api.Options(tmp_path, Where(str(data_dir)))
    html = api.report_study(finished, options).path.read_text()
    assert html.count("<img") == mistaken.IMAGES and html.count('class="whole-pixels"') == 12
    elsewhere = options._replace(where=Where(str(tmp_path / "elsewhere")))
    html = api.report_study(finished, elsewhere).path.read_text()
    assert "<img" not in html and "by 12 of 12 runs" in html
