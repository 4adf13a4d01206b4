"""The arm that did best on validation is compared with the baseline on what chose nothing."""

import pytest

from cnnjax.config.config import to_json
from cnnjax.config.knobs import ConfigError
from cnnjax.records.record import Record
from cnnjax.study import choosing, judge, wanted
from cnnjax.study.arms import keep_apart, list_metrics, list_seeds, make_base, make_lanes
from cnnjax.study.checking import check_study
from cnnjax.study.claims import Choosing, Tuning, name_arm
from cnnjax.study.grids import check_metric, find_arm, make_study
from cnnjax.study.plan import make_plan
from tests.by_hand import GRID, INFOS, MAX, SAME, make_records

STUDY = make_study(GRID, choose=True)
BASE = make_base(STUDY, {})
AVG_SAME = {"pool": "avg", **SAME}


def validate(records, right):
    """The records with accuracies on validation by arm, whatever they have on the test split."""
    found = []
    for record in records:
        name = f"{record.config['pool']} {record.config['padding']}"
        score = right[name]
        scores = {
            "validation_accuracy": score, "validation_loss": 1.0, "failed": score is None
        }  # fmt: skip
        found.append(record._replace(scores={**record.scores, **scores}))
    return found


RIGHT = {"max SAME": 0.8, "max VALID": 0.7, "avg SAME": 0.9, "avg VALID": 0.85}


def choose(right, seeds=4, study=STUDY):
    records = validate(make_records(seeds, own=study), right)
    return wanted.choose_arm(study, BASE, records, seeds)


def test_the_best_by_validation_stands_beside_the_baseline():
    best, said = choose(RIGHT)  # on the test split max is better
    assert best.arms == ({**MAX, **SAME}, AVG_SAME)
    (claim,) = best.claims
    (pair,) = claim.comparisons
    assert (pair.a, pair.b, pair.relation) == (AVG_SAME, {**MAX, **SAME}, ">")
    assert best.metric == "test_accuracy" and best.choosing is None
    assert said == (
        "pool=avg padding=SAME is the best of 4 arms by validation accuracy over seeds 0 to 3; it"
        " is compared with pool=max padding=SAME on seeds 4 to 7"
    )


def test_a_baseline_that_is_itself_the_best_is_compared_with_the_next():
    best, said = choose({**RIGHT, "max SAME": 0.95})
    assert best.arms[1] == AVG_SAME
    assert "best of the other 3 arms" in said and "the baseline did better" in said


def test_of_two_arms_the_other_is_not_called_the_best():
    study = make_study({"pool": ["max", "avg"]}, choose=True)
    base = make_base(study, {})
    records = make_records(4, own=study)
    for index, record in enumerate(records):
        accuracy = 0.9 if record.config["pool"] == "max" else 0.8
        scores = {"validation_accuracy": accuracy, "validation_loss": 1.0, "failed": False}
        records[index] = record._replace(scores={**record.scores, **scores})
    _, said = wanted.choose_arm(study, base, records, 4)
    assert "pool=avg is the other arm over seeds" in said and "1 arms" not in said


def test_an_arm_with_a_run_that_failed_is_out():
    best, _ = choose({**RIGHT, "avg SAME": None})
    assert name_arm(best.arms[1]) == "pool=avg padding=VALID"
    none, said = choose({"max SAME": 0.8, **dict.fromkeys(list(RIGHT)[1:])})
    assert none is None and "a run of every arm but the baseline failed" in said


def test_of_arms_that_are_equal_the_one_of_least_loss_is_best():
    records = validate(make_records(2, own=STUDY), dict.fromkeys(RIGHT, 0.5))
    for record in records:
        if record.config["pool"] == "avg" and record.config["padding"] == "VALID":
            record.scores["validation_loss"] = 0.5
    best, _ = wanted.choose_arm(STUDY, BASE, records, 2)
    assert name_arm(best.arms[1]) == "pool=avg padding=VALID"


def record_of(lane):
    score = RIGHT[f"{lane.pool} {lane.padding}"]
    scores = {"validation_accuracy": score, "validation_loss": 1.0, "failed": False}
    provenance = {"date": "2026-01-01", "origin": {}}
    return Record("id", to_json(lane), scores, [], {}, provenance)


def test_it_wants_the_arms_seeds_and_then_fresh_ones_of_two_arms():
    ask = wanted.of_study(STUDY, BASE, 3, first_seed=5)
    lanes = ask([])
    assert lanes == make_lanes(STUDY, BASE, 3, 5) and {lane.seed for lane in lanes} == {5, 6, 7}
    records = [record_of(lane) for lane in lanes]
    assert ask(records[:-2]) == lanes[-2:]
    fresh = ask(records)
    assert [(lane.pool, lane.padding, lane.seed) for lane in fresh] == [
        (pool, "SAME", seed) for pool in ("max", "avg") for seed in (8, 9, 10)
    ]
    records += [record_of(lane) for lane in fresh]
    assert ask(records) == ask(records[::-1]) == []


def test_neither_tuning_nor_choosing_shares_a_seed_with_the_verdict():
    tuned = STUDY._replace(tuning=Tuning({"learning_rate": (0.001, 0.01)}, seeds=(7, 8)))
    assert list_seeds(tuned, 4) == range(8)
    lanes = wanted.of_study(tuned, BASE, 4)([])
    assert {lane.seed for lane in lanes} == {7, 8}  # as it stands they would be used again
    apart = keep_apart(tuned, list_seeds(tuned, 4))
    assert apart.tuning.seeds == (8, 9)


def test_both_studies_are_judged_and_say_on_what():
    side_by_side = choosing.on_validation(STUDY)
    found = judge.judge(side_by_side, BASE, validate(make_records(5, own=STUDY), RIGHT))
    assert {row["metric"] for row in found.verdicts} == {"validation_accuracy"}
    assert side_by_side.name == "ablate-validation"
    best, _ = choose(RIGHT, 5)
    (row,) = judge.judge(best, BASE, make_records(5, own=best)).verdicts
    assert (row["metric"], row["verdict"]) == ("test_accuracy", "refuted")  # max is better there
    assert row["role"] == "headline" and "on fresh seeds" in row["about"]
    (claim,) = best.claims
    assert "over seeds 0 to 4; compared on seeds 5 to 9, which chose nothing" in claim.tried_as


def test_a_plan_counts_the_lanes_of_both():
    plan = make_plan(STUDY, BASE, 5, INFOS)
    assert (plan.num_lanes, plan.num_fresh_lanes) == (4 * 5 + 2 * 5, 2 * 5)
    assert [len(stage.claims) for stage in choosing.list_stages(STUDY)] == [1, 1]


def test_by_a_loss_or_a_rate_of_failures_arms_only_differ():
    best, _ = choose(RIGHT, study=make_study(GRID, "test_loss", choose=True))
    assert best.claims[0].comparisons[0].relation == "!="
    assert best.claims[0].statement.endswith("and pool=max padding=SAME differ.")


def test_what_is_measured_serves_both():
    own = make_study(GRID, "shift_consistency", choose=True)
    assert list_metrics(own) == ["shift_consistency", "validation_accuracy"]
    assert make_base(own, {}).measure == ("robustness",)


def test_all_arms_may_be_compared_with_one():
    arm = find_arm(GRID, "pool=avg  padding=VALID")
    own = make_study(GRID, baseline=arm)
    assert own.choosing is None
    found = judge.judge(own, make_base(own, {}), make_records(own=own)).verdicts
    assert [(row["a"], row["b"]) for row in found] == [
        (name_arm(other), "pool=avg padding=VALID") for other in own.arms if other != arm
    ]
    assert found[0]["finding"] == "ahead" and found[0]["role"] == "secondary"
    assert make_study(GRID, baseline=arm, choose=True).choosing == Choosing(arm)


def test_an_arm_is_found_by_its_values_in_any_order():
    grid = {"pool": ("max", "avg"), "learning_rate": (0.01, 0.1), "widths": ((8,), (16, 32))}
    arm = find_arm(grid, "widths=16x32  learning_rate=1e-2 pool=avg")
    assert name_arm(arm) == "pool=avg learning_rate=0.01 widths=16,32"
    assert name_arm(find_arm(GRID, "padding=VALID pool=avg")) == "pool=avg padding=VALID"
    files = {"dataset": ("folder:a b", "digits"), "pool": ("max", "avg")}
    assert find_arm(files, "pool=avg dataset=folder:a b") == {
        "dataset": "folder:a b", "pool": "avg"
    }  # fmt: skip
    with pytest.raises(ConfigError, match="is no arm of the grid"):
        find_arm(GRID, "pool=avg")


def test_what_is_misspelt_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match='no arm of the grid: did you mean "pool=max padding=VAL'):
        find_arm(GRID, "pool=max padding=valid")
    with pytest.raises(ConfigError, match="test_acuracy.*did you mean test_accuracy"):
        check_metric("test_acuracy")
    check_metric("test_recall_3")
    with pytest.raises(ConfigError, match="chooses by validation_accuracy and compares by another"):
        check_metric("validation_accuracy", choose=True)
    check_metric("validation_accuracy")


def test_a_baseline_that_no_arm_is_is_a_wrong_study():
    with pytest.raises(ValueError, match="no arm has pool=rank"):
        check_study(STUDY._replace(choosing=Choosing({"pool": "rank"})))
