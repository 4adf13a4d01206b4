"""What becomes of a claim: the table of the rule, its families, failed runs, images."""

import math
from typing import get_args

import numpy as np
import pytest

from cnnjax.study import decision
from cnnjax.study.decision import Question
from cnnjax.study.rule import Relation, combine, decide

M = 0.5  # the margin
# Where an interval may lie, and then finding and verdict by relation.
CASES = [  # interval, finding, and verdict on >, <, =, !=
    ((0.6, 2.0), "ahead", "supported", "refuted", "refuted", "supported"),  # beyond the margin
    ((0.1, 2.0), "ahead", "supported", "refuted", "inconclusive", "supported"),
    ((0.1, 0.4), "equivalent", "equivalent", "equivalent", "supported", "refuted"),  # and not 0
    ((-0.4, 0.4), "equivalent", "equivalent", "equivalent", "supported", "refuted"),
    ((-0.4, 0.6), "open", "inconclusive", "inconclusive", "inconclusive", "inconclusive"),
    ((-2.0, 2.0), "open", "inconclusive", "inconclusive", "inconclusive", "inconclusive"),
    ((-2.0, -0.1), "behind", "refuted", "supported", "inconclusive", "supported"),
    ((-2.0, -0.6), "behind", "refuted", "supported", "refuted", "supported"),
]  # fmt: skip


@pytest.mark.parametrize(("interval", "finding", "more", "less", "same", "some"), CASES)
def test_the_interval_decides(interval, finding, more, less, same, some):
    for relation, verdict in ((">", more), ("<", less), ("=", same), ("!=", some)):
        assert decide(relation, *interval, M) == (finding, verdict), relation
    assert set(get_args(Relation)) == {">", "<", "=", "!="}


@pytest.mark.parametrize("bound", [M, -M])
def test_an_interval_that_ends_on_the_margin_is_not_inside(bound):
    low, high = sorted((0.0, bound))
    assert decide("=", low, high, M)[1] == "inconclusive"


@pytest.mark.parametrize(
    ("relation", "threshold", "interval", "verdict"),
    [
        (">", 2.0, (2.1, 3.0), "supported"),
        (">", 2.0, (1.0, 2.1), "inconclusive"),
        (">", 2.0, (0.8, 1.3), "refuted"),  # ahead, and not by as much as claimed
        (">", 2.0, (-0.1, 0.1), "refuted"),  # a threshold leaves no margin
        ("<", -2.0, (-3.0, -2.1), "supported"),
        ("<", -2.0, (-1.3, -0.8), "refuted"),
        (">", -2.0, (-1.0, 1.0), "supported"),
    ],
)
def test_a_threshold_stands_apart_from_the_difference(relation, threshold, interval, verdict):
    assert decide(relation, *interval, M, threshold)[1] == verdict


def test_being_ahead_is_a_finding_even_where_the_claim_wanted_more():
    assert decide(">", 0.8, 1.3, M, 2.0) == ("ahead", "refuted")


def ask(differences, relation=">", margin=M, role="headline", **given):
    d = np.asarray(differences, float)
    return Question(d + 90, np.full(len(d), 90.0), relation, margin, role=role, **given)


def judge_one(*arguments, **given):
    return decision.judge([ask(*arguments, **given)], "bonferroni")[0]


def test_a_clear_difference_is_found_from_three_seeds_on():
    assert judge_one([4.5, 5.0, 5.4])["verdict"] == "supported"
    for count in (1, 2):
        row = judge_one([4.5, 5.0, 5.4][:count])
        assert row["verdict"] == "inconclusive" and math.isnan(row["interval"][0])
        assert "inconclusive: 3 seeds are needed" in row["warnings"]
        assert row["mean_a"] > 94 and row["num_seeds"] == count


def test_rounding_decides_nothing():
    row = decision.judge(
        [Question([0.1 + 0.2] * 8, [0.3] * 8, ">", 1e-5, role="headline")], "bonferroni"
    )[0]
    assert (row["difference"], row["p"], row["p_sign_flip"], row["wins"]) == (0, 1, 1, 0.5)
    assert row["verdict"] == "equivalent"


def test_no_difference_within_the_margin_is_no_refutation():
    """A true difference of 0.3 with a margin of 0.5, seen very clearly."""
    row = judge_one(0.3 + 0.01 * np.arange(-10, 11), "=")
    assert row["interval"][0] > 0 and row["verdict"] == "supported"


def test_the_headline_is_held_against_the_full_level_and_secondaries_share_theirs():
    d = [0.2, 1.0, 1.4, 0.7, 1.9, 0.4]
    questions = [ask(d)] + [ask(d, role="secondary") for _ in range(4)]
    head, *others = decision.judge(questions, "bonferroni")
    assert head["confidence"] == 0.95 and head["p_adjusted"] == head["p"]
    for row in others:
        assert row["confidence"] == pytest.approx(1 - 0.05 / 4)
        assert row["p_adjusted"] == pytest.approx(4 * row["p"])
        assert (row["p_adjusted"] < 0.05) == (row["interval"][0] > 0)
    assert head["interval"][0] > others[0]["interval"][0]
    assert head["interval_seeds"] == head["interval"]


def test_parts_are_not_corrected():
    d = [0.2, 1.0, 1.4, 0.7, 1.9, 0.4]
    rows = decision.judge([ask(d, role="part") for _ in range(3)], "bonferroni")
    assert all(row["confidence"] == 0.95 for row in rows)


def test_a_free_grid_has_intervals_at_the_level_of_its_findings():
    rng = np.random.default_rng(0)
    strong = [ask(rng.normal(3, 1, 8), "!=", role="secondary") for _ in range(2)]
    nothing = [ask(rng.normal(0, 1, 8), "!=", role="secondary") for _ in range(2)]
    rows = decision.judge(strong + nothing, "benjamini-hochberg")
    assert [row["verdict"] for row in rows] == ["supported"] * 2 + ["inconclusive"] * 2
    assert all(row["confidence"] == pytest.approx(1 - 0.05 * 2 / 4) for row in rows)
    none = decision.judge(nothing, "benjamini-hochberg")
    assert all(row["confidence"] == pytest.approx(1 - 0.05 / 2) for row in none)


@pytest.mark.parametrize("adjustment", ["bonferroni", "benjamini-hochberg"])
def test_interval_and_adjusted_p_agree_in_every_family(adjustment):
    rng = np.random.default_rng(1)
    for _ in range(50):
        questions = [ask(rng.normal(rng.choice([0, 1, 2]), 1, 6), "!=", 1e-9, "secondary")
                     for _ in range(5)]  # fmt: skip
        for row in decision.judge(questions, adjustment):
            low, high = row["interval"]
            assert (row["p_adjusted"] < 0.05) == (low > 0 or high < 0)


def test_seeds_in_which_a_run_failed_are_left_out():
    a = np.array([95.0, np.nan, 96.0, 95.5, 95.2, 95.8])
    b = np.array([90.0, 90.1, np.nan, 90.2, 90.3, 90.1])
    row = decision.judge([Question(a, b, ">", M, role="headline")], "bonferroni")[0]
    assert (row["num_seeds"], row["num_failed"], row["verdict"]) == (4, [1, 1], "supported")
    assert "seeds in which a run failed, left out: 2 of 6" in row["warnings"]
    assert row["mean_a"] == pytest.approx(np.mean([95.0, 95.5, 95.2, 95.8]))


@pytest.mark.parametrize("relation", get_args(Relation))
@pytest.mark.parametrize(("failed", "seeds"), [(4, 6), (5, 9), (8, 8)])
def test_a_comparison_of_failed_runs_decides_nothing(relation, failed, seeds):
    """Fewer than three sound seeds, or fewer than half."""
    a = np.where(np.arange(seeds) < failed, np.nan, 95.0)
    row = decision.judge(
        [Question(a, np.full(seeds, 90.0), relation, M, role="headline")], "bonferroni"
    )[0]
    assert (row["finding"], row["verdict"]) == ("open", "inconclusive")
    assert f"inconclusive: {failed} of {seeds} failed" in row["warnings"]


@pytest.mark.parametrize(
    ("a", "b", "relation", "verdict"),
    [
        (8, 0, ">", "supported"),
        (8, 0, "<", "refuted"),
        (8, 0, "=", "refuted"),
        (8, 0, "!=", "supported"),
        (5, 0, ">", "inconclusive"),  # p = 2 / 2**5
        (0, 0, "=", "inconclusive"),  # never shown to be equal
        (8, 8, "=", "inconclusive"),
    ],
)
def test_shares_of_failures_are_told_apart_by_the_exact_test_alone(a, b, relation, verdict):
    left, right = ((np.arange(8) < count).astype(float) for count in (a, b))
    question = Question(left, right, relation, 0.05, role="headline", counts_failures=True)
    assert decision.judge([question], "bonferroni")[0]["verdict"] == verdict


@pytest.mark.parametrize(
    ("slopes", "least"),
    [([0.24] * 5, 0.05), ([0.18, 0.24, 0.24, 0.24, 0.18], 0.05), ([0.24] * 3, 0)],
)
def test_the_interval_of_a_slope_of_failures_is_one_of_its_mean(slopes, least):
    question = Question(
        np.array(slopes), np.zeros(len(slopes)), ">", 0.05, threshold=0.0, role="headline",
        counts_failures=True, pairs=False, resolution=0.17,
    )  # fmt: skip
    row = decision.judge([question], "bonferroni")[0]
    low, high = row["interval"]
    middle = np.mean(slopes)
    assert (low + high) / 2 == pytest.approx(middle) and least < high - middle < 0.2


def draw_images(num_seeds=6, num_images=200, effect=0.02, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.random((num_seeds, num_images)) < effect).astype(float)


def test_images_widen_the_interval_that_decides():
    images = draw_images()
    row = judge_one(images.mean(axis=1), ">", 0.001, images=images, resolution=1 / 200)
    (low, high), (seeds_low, seeds_high) = row["interval"], row["interval_seeds"]
    assert low < seeds_low < row["difference"] < seeds_high < high
    assert row["image_error"] > 0 and row["degrees"] >= 5


def test_what_seeds_alone_decide_is_said_of_these_images_only():
    images = np.zeros((8, 200))
    images[:, :3] = 1.0  # the same three images, in every seed
    images[0, 5], images[1, 6] = 1.0, 1.0
    row = judge_one(images.mean(axis=1), ">", 1e-4, images=images)
    assert row["verdict"] == "inconclusive"
    assert "on these 200 test images: supported" in row["warnings"]


def test_what_only_more_images_could_decide_is_said():
    """A lead of a point on 100 images, of which one differs: the images leave two points."""
    images = np.zeros((20, 100))
    images[:, 0] = 1.0
    assert decision.BOUND in judge_one(images.mean(axis=1), ">", 0.005, images=images)["warnings"]
    # Ten of them: 10 points, and the images leave 6.
    images[:, :10] = 1.0
    noisy = images + np.random.default_rng(0).normal(0, 20, (20, 1))  # seeds leave it open
    row = judge_one(noisy.mean(axis=1), ">", 0.005, images=noisy)
    assert row["verdict"] == "inconclusive" and decision.BOUND not in row["warnings"]


def test_few_clusters_stand_for_nothing_else():
    images = draw_images()
    row = judge_one(images.mean(axis=1), images=images, clusters=np.arange(200) % 9)
    assert row["interval"] == row["interval_seeds"]
    assert "on these images only: they come from 9 clusters" in row["warnings"]
    row = judge_one(images.mean(axis=1), images=images, clusters=np.arange(200) % 10)
    assert row["interval"] != row["interval_seeds"] and not row["warnings"]


def test_many_clusters_of_which_one_holds_most_images_are_few():
    images = draw_images()
    clusters = np.maximum(np.arange(200) - 100, 0) // 5  # one of 100 or more, and 19 of 5
    row = judge_one(images.mean(axis=1), images=images, clusters=clusters)
    assert row["interval"] == row["interval_seeds"]
    (warning,) = row["warnings"]
    assert warning.startswith("on these images only: they come from 20 clusters of unlike sizes")


def test_a_small_difference_of_large_scores_is_one():
    rng = np.random.default_rng(0)
    row = decision.judge(
        [decision.Question(1e6 + 0.3 + rng.normal(0, 0.01, 8), np.full(8, 1e6), ">", 0.005)],
        "bonferroni",
    )[0]
    assert row["difference"] == pytest.approx(0.3, abs=0.02) and row["wins"] == 1.0


def test_a_disagreeing_sign_flip_test_is_noted():
    row = judge_one([1.0, 1.1, 0.9, 1.2, 1.3, 30.0])  # one outlier: t sees nothing
    assert any("sign-flip test disagrees" in warning for warning in row["warnings"])
    assert row["skewness"] > 1


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        (["supported", "supported"], "supported"),
        (["supported", "refuted"], "in part"),
        (["supported", "inconclusive"], "in part"),
        (["refuted", "inconclusive"], "refuted"),
        (["refuted", "refuted"], "refuted"),
        (["inconclusive", "equivalent"], "inconclusive"),
    ],
)
def test_a_claim_of_several_parts_holds_where_all_do(verdicts, whole):
    assert combine(verdicts) == whole


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [([1.0], [1.0, 2.0], "equally long"), ([], [], "equally long"),
     ([math.inf], [1.0], "finite")],
)  # fmt: skip
def test_refuses_scores_that_cannot_be_compared(a, b, message):
    with pytest.raises(ValueError, match=message):
        decision.judge([Question(a, b, ">", M)], "bonferroni")
