"""The share of a class that several seeds recognise, with what seeds and images leave open."""

import numpy as np
import pytest
from scipy import stats

from cnnjax.study.recognised import find_recall, make_share


def test_each_seed_is_one_value():
    right = np.zeros((4, 40), bool)
    for seed, count in enumerate((20, 24, 28, 32)):
        right[seed, :count] = True
    shares = np.array([0.5, 0.6, 0.7, 0.8])
    found = find_recall(right)
    own = stats.t.interval(0.95, 3, shares.mean(), stats.sem(shares))
    assert found.mean == pytest.approx(0.65) and found.of_seeds == pytest.approx(own)
    assert found.of_images == make_share(26, 40).interval
    twice = find_recall(np.repeat(right, 3, axis=1))  # more images, and the same shares
    assert twice.of_seeds == pytest.approx(own)
    assert np.ptp(twice.of_images) < np.ptp(found.of_images)
    assert find_recall(np.repeat(right, 3, axis=0)).of_images == found.of_images  # more seeds


def test_equal_shares_are_no_certainty_and_no_share_is_above_one():
    low, high = find_recall(np.ones((3, 20), bool)).of_seeds
    assert high == 1 and 0.9 < low < 1
    low, high = find_recall(np.zeros((3, 20), bool)).of_seeds
    assert low == 0 and 0 < high < 0.1


def test_one_seed_has_no_interval_over_seeds():
    found = find_recall(np.array([[True, False]]))
    assert np.isnan(found.of_seeds).all() and found.of_images == make_share(1, 2).interval


def test_images_of_one_cluster_count_once():
    right = np.tile([True, True, True, True, False, False], (3, 1))
    found = find_recall(right, np.array([0, 0, 1, 1, 2, 2]))
    assert found.count == 6 and found.of_images == make_share(2, 3).interval
    assert find_recall(right, np.zeros(6)).of_images == make_share(1, 1).interval
