"""Where a single run errs, by its answers to the test images."""

import numpy as np
import pytest

from cnnjax.records import predictions
from cnnjax.report import errors


def answers(label, predicted, probability):
    return predictions.pack(*map(np.asarray, (predicted, probability, label)))


def test_few_classes_have_a_matrix_and_an_interval_each():
    own = answers([0, 0, 0, 1, 2], [0, 1, 1, 1, 0], [0.9, 0.5, 0.75, 0.8, 0.625])
    found = errors.find_errors(own, ["cat", "dog", "eel"])
    assert found.columns == ["cat", "dog", "eel"] and found.count == 3
    assert [(row.name, *row.recognised[:2], row.cells) for row in found.rows] == [
        ("cat", 1, 3, [1, 2, 0]), ("dog", 1, 1, [0, 1, 0]), ("eel", 0, 1, [1, 0, 0]),
    ]  # fmt: skip
    assert found.rows[0].recognised.interval == pytest.approx((0.0615, 0.7923), abs=1e-4)


def test_the_surest_mistakes_come_first_and_are_few():
    own = answers([0, 0, 0, 1, 2], [0, 1, 1, 1, 0], [0.9, 0.5, 0.75, 0.8, 0.625])
    found = errors.find_errors(own, ["cat", "dog", "eel"])
    assert found.mistakes == [
        (2, "cat", "dog", 0.75), (4, "eel", "cat", 0.625), (1, "cat", "dog", 0.5),
    ]  # fmt: skip
    many = answers([0] * 30, [1] * 30, np.linspace(0.5, 1, 30))
    assert len(errors.find_errors(many, ["cat", "dog"]).mistakes) == errors.MISTAKES


def test_of_many_classes_the_worst_are_shown():
    label = np.repeat(np.arange(50), 2)
    predicted = np.where((np.arange(100) % 2 == 0) & (label < 30), (label + 1) % 50, label)
    own = answers(label, predicted, np.full(100, 0.5))
    found = errors.find_errors(own, [])
    assert found.columns == [] and len(found.rows) == errors.MOST
    assert all(row.recognised.mean == 0.5 and not row.cells for row in found.rows)


def test_classes_without_test_images_have_no_row():
    found = errors.find_errors(answers([0, 2], [0, 2], [0.5, 0.5]), ["a", "b", "c"])
    assert [row.name for row in found.rows] == ["a", "c"] and found.mistakes == []
