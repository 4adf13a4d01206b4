"""From records to verdicts: on records made by hand, so that the answers are known."""

import math

import numpy as np
import pytest

from cnnjax.measures import outcome
from cnnjax.study import claims
from cnnjax.study.claims import Claim, Comparison, Lead, Published, Score, Slope
from cnnjax.study.judge import verdict_of
from cnnjax.study.questions import LACKING, UNLIKE
from tests.by_hand import (
    AVG,
    MAX,
    ORIGIN,
    SAME,
    STUDY,
    VALID,
    compare,
    fail,
    judge,
    make_records,
)


def test_a_planted_effect_is_supported_and_none_is_equivalent():
    pooling, padding = judge(make_records()).verdicts
    assert (pooling["a"], pooling["b"]) == ("pool=max", "pool=avg")
    assert pooling["verdict"] == "supported"
    assert pooling["difference"] == pytest.approx(0.02, abs=0.002)
    assert pooling["pair_correlation"] > 0.9  # the luck of a seed cancels
    assert (padding["finding"], padding["verdict"]) == ("equivalent", "supported")


def test_a_reversed_effect_is_refuted():
    pooling, _ = judge(make_records(effects={"max": 0.0, "avg": 0.02})).verdicts
    assert pooling["verdict"] == "refuted"


def test_the_headline_is_alone_and_the_others_are_a_family():
    pairs = [Comparison(MAX, AVG, relation, "none") for relation in (">", "<", "=", "!=")]
    rows = judge(make_records(), STUDY._replace(claims=(Claim("x", "X.", tuple(pairs)),))).verdicts
    assert [row["role"] for row in rows] == ["headline"] + ["secondary"] * 3
    assert rows[0]["p_adjusted"] == rows[0]["p"]
    assert all(row["p_adjusted"] == pytest.approx(3 * row["p"]) for row in rows[1:])


def test_a_claim_of_two_parts_holds_where_both_do():
    pairs = (Comparison(MAX, AVG, ">", "none"), Comparison(AVG, MAX, ">", "none"))
    claim = Claim("x", "Both.", pairs, parts=2)
    rows = judge(make_records(), STUDY._replace(claims=(claim,))).verdicts
    assert [row["role"] for row in rows] == ["part", "part"]
    assert verdict_of(claim, rows) == "in part"
    assert verdict_of(claim._replace(parts=1), rows[:1]) == "supported"


def test_the_order_of_records_does_not_matter():
    records = make_records()
    assert judge(records).verdicts == judge(records[::-1]).verdicts


def test_confounds_are_flagged_beside_the_verdict():
    pooling, padding = judge(make_records()).verdicts
    assert padding["warnings"] == ["differ in parameters: 100 against 80", LACKING]
    assert pooling["warnings"] == [LACKING]


def test_a_failed_run_is_counted_and_has_no_score():
    records = make_records()
    records[0] = fail(records[0])
    judgement = judge(records)
    arm, row = judgement.arms[0], judgement.verdicts[0]
    assert arm.num_failed == 1 and (row["num_failed"], row["num_seeds"]) == ([1, 0], 19)
    assert "seeds in which a run failed, left out: 1 of 20" in row["warnings"]
    others = [record.scores["test_accuracy"] for record in arm.records[1:]]
    assert arm.mean == pytest.approx(np.mean(others))


def test_an_arm_that_failed_throughout_decides_nothing():
    records = [fail(r) if r.config["pool"] == "max" else r for r in make_records()]
    for metric in ("test_accuracy", "shift_consistency", "fc_correlation", "steps_to_90"):
        row = compare(MAX, AVG, "=", metric, records)
        assert (row["finding"], row["verdict"]) == ("open", "inconclusive")
        assert "inconclusive: 20 of 20 failed" in row["warnings"]
    row = compare(MAX, AVG, ">", "failed", records)
    assert (row["mean_a"], row["mean_b"], row["verdict"]) == (1, 0, "supported")
    assert compare(MAX, AVG, ">", "initial_loss", records)["num_failed"] == [0, 0]


def test_missing_seeds_are_refused():
    with pytest.raises(ValueError, match="do not have the same seeds"):
        judge(make_records()[:-1])


def test_a_seed_twice_in_an_arm_is_refused_by_name():
    records = make_records()
    with pytest.raises(ValueError, match="pool=max padding=SAME has seed 0 twice, in records id0"):
        judge([*records, records[0]._replace(id="other")])


def test_records_of_another_config_schema_are_judged():
    records = make_records()
    for record in records:
        record.config["former_knob"] = 1
        del record.config["flip"]
    assert judge(records).verdicts == judge(make_records()).verdicts


def test_runs_of_different_origin_are_never_compared():
    records = make_records()
    records[3].provenance["origin"] = {**ORIGIN, "platform": "gpu"}
    with pytest.raises(ValueError, match="different origin: platform: cpu against gpu"):
        judge(records)


def test_an_interaction_is_the_difference_of_two_leads():
    records = make_records()
    for record in records:  # max is ahead by 2 points; by 5 where there is a border
        if record.config["pool"] == "max" and record.config["padding"] == "SAME":
            record.scores["test_accuracy"] += 0.03
    row = compare(Lead({**MAX, **SAME}, {**AVG, **SAME}), Lead({**MAX, **VALID}, {**AVG, **VALID}),
                  records=records)  # fmt: skip
    assert row["verdict"] == "supported" and row["difference"] == pytest.approx(0.03, abs=0.003)
    assert (row["mean_a"], row["mean_b"]) == pytest.approx((0.05, 0.02), abs=0.003)
    assert row["a"] == "lead of pool=max padding=SAME over pool=avg padding=SAME"


def test_a_trend_is_the_rise_with_each_doubling():
    arms = claims.cross({"batch_size": (16, 32, 128)})
    own = STUDY._replace(arms=arms)
    records = make_records(effects={"max": 0.0}, own=own)
    for record in records:
        record.scores["test_accuracy"] -= 0.01 * math.log2(record.config["batch_size"])
    row = compare(Slope({}, "batch_size"), 0.0, "<", records=records, arms=arms)
    assert row["verdict"] == "supported" and row["difference"] == pytest.approx(-0.01, abs=0.001)


def test_a_side_may_be_a_number_or_another_metric():
    assert compare(AVG, 0.5)["verdict"] == "supported"
    assert compare(AVG, 0.99)["verdict"] == "refuted"
    row = compare(AVG, Score(AVG, "test_loss"))
    assert row["mean_b"] == pytest.approx(0.3) and row["b"] == "test_loss of pool=avg"


def test_a_number_is_a_threshold_beside_the_score_and_not_taken_from_it():
    row = compare(AVG, 0.5)
    assert (row["threshold"], row["mean_b"]) == (0.5, 0)
    assert row["difference"] == row["mean_a"] == pytest.approx(0.9, abs=0.01)
    same = compare(AVG, 0.9, "=")
    assert same["threshold"] is None and same["difference"] == pytest.approx(0, abs=0.01)


def test_a_lead_by_more_than_a_threshold_shows_the_lead():
    row = compare(MAX, AVG, threshold=0.05)
    assert row["difference"] == pytest.approx(0.02, abs=0.002) and row["threshold"] == 0.05
    assert (row["finding"], row["verdict"]) == ("ahead", "refuted")


def test_less_is_a_relation_too():
    assert compare(AVG, MAX, "<")["verdict"] == "supported"
    assert compare(MAX, AVG, "<")["verdict"] == "refuted"


def test_seeds_without_a_finite_score_are_left_out_and_said():
    records = make_records()
    records[0].scores["test_accuracy"] = None
    row = compare(MAX, AVG, records=records)
    assert row["num_seeds"] == 19
    assert "seeds in which a run failed, left out: 1 of 20" in row["warnings"]
    for record in records:
        record.scores["test_accuracy"] = math.nan
    assert compare(MAX, AVG, records=records)["verdict"] == "inconclusive"


def test_steps_to_a_target_are_all_steps_where_it_is_never_reached():
    records = make_records()
    for record in records:  # average reaches 90% at step 100, maximum never does
        for line, reached in zip(record.metrics, (0.5, 0.95), strict=True):
            line["validation_accuracy"] = reached if record.config["pool"] == "avg" else 0.5
    row = compare(AVG, MAX, "<", "steps_to_90", records)
    assert (row["mean_a"], row["mean_b"], row["verdict"]) == (100, 400, "supported")


def answer(records, size=50, labels=None, clusters=None):
    """Records that keep which of so many test images they got right."""
    rng = np.random.default_rng(0)
    labels = np.arange(size) % 5 if labels is None else labels
    for record in records:
        correct = rng.random(size) < record.scores["test_accuracy"] - 0.1 * (labels == 3)
        means, images = outcome.summarise({"test_accuracy": correct}, labels)
        record.scores.update(means, by_image=outcome.pack(images, labels, clusters))
    return records


def test_the_interval_over_seeds_and_images_is_wider_than_over_seeds():
    row = compare(MAX, AVG, records=answer(make_records()))
    (low, high), (wide_low, wide_high) = row["interval_seeds"], row["interval"]
    assert wide_low < low < row["difference"] < high < wide_high


def test_leads_slopes_and_averages_answer_for_new_images_too():
    records = answer(make_records())
    lead = Lead({**MAX, **SAME}, {**AVG, **SAME}), Lead({**MAX, **VALID}, {**AVG, **VALID})
    for a, b in (lead, (MAX, 0.5), (SAME, VALID)):
        row = compare(a, b, records=records)
        assert row["image_error"] > 0 and row["interval"] != row["interval_seeds"]


def test_balanced_accuracy_and_recall_are_metrics_of_images():
    records = answer(make_records(), size=200)
    row = compare(MAX, 0.5, metric="test_balanced_accuracy", records=records)
    assert row["image_error"] > 0 and row["mean_a"] == pytest.approx(
        compare(MAX, 0.5, records=records)["mean_a"]  # the classes are equally many
    )
    hard, easy = (
        compare(MAX, 0.5, metric=f"test_recall_{place}", records=records) for place in (3, 4)
    )
    assert hard["image_error"] > 0 and hard["mean_a"] < easy["mean_a"] - 0.05


def test_balanced_accuracy_counts_each_class_alike():
    labels = np.array([0] * 90 + [1] * 10)
    means, images = outcome.summarise({"test_accuracy": labels == 0}, labels)
    assert means["test_accuracy"] == 0.9
    assert means["test_balanced_accuracy"] == pytest.approx(0.5)
    assert images["test_balanced_accuracy"].mean() == pytest.approx(0.5)


def test_test_images_in_clusters_count_by_cluster():
    clusters = np.arange(50) // 5
    by_image, by_cluster = (
        compare(MAX, AVG, records=answer(make_records(), clusters=own)) for own in (None, clusters)
    )
    assert by_image["interval_seeds"] == by_cluster["interval_seeds"]
    assert by_image["interval"] != by_cluster["interval"]


@pytest.mark.parametrize("left", [{}, {"label": "uint8:"}, None])
def test_where_a_run_lacks_its_answers_it_is_said_that_seeds_alone_decide(left):
    records = answer(make_records())
    records[0].scores["by_image"] = left
    row = compare(MAX, AVG, records=records)
    assert row["image_error"] is None and LACKING in row["warnings"]
    assert row["interval"] == pytest.approx(row["interval_seeds"])


def test_test_images_of_unlike_data_are_never_paired():
    records = answer(make_records())
    for record in records:
        if record.config["padding"] == "VALID":
            record.provenance["test_fingerprint"] = "other"
    apart = compare(SAME, VALID, records=records)
    assert apart["interval"] == pytest.approx(apart["interval_seeds"])
    assert apart["image_error"] is None and UNLIKE in apart["warnings"]
    assert compare({**MAX, **SAME}, {**AVG, **SAME}, records=records)["image_error"] > 0


def test_arms_that_train_on_unlike_data_are_paired_by_their_test_images():
    """Such as train_split=train[:50%] against train[50%:], or feed=memory against stream."""
    records = answer(make_records())
    for record in records:
        record.provenance["test_fingerprint"] = "shared"
        if record.config["padding"] == "VALID":
            record.provenance["data_fingerprint"] = "other"
    apart = compare(SAME, VALID, records=records)
    assert apart["image_error"] > 0 and UNLIKE not in apart["warnings"]


@pytest.mark.parametrize(("published", "agrees"), [(0.92, True), (0.8, False)])
def test_a_published_figure_agrees_where_one_more_run_could_have_given_it(published, agrees):
    own = STUDY._replace(published=(Published({**MAX, **SAME}, published, "a paper"),))
    (agreement,) = judge(make_records(own=own), own).agreements
    assert agreement.agrees == agrees and agreement.low < agreement.mean < agreement.high
