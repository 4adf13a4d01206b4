"""What recognised images keep is a ratio of two means, with the spread of one over images."""

import numpy as np
import pytest

from cnnjax.measures import outcome
from cnnjax.study import metrics
from cnnjax.study.ratios import kept_by_image
from tests.by_hand import AVG, MAX, compare, fail, make_records


def test_the_mean_is_the_share_of_those_that_were_right():
    right, still = np.array([1, 1, 1, 0]), np.array([1, 0.5, 0, 1])
    assert kept_by_image(right, still).mean() == pytest.approx(0.5)
    assert np.isnan(kept_by_image(np.zeros(4), still)).all()


def test_the_values_vary_as_the_ratio_does_over_other_images():
    rng = np.random.default_rng(0)
    ratios, errors = [], []
    for _ in range(1000):
        right = rng.random(500) < 0.6
        still = np.where(right, rng.random(500) < 0.7, rng.random(500) < 0.2)
        values = kept_by_image(right, still)
        ratios.append(values.mean())
        errors.append(values.std(ddof=1) / np.sqrt(500))
    assert np.mean(errors) == pytest.approx(np.std(ratios), rel=0.08)


def keep(records, share):
    rng = np.random.default_rng(0)
    for record in records:
        right = rng.random(200) < 0.9
        still = rng.random(200) < share(record)
        record.scores["by_image"] = outcome.pack(
            {"test_accuracy": right, "shift_consistency": still}, np.zeros(200, int), None
        )
        record.scores["num_test_examples"] = 200
    return records


def test_a_metric_of_it_answers_for_seeds_and_images():
    records = keep(make_records(), lambda own: 0.9 if own.config["pool"] == "max" else 0.5)
    own = metrics.find("kept_shift")
    right, still = (metrics.kept(n)(records[0]) for n in ("test_accuracy", "shift_consistency"))
    assert own.read(records[0]) == pytest.approx(still[right == 1].mean())
    assert own.measure == "robustness" and own.resolution(records[0]) == 1 / 200
    row = compare(MAX, AVG, metric="kept_shift", records=records)
    assert row["verdict"] == "supported" and row["image_error"] > 0
    assert np.isnan(own.read(fail(records[0])))
