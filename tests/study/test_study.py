"""A study as data: sides, grids, plans, and what its seeds could show."""

import math

import pytest

from cnnjax.config.config import Config
from cnnjax.config.knobs import ConfigError
from cnnjax.study import checking, claims, foresight
from cnnjax.study.arms import Weighed, make_base, trend_weights, weigh
from cnnjax.study.claims import Comparison, Deviation, Lead, Score, Slope
from cnnjax.study.plan import make_plan
from tests.by_hand import (
    AVG,
    CLAIM,
    GRID,
    INFOS,
    MAX,
    SAME,
    STUDY,
    judge,
    make_records,
)


def test_three_seeds_decide_what_is_clear():
    assert judge(make_records(num_seeds=3)).verdicts[0]["verdict"] == "supported"
    assert not foresight.warn_of_seeds(STUDY, 3)


@pytest.mark.parametrize("num_seeds", [1, 2])
def test_fewer_are_inconclusive_and_say_why(num_seeds):
    pooling, _ = judge(make_records(num_seeds=num_seeds)).verdicts
    assert pooling["verdict"] == "inconclusive"
    assert "inconclusive: 3 seeds are needed" in pooling["warnings"]
    assert "decide nothing: 3 are needed" in foresight.warn_of_seeds(STUDY, num_seeds)[0]


def test_failures_cannot_be_told_apart_by_five_seeds():
    claim = CLAIM._replace(comparisons=(Comparison(MAX, AVG, ">", "none", "failed"),))
    own = STUDY._replace(claims=(claim,))
    assert "0.0625 at best" in foresight.warn_of_seeds(own, 5)[0]
    assert not foresight.warn_of_seeds(own, 6)


def test_a_flag_that_the_study_varies_is_refused_with_the_reason():
    with pytest.raises(ConfigError, match="--pool cannot be set here: .* varies it over max, avg"):
        make_base(STUDY, {"pool": "max"})
    assert make_base(STUDY, {"steps": 5}).steps == 5


def test_a_free_grid_compares_each_value_with_the_first():
    (claim,) = claims.make_factorial_claims({"pool": ("max", "avg", "none"), "stride": (1, 2)})
    mains, interactions = claim.comparisons[:3], claim.comparisons[3:]
    assert [(pair.a, pair.b, pair.about) for pair in mains] == [
        ({"pool": "max"}, {"pool": "avg"}, "main effect of pool"),
        ({"pool": "max"}, {"pool": "none"}, "main effect of pool"),
        ({"stride": 1}, {"stride": 2}, "main effect of stride"),
    ]
    assert [claims.name_side(pair.a) for pair in interactions] == [
        "lead of pool=max stride=1 over pool=avg stride=1",
        "lead of pool=max stride=1 over pool=none stride=1",
    ]
    assert {pair.about for pair in interactions} == {"interaction of pool and stride"}
    assert claim.role_of(0) == "secondary"  # a free grid has no headline


def test_a_grid_of_one_knob_has_no_interaction():
    (claim,) = claims.make_factorial_claims({"pool": ("max", "avg")})
    assert len(claim.comparisons) == 1


def test_plan_counts_groups_lanes_and_work():
    plan = make_plan(STUDY, make_base(STUDY, {}), 20, INFOS)
    assert (plan.num_groups, plan.num_lanes) == (4, 80)
    assert plan.state_bytes == 4 * 4 * 20 * max(cost.parameters for cost in plan.arms.values())
    assert plan.weight_bytes == 4 * 20 * sum(cost.parameters for cost in plan.arms.values())
    macs = sum(cost.macs for cost in plan.arms.values())
    assert plan.training_macs == 3 * macs * 32 * 400 * 20


@pytest.mark.parametrize("side", [
    SAME, Lead(MAX, AVG), Score(MAX, "test_loss"), Slope(MAX, "batch_size"), Deviation(SAME), 0.25,
], ids=str)  # fmt: skip
def test_every_side_is_a_sum_of_weighted_arms(side):
    arms = {claims.name_arm(arm): arm for arm in claims.cross({**GRID, "batch_size": (8, 16, 64)})}
    configs = {name: Config(**arm) for name, arm in arms.items()}
    found = weigh(side, arms, configs)
    if isinstance(side, float):
        assert found == Weighed({}, "", 0.25)
        return
    total = sum(found.weights.values())
    assert total == pytest.approx(0 if isinstance(side, Lead | Slope) else 1)
    if isinstance(side, Slope):  # scores that rise by 3 with each doubling
        rise = {name: 3 * math.log2(configs[name].batch_size) for name in found.weights}
        assert sum(w * rise[n] for n, w in found.weights.items()) == pytest.approx(3)


def test_a_slope_over_one_level_is_refused():
    with pytest.raises(ValueError, match="two different levels"):
        trend_weights([16, 16])


def test_a_data_set_may_be_given_unless_all_arms_name_theirs():
    free = STUDY._replace(arms=(MAX, {**MAX, "dataset": "digits"}))
    assert make_base(free, {"dataset": "digits"}).dataset == "digits"
    with pytest.raises(ConfigError, match="--dataset cannot be set here"):
        make_base(free._replace(arms=free.arms[1:]), {"dataset": "digits"})


def test_a_comparison_without_arms_is_refused():
    checking.check_study(STUDY)
    with pytest.raises(ValueError, match="no arm has pool=l2"):
        checking.check_study(STUDY._replace(controls=({"pool": "l2"},)))
