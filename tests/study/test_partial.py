"""Runs that broke off: what rests on them is left out and said, and the rest is judged."""

import pytest

from cnnjax import api
from cnnjax.report import scoreboard
from cnnjax.study import claims, partial
from cnnjax.study.arms import make_base, make_lanes, make_tuning_lanes
from cnnjax.study.claims import Claim, Comparison, Tuning, name_arms
from cnnjax.study.grids import make_study
from cnnjax.study.options import Options
from cnnjax.study.spread import spread
from cnnjax.sweep import loop, runner
from tests.by_hand import AVG, GRID, MAX, SAME, STUDY, VALID, make_records

SEEDS = 4
VALIDATED = {"validation_accuracy": 0.9, "validation_loss": 1.0}
ARM = {**MAX, **VALID}
POOLING, PADDING = (
    Claim(id, id, (Comparison(a, b, ">", "none"),))
    for id, a, b in (("pooling", {**AVG, **SAME}, {**MAX, **SAME}), ("padding", SAME, VALID))
)


@pytest.fixture
def conduct(monkeypatch, tmp_path):
    """Runs a study whose records are made by hand; lanes that `breaks` names break off."""

    def conduct(study, breaks, on_error="continue"):
        base = make_base(study, {})
        plain = study._replace(tuning=None)
        known = {}
        for first in (0, SEEDS, 1000):
            made = make_records(SEEDS, own=plain)
            known |= zip(make_lanes(plain, base, SEEDS, first), made, strict=True)
        trained = []

        def engine(jobs, observer):
            for lane in jobs:
                if breaks(lane):
                    yield runner.Failure(runner.Group(lane, (lane,)), ValueError("no"))
                else:
                    trained.append(lane)

        def find(lanes):
            return {
                lane: known[lane]._replace(
                    config={**known[lane].config, "seed": lane.seed},
                    scores={**known[lane].scores, **VALIDATED},
                )
                for lane in lanes if lane in trained
            }  # fmt: skip

        def train_wanted(wanted, datasets, options, observer, clear_stopped):
            return loop.run_wanted(
                wanted, find, lambda lanes: lanes, engine, observer, on_error=options.on_error
            )

        monkeypatch.setattr(api, "load_datasets", lambda *_: {})
        monkeypatch.setattr(api, "train_wanted", train_wanted)
        checked = api.Checked(study, base, {}, None, (), ())
        options = Options(tmp_path, num_seeds=SEEDS, on_error=on_error)
        return api.run_study(checked, options), trained

    return conduct


def breaks(lane):
    return (lane.pool, lane.padding) == ("max", "VALID")


def test_claims_that_rest_on_whole_arms_are_judged(conduct):
    finished, trained = conduct(STUDY._replace(claims=(POOLING, PADDING)), breaks)
    assert len(trained) == 3 * SEEDS and len(finished.failures) == SEEDS
    assert [claim.id for claim in finished.study.claims] == ["pooling"]
    assert len(finished.records) == 3 * SEEDS
    assert finished.lacking == (
        "pool=max padding=VALID: runs broke off",
        "claim padding is not judged: it rests on those runs",
    )


def test_a_report_says_what_it_lacks(conduct, tmp_path):
    finished, _ = conduct(STUDY._replace(claims=(POOLING, PADDING)), breaks)
    judgement, path = api.report_study(finished, Options(tmp_path, num_seeds=SEEDS))
    page = path.read_text()
    assert all(line in page for line in finished.lacking)
    rows = scoreboard.list_study(STUDY._replace(claims=(POOLING, PADDING)), judgement)
    assert [row["verdict"] == "failed" for row in rows] == [False, True]


def test_told_to_stop_nothing_more_is_trained_and_what_is_whole_is_judged(conduct):
    study = STUDY._replace(claims=(POOLING, PADDING))
    finished, trained = conduct(study, breaks, "stop")
    assert len(finished.failures) == 1
    assert {lane.padding for lane in trained if lane.pool == "max"} == {"SAME"}
    assert not finished.records  # pooling needs avg, which comes behind

    finished, trained = conduct(study, lambda lane: lane.pool == "avg" and lane.padding == "VALID",
                                "stop")  # fmt: skip
    assert len(finished.records) == 3 * SEEDS and len(finished.failures) == 1
    assert [claim.id for claim in finished.study.claims] == ["pooling"]


def test_where_every_claim_rests_on_what_broke_off_there_is_no_report(conduct):
    finished, _ = conduct(STUDY._replace(claims=(PADDING,)), breaks)
    assert not finished.records and len(finished.failures) == SEEDS


def test_of_a_grid_those_comparisons_are_left_that_rest_on_whole_arms(conduct):
    grid = {"pool": ("max", "avg"), "padding": ("SAME", "VALID")}
    baseline = {**MAX, **SAME}
    finished, _ = conduct(make_study(grid, baseline=baseline), breaks)
    (claim,) = finished.study.claims
    assert [pair.a for pair in claim.comparisons] == [{**AVG, **SAME}, {**AVG, **VALID}]
    assert finished.lacking[-1] == "claim baseline lacks 1 of 3 comparisons"
    finished, _ = conduct(make_study(grid), breaks)  # every mean and interaction has it
    assert not finished.records


def test_an_arm_broken_off_in_tuning_is_left_out():
    study = STUDY._replace(claims=(POOLING, PADDING), tuning=Tuning({"learning_rate": (0.1, 0.2)}))
    base = make_base(study, {})
    lanes = make_tuning_lanes(study, base)
    lane = [own for own in lanes if {**ARM, "learning_rate": 0.2}.items() <= vars(own).items()][:1]
    left = partial.leave_out(study, base, lane, range(0))
    assert list(name_arms(left)) == [
        name for name in name_arms(study) if name != "pool=max padding=VALID"
    ]


@pytest.mark.parametrize(
    "breaks",
    [
        pytest.param(lambda lane: lane.pool == "max" and lane.padding == "SAME", id="the baseline"),
        pytest.param(lambda lane: lane.seed >= SEEDS, id="the fresh seeds"),
    ],
)
def test_a_choice_that_cannot_be_tried_leaves_the_arms_side_by_side(conduct, breaks):
    study = make_study(GRID, baseline={**AVG, **SAME}, choose=True)
    study = study._replace(choosing=study.choosing._replace(baseline={**MAX, **SAME}))
    finished, _ = conduct(study, breaks)
    assert finished.study.name.endswith("-validation") and finished.choice is None
    assert finished.study.metric == "validation_accuracy"
    assert "the best arm was not compared on fresh seeds" in finished.lacking


def test_a_claim_whose_head_is_whole_keeps_its_verdict_and_loses_what_stands_beside():
    pairs = (*POOLING.comparisons, *PADDING.comparisons)
    study = STUDY._replace(claims=(Claim("both", "B.", pairs), Claim("x", "X.", pairs, parts=2)))
    base = make_base(study, {})
    lanes = make_lanes(study._replace(arms=(ARM,)), base, 1)
    left = partial.leave_out(study, base, lanes, range(0))
    assert [(own.id, len(own.comparisons)) for own in left.claims] == [("both", 1)]
    assert partial.describe(study, left)[1:] == (
        "claim both lacks 1 of 2 comparisons",
        "claim x is not judged: it rests on those runs",
    )


def test_records_of_arms_say_where_they_are_published():
    own = claims.Published({**MAX, **VALID}, 0.9, "source"), claims.Published(AVG, 0.9, "source")
    study = STUDY._replace(claims=(POOLING,), published=own)
    base = make_base(study, {})
    left = partial.leave_out(
        study, base, make_lanes(study._replace(arms=(ARM,)), base, 1), range(0)
    )
    assert left.published == own[1:]


def test_of_several_data_sets_those_are_left_on_which_all_arms_are_whole():
    study = spread(STUDY, ["digits", "shapes", "dot"])
    base = make_base(study, {})
    (lane,) = make_lanes(study._replace(arms=({**ARM, "dataset": "shapes"},)), base, 1)
    left = partial.leave_out(study, base, [lane], range(0))
    assert left == spread(STUDY, ["digits", "dot"])
    assert partial.describe(study, left) == ("shapes is left out: runs on it broke off",)
    every = make_lanes(study, base, 1)
    assert partial.leave_out(study, base, every, range(0)) is None
