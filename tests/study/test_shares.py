"""How much arms vary from seed to seed: comparisons of it, and shares of a variance."""

import math

import numpy as np
import pytest

from cnnjax.report import text, variance
from cnnjax.study import shares, statistics
from cnnjax.study.claims import Claim, Comparison, Deviation, name_side, sides_of
from cnnjax.study.rule import decide
from tests.by_hand import AVG, MAX, SAME, STUDY, compare, fail, judge, make_records

SCATTER = {"max": 3.0, "avg": 1.0}  # times the deviation that all have


def make_scattered(num_seeds=40):
    """Records of which those with max pooling vary three times as much."""
    rng = np.random.default_rng(3)
    return [
        record._replace(
            scores={
                **record.scores,
                "test_accuracy": 0.9 + 0.005 * SCATTER[record.config["pool"]] * rng.normal(),
            }
        )
        for record in make_records(num_seeds)
    ]


def test_deviations_are_from_the_median_and_nothing_where_a_run_failed():
    found = statistics.find_deviations([1.0, np.nan, 4.0, 2.0, 10.0])
    np.testing.assert_array_equal(found, [2.0, np.nan, 1.0, 1.0, 7.0])
    assert np.isnan(statistics.find_deviations([np.nan, np.nan])).all()


def test_pseudo_values_are_those_of_millers_jackknife():
    """By hand: variances of 0, 1, 5 are 7; without one of them 8, 12.5 and 0.5."""
    found = statistics.find_log_variances([0.0, 1.0, 5.0])
    expected = [3 * math.log(7) - 2 * math.log(rest) for rest in (8, 12.5, 0.5)]
    np.testing.assert_allclose(found, expected)
    assert not np.isfinite(statistics.find_log_variances([2.0, 2.0, 5.0])).all()


def test_a_study_says_that_one_arm_varies_more():
    row = compare(Deviation(MAX), Deviation(AVG), margin=0.001, records=make_scattered())
    assert (row["verdict"], row["finding"]) == ("supported", "ahead")
    assert row["difference"] == pytest.approx(0.01 * math.sqrt(2 / math.pi), rel=0.25)
    assert row["image_error"] is None and "over seeds only" in row["warnings"][-1]
    assert (
        text.describe_claim(row) == "the deviation of pool=max is above the deviation of pool=avg"
    )
    assert text.describe_difference(row).endswith(" points")
    same = compare(Deviation(SAME), Deviation(SAME), "=", margin=0.001, records=make_scattered())
    assert (same["verdict"], same["difference"]) == ("supported", 0)
    small = compare(Deviation(AVG), 0.02, "<", records=make_scattered())
    assert small["verdict"] == "supported" and "2.00 points" in text.describe_claim(small)
    assert (
        sides_of(Deviation(MAX)) == (MAX,) and name_side(Deviation({})) == "deviation of all arms"
    )


def test_a_seed_that_failed_has_no_deviation():
    records = make_scattered()
    records[0] = fail(records[0])
    row = compare(Deviation(MAX), Deviation(AVG), margin=0.001, records=records)
    assert row["num_seeds"] == 39 and row["num_failed"] == [1, 0]


def test_the_report_has_each_arms_share_of_the_whole():
    claim = Claim("own", "Own.", (Comparison(Deviation(MAX), Deviation(AVG), ">", "none"),))
    own = STUDY._replace(claims=(claim,), whole={**MAX, **SAME})
    judgement = judge(make_scattered(), own)
    rows = variance.list_shares(judgement)
    assert [row["arm"] for row in rows] == [arm.name for arm in judgement.arms]
    first, third = rows[0], rows[2]
    assert first["share"] == 1 and math.isnan(first["share_low"])
    assert third["share_low"] < 1 / 9 < third["share_high"] < 1
    assert third["share"] == pytest.approx((third["deviation"] / first["deviation"]) ** 2)
    shown = variance.show_shares(judgement)
    assert shown[first["arm"]][1] == "100%" and " points [" in shown[third["arm"]][0]
    assert "pool=max padding=SAME" in variance.describe_shares(judgement)
    assert variance.list_shares(judgement._replace(study=STUDY)) == []
    assert variance.describe_shares(judgement._replace(study=STUDY)) == ""


def test_what_never_varies_has_a_share_of_nothing():
    rng = np.random.default_rng(0)
    whole, constant = rng.normal(size=8), np.full(8, 0.1 + 0.2)
    found = shares.measure(constant, whole)
    assert (found.deviation, found.share) == (0, 0) and math.isnan(found.interval[0])
    assert math.isnan(shares.measure(whole, constant).share)
    assert math.isnan(shares.measure(whole[:2], whole[:2]).deviation)
    failed = np.array([*whole[:5], np.nan, np.nan, np.nan])
    assert shares.measure(failed, whole).deviation == pytest.approx(whole[:5].std(ddof=1))


KINDS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "heavy-tailed": lambda rng, shape: rng.standard_t(5, shape),
    "skewed": lambda rng, shape: rng.exponential(size=shape),
    "discrete": lambda rng, shape: rng.binomial(30, 0.5, shape).astype(float),
}


@pytest.mark.parametrize("num_seeds", [5, 20])
@pytest.mark.parametrize("kind", KINDS)
def test_arms_that_vary_alike_are_seldom_told_apart(kind, num_seeds):
    """Whatever the kind of values, half of which two arms share; F would err in up to a third."""
    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(400):
        shared, a, b = KINDS[kind](rng, (3, num_seeds))
        d = statistics.find_deviations(shared + a) - statistics.find_deviations(shared + b)
        low, high = statistics.estimate(d).interval()
        wrong += decide("!=", low, high, 1e-9)[1] == "supported"
    assert wrong / 400 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


@pytest.mark.parametrize(("kind", "stated"), [("normal", 0.06), ("skewed", 0.12)])
def test_intervals_of_shares_cover_the_truth(kind, stated):
    rng = np.random.default_rng(2)
    missed = 0
    for _ in range(400):
        whole, own = KINDS[kind](rng, (2, 20))
        low, high = shares.measure(0.5 * own, whole).interval
        missed += not low < 0.25 < high
    assert missed / 400 <= stated + 3 * math.sqrt(stated * (1 - stated) / 400)
