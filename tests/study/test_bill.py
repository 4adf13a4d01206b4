"""The least time and the least bill of groups on a slice, from made-up figures."""

import pytest

from cnnjax.config.config import Config
from cnnjax.config.slices import Slice
from cnnjax.study import bill
from cnnjax.study.bill import Forecast, Wave

CHIPS = Slice("v0-2", "v0:2x1", 2, 2**26)


def make_forecast(**changes) -> Forecast:
    usual = Forecast(Config(steps=100), 20, 4, (Wave(8, 10),), True, 0.5)
    return usual._replace(**changes)


@pytest.mark.parametrize(
    ("num_lanes", "least", "wave", "rounds"),
    [
        (20, 4, 8, 6),  # three waves of two chunks a device, the last half empty and filled up
        (20, 4, 20, 5),
        (1, 256, 256, 1),  # a single lane takes as long as all places that are filled up
        (257, 256, 256, 2),
    ],
)
def test_the_least_time_counts_each_chunk_of_each_wave(num_lanes, least, wave, rounds):
    found = make_forecast(num_lanes=num_lanes, least=least, waves=(Wave(wave, 10),))
    assert found.seconds == rounds * 100 * 0.5


def test_lanes_that_stop_before_take_less():
    assert make_forecast(lane_steps=25.0).seconds == 6 * 25 * 0.5


@pytest.mark.parametrize("changes", [{"fits": False}, {"step_seconds": None}])
def test_of_what_does_not_fit_or_has_no_bound_nothing_is_said(changes):
    assert make_forecast(**changes).seconds is None


def test_the_bill_is_of_the_whole_slice_and_of_groups_that_are_known():
    known, other = make_forecast(), make_forecast(step_seconds=None)
    total = bill.sum_up([known, other, known], CHIPS, price=12.0)
    assert total.seconds == 2 * 300 and total.num_known == 2
    assert total.chip_hours == pytest.approx(2 * 600 / 3600)
    assert total.dollars == pytest.approx(12 * 600 / 3600)
    assert bill.sum_up([known], CHIPS).dollars is None
