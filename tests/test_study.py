"""From records to verdicts and files: on records made by hand, so that the answers are known."""

import math
from dataclasses import replace

import numpy as np
import pytest

from cnnjax import config as config_lib
from cnnjax import judge as judge_lib
from cnnjax import plan as plan_lib
from cnnjax import store, study
from cnnjax.config import Config
from cnnjax.data import load
from cnnjax.knobs import ConfigError
from cnnjax.study import Claim, Comparison, Lead, Published, Score, Slope, Study, Tuning

GRID = {"pool": ("max", "avg"), "padding": ("SAME", "VALID")}
CLAIM = Claim(
    "planted",
    "Max beats average by far.",
    (
        Comparison({"pool": "max"}, {"pool": "avg"}, ">", "two points"),
        Comparison({"padding": "SAME"}, {"padding": "VALID"}, "=", "equivalent"),
    ),
)
STUDY = Study("made-by-hand", "Which?", {"train_examples": 300}, study.cross(GRID), (CLAIM,))
INFOS = {load.request_of(Config()): ((8, 8, 1), 10)}
EFFECTS = {"max": 0.02, "avg": 0.0}  # padding has none


def make_records(num_seeds=20, effects=EFFECTS, spread=0.003, own=STUDY):
    base = study.make_base(own, {})
    rng = np.random.default_rng(0)
    luck = rng.normal(0, 0.01, num_seeds)  # shared by the arms of a seed
    records = []
    for index, config in enumerate(study.make_lanes(own, base, num_seeds)):
        accuracy = 0.9 + effects[config.pool] + luck[config.seed] + rng.normal(0, spread)
        metrics = [
            {"step": step, "validation_accuracy": accuracy - 1 / step, "train_loss": 1 / step}
            for step in (50, 100)
        ]
        scores = {"test_accuracy": accuracy, "test_loss": 0.3, "num_test_examples": 1000,
                  "diverged": False}  # fmt: skip
        parameters = 100 if config.padding == "SAME" else 80
        cost = {"parameters": parameters, "macs": 2000, "receptive_field": 6,
                "map_shape": [4, 4, 8]}  # fmt: skip
        provenance = {"origin": "cpu map", "date": f"2026-01-0{1 + index % 2}",
                      "packages": {"jax": "0.10.2"}}  # fmt: skip
        records.append(
            store.Record(
                f"id{index}", config_lib.to_json(config), scores, metrics, cost, provenance
            )
        )
    return records


def judge(records, own=STUDY):
    return judge_lib.judge(own, study.make_base(own, {}), records)


def compare(a, b, relation=">", metric="", records=None, arms=STUDY.arms):
    """The verdict on one comparison of records made by hand."""
    claim = Claim("one", "One comparison.", (Comparison(a, b, relation, "none", metric),))
    own = STUDY._replace(claims=(claim,), arms=arms)
    return judge(make_records(own=own) if records is None else records, own).verdicts[0]


def test_a_planted_effect_is_supported_and_none_is_equivalent():
    pooling, padding = judge(make_records()).verdicts
    assert (pooling["a"], pooling["b"]) == ("pool=max", "pool=avg")
    assert pooling["verdict"] == "supported"
    assert pooling["difference"] == pytest.approx(0.02, abs=0.002)
    assert pooling["pair_correlation"] > 0.9  # the luck of a seed cancels
    assert padding["verdict"] == "equivalent"


def test_a_reversed_effect_is_refuted():
    pooling, _ = judge(make_records(effects={"max": 0.0, "avg": 0.02})).verdicts
    assert pooling["verdict"] == "refuted"


def test_few_seeds_are_inconclusive_and_say_why():
    pooling, _ = judge(make_records(num_seeds=3)).verdicts
    assert pooling["verdict"] == "inconclusive"
    assert "3 seeds can reach an adjusted p of 0.5 at best" in pooling["warnings"]
    assert "nothing can be supported or refuted" in plan_lib.warn_of_seeds(STUDY, 3)[0]
    assert not plan_lib.warn_of_seeds(STUDY, 20)


def test_p_values_are_adjusted_within_the_claim():
    for row in judge(make_records()).verdicts:
        assert row["p_adjusted"] >= row["p"]


def test_the_order_of_records_does_not_matter():
    records = make_records()
    assert judge(records).verdicts == judge(records[::-1]).verdicts


def test_confounds_are_flagged_beside_the_verdict():
    pooling, padding = judge(make_records()).verdicts
    assert padding["warnings"] == ["differ in parameters: 100 against 80"]
    assert pooling["warnings"] == []


def test_divergence_is_counted_and_flagged():
    records = make_records()
    records[0].scores["diverged"] = True
    judgement = judge(records)
    assert judgement.arms[0].num_diverged == 1
    assert "runs that diverged: 1 against 0" in judgement.verdicts[0]["warnings"]


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
    records[3].provenance["origin"] = "gpu vmap"
    with pytest.raises(ValueError, match="different origin: cpu map, gpu vmap"):
        judge(records)


def test_a_flag_that_the_study_varies_is_refused_with_the_reason():
    with pytest.raises(ConfigError, match="--pool cannot be set here: .* varies it over max, avg"):
        study.make_base(STUDY, {"pool": "max"})
    assert study.make_base(STUDY, {"steps": 5}).steps == 5


def test_a_free_grid_compares_each_value_with_the_first():
    (claim,) = study.make_factorial_claims({"pool": ("max", "avg", "none"), "stride": (1, 2)})
    assert [(pair.a, pair.b) for pair in claim.comparisons] == [
        ({"pool": "max"}, {"pool": "avg"}),
        ({"pool": "max"}, {"pool": "none"}),
        ({"stride": 1}, {"stride": 2}),
    ]


def test_plan_counts_groups_lanes_and_work():
    plan = plan_lib.make_plan(STUDY, study.make_base(STUDY, {}), 20, INFOS)
    assert (plan.num_groups, plan.num_lanes) == (4, 80)
    assert plan.state_bytes == 4 * 4 * 20 * max(cost.parameters for cost in plan.arms.values())
    macs = sum(cost.macs for cost in plan.arms.values())
    assert plan.training_macs == 3 * macs * 32 * 400 * 20


MAX, AVG = {"pool": "max"}, {"pool": "avg"}
SAME, VALID = {"padding": "SAME"}, {"padding": "VALID"}


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
    arms = study.cross({"batch_size": (16, 32, 128)})
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


def test_less_is_a_relation_too():
    assert compare(AVG, MAX, "<")["verdict"] == "supported"
    assert compare(MAX, AVG, "<")["verdict"] == "refuted"


def test_seeds_without_a_finite_score_are_left_out_and_said():
    records = make_records()
    records[0].scores["test_accuracy"] = None
    row = compare(MAX, AVG, records=records)
    assert row["num_seeds"] == 19
    assert "seeds without a finite score, left out: 1 of 20" in row["warnings"]
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


def test_a_run_fails_where_its_loss_does_not_fall():
    records = make_records()
    for record in records:
        record.scores["initial_loss"] = 2.3
        record.metrics[-1]["train_loss"] = 2.4 if record.config["pool"] == "max" else 0.1
    row = compare(MAX, AVG, ">", "failed", records)
    assert (row["mean_a"], row["mean_b"], row["verdict"]) == (1, 0, "supported")


def test_the_interval_over_seeds_and_images_is_wider_than_over_seeds():
    records = make_records()
    rng = np.random.default_rng(0)
    for record in records:
        size = record.scores["num_test_examples"] = 50
        correct = rng.random(size) < record.scores["test_accuracy"]
        record.scores["test_correct"] = store.pack_correct(correct)
        record.scores["test_accuracy"] = float(correct.mean())
    row = compare(MAX, AVG, records=records)
    (low, high), (wide_low, wide_high) = row["interval"], row["interval_crossed"]
    assert wide_low < low < row["difference"] < high < wide_high


@pytest.mark.parametrize(("published", "agrees"), [(0.92, True), (0.8, False)])
def test_a_published_figure_agrees_where_one_more_run_could_have_given_it(published, agrees):
    own = STUDY._replace(published=(Published({**MAX, **SAME}, published, "a paper"),))
    (agreement,) = judge(make_records(own=own), own).agreements
    assert agreement.agrees == agrees and agreement.low < agreement.mean < agreement.high


TUNED = STUDY._replace(
    arms=(MAX, {**AVG, "learning_rate": 0.1}),
    tuning=Tuning({"learning_rate": (0.001, 0.01), "momentum": (0.5, 0.9)}, seeds=(7, 8)),
    base={"optimizer": "momentum"},
    claims=(),
)


def test_tuning_takes_each_arms_best_setting_on_validation():
    base = study.make_base(TUNED, {})
    lanes = study.make_tuning_lanes(TUNED, base)
    assert len(lanes) == 2 * (4 + 2) and {lane.seed for lane in lanes} == {7, 8}
    scores = {lane: lane.learning_rate + lane.momentum + lane.seed / 1000 for lane in lanes}
    worst = min(scores, key=lambda lane: scores[lane])
    scores[replace(worst, learning_rate=0.01, momentum=0.9)] = math.nan  # never wins
    chosen = study.choose_settings(TUNED, base, scores)
    assert chosen.settings == {
        "pool=max": {"learning_rate": 0.001, "momentum": 0.9},
        "pool=avg learning_rate=0.1": {"momentum": 0.9},
    }
    lanes = study.make_lanes(chosen, base, 2)
    assert {(lane.pool, lane.learning_rate, lane.momentum) for lane in lanes} == {
        ("max", 0.001, 0.9), ("avg", 0.1, 0.9)
    }  # fmt: skip


def test_a_flag_that_the_study_tunes_is_refused():
    with pytest.raises(ConfigError, match="--momentum cannot be set here: .* tunes it"):
        study.make_base(TUNED, {"momentum": 0.5})


def test_a_data_set_may_be_given_unless_all_arms_name_theirs():
    free = STUDY._replace(arms=(MAX, {**MAX, "dataset": "digits"}))
    assert study.make_base(free, {"dataset": "digits"}).dataset == "digits"
    with pytest.raises(ConfigError, match="--dataset cannot be set here"):
        study.make_base(free._replace(arms=free.arms[1:]), {"dataset": "digits"})


def test_a_comparison_without_arms_is_refused():
    study.check_study(STUDY)
    with pytest.raises(ValueError, match="no arm has pool=l2"):
        study.check_study(STUDY._replace(controls=({"pool": "l2"},)))
