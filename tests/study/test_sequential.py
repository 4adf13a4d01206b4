"""Seeds until headlines are decided: looks at their levels, and no more errors for them."""

import math

import numpy as np
import pytest

from cnnjax.config.config import with_seed
from cnnjax.config.errors import ConfigError
from cnnjax.study import across, decision, sequential, wanted
from cnnjax.study.arms import make_base, make_configs, make_lanes
from cnnjax.study.claims import Choosing, Claim, Comparison
from cnnjax.study.judge import count_seeds
from cnnjax.study.judge import judge as judge_study
from cnnjax.study.looks import LOOKS
from tests.by_hand import AVG, MAX, STUDY, fail, make_records

OFTEN = sequential.look_often(
    STUDY._replace(
        arms=(MAX, AVG, {"pool": "stride"}),
        claims=(
            Claim("far", "Far.", (Comparison(MAX, AVG, ">", "two points"),)),
            Claim("open", "Open.", (Comparison(MAX, {"pool": "stride"}, ">", "little"),)),
        ),
    ),
    20,
)
BASE = make_base(OFTEN, {})
# Max leads stride by less than ever shows, and not by less than the margin.
EFFECTS = {"max": 0.02, "avg": 0.0, "stride": 0.0165}


def take(records, counts):
    """The first records of each arm, so many as are asked for."""
    return [record for record in records if record.seed < counts[record.config["pool"]]]


def decide(differences, margin, relation=">", images=None):
    """The row at which a headline stops, of differences by seed, and at which look."""
    row, place = {}, 0
    for place, look in enumerate(LOOKS):  # noqa: B007
        own = differences[: look.seeds]
        question = decision.Question(
            own, np.zeros(len(own)), relation, margin, role="headline",
            images=None if images is None else images[: look.seeds],
        )  # fmt: skip
        (row,) = decision.judge([question], "bonferroni", look.level)
        if sequential.is_over([row]):
            break
    return row, place


def test_levels_of_all_looks_sum_to_five_percent():
    assert sum(look.level for look in LOOKS) == pytest.approx(0.05)
    assert [look.seeds for look in OFTEN.looks] == [5, 10, 20]


def test_what_looks_are_not_for_is_refused():
    with pytest.raises(ConfigError, match="5, 10, 20 and 40 seeds, and 7 is none"):
        sequential.look_often(STUDY, 7)
    with pytest.raises(ConfigError, match="none of this study's comparisons is one: give --seeds"):
        sequential.look_often(
            STUDY._replace(claims=tuple(own._replace(parts=0) for own in STUDY.claims)), 20
        )
    with pytest.raises(ConfigError, match="give one of the two"):
        sequential.look_often(STUDY._replace(choosing=Choosing(MAX)), 20)


def test_a_claim_asks_for_more_seeds_until_it_is_decided():
    own = STUDY._replace(arms=OFTEN.arms, claims=OFTEN.claims)
    records = make_records(20, EFFECTS, spread=0.004, own=own)
    first = {"max": 5, "avg": 5, "stride": 5}
    assert count_seeds(OFTEN, BASE, take(records, first)) == {
        "pool=max": 10, "pool=avg": 5, "pool=stride": 10,
    }  # fmt: skip
    verdicts = judge_study(OFTEN, BASE, take(records, first)).verdicts
    assert [row["verdict"] for row in verdicts] == ["supported", "inconclusive"]
    assert [row["confidence"] for row in verdicts] == [0.995, 0.995]
    second = judge_study(OFTEN, BASE, take(records, {"max": 10, "avg": 5, "stride": 10})).verdicts
    assert [row["num_seeds"] for row in second] == [5, 10]
    assert second[0] == verdicts[0]  # what was decided stays so
    assert second[1]["looks"] == [{"seeds": 5, "level": 0.005}, {"seeds": 10, "level": 0.01}]


def test_what_is_wanted_follows_from_the_records_alone():
    own = STUDY._replace(arms=OFTEN.arms, claims=OFTEN.claims)
    records = make_records(20, EFFECTS, spread=0.004, own=own)
    ask, stock, steps = wanted.of_study(OFTEN, BASE, 20), [], []
    while lanes := ask(stock):
        steps.append(len(lanes))
        stock += [r for r in records if any(r.config["pool"] == lane.pool and r.seed == lane.seed
                                            for lane in lanes)]  # fmt: skip
    assert steps[:2] == [15, 10] and ask(stock[::-1]) == []
    counts = count_seeds(OFTEN, BASE, stock)
    lanes = wanted.list_lanes(OFTEN, BASE, 20, 0, stock)
    assert len(lanes) == sum(counts.values()) == len(stock)
    arms = make_configs(OFTEN, BASE)
    assert lanes == [with_seed(arms[name], s) for name in arms for s in range(counts[name])]


def test_failed_runs_are_looked_at_as_ever():
    own = STUDY._replace(arms=OFTEN.arms, claims=OFTEN.claims)
    records = [fail(r) if r.config["pool"] == "avg" else r
               for r in make_records(20, EFFECTS, spread=0.004, own=own)]  # fmt: skip
    assert count_seeds(OFTEN, BASE, records)["pool=avg"] == 20


def test_without_looks_every_arm_has_its_seeds():
    base = make_base(STUDY, {})
    assert wanted.list_lanes(STUDY, base, 3, 5, []) == make_lanes(STUDY, base, 3, 5)


@pytest.mark.parametrize(("margin", "wrong"), [(1e-9, 0.05), (1.0, 0.05)])
def test_looking_often_finds_no_more_where_nothing_is(margin, wrong):
    rng, repetitions = np.random.default_rng(1), 500
    rows = [decide(rng.normal(size=40), margin)[0] for _ in range(repetitions)]
    found = np.mean([row["verdict"] in ("supported", "refuted") for row in rows])
    assert found <= wrong + 3 * math.sqrt(wrong * (1 - wrong) / repetitions)
    at_margin = [decide(rng.normal(margin, 1, 40), margin)[0] for _ in range(repetitions)]
    equal = np.mean([row["verdict"] == "equivalent" for row in at_margin])
    assert equal <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / repetitions)


def test_large_effects_need_few_seeds():
    rng = np.random.default_rng(2)
    stops = [LOOKS[decide(rng.normal(4, 1, 40), 0.1)[1]].seeds for _ in range(200)]
    assert np.mean(stops) == pytest.approx(5.3, abs=0.5)


def test_what_images_leave_open_is_given_up():
    """30 images on which the arms differ by far, and seeds that all agree."""
    rng = np.random.default_rng(3)
    images = rng.normal(0, 1, 30) + 0.01 * rng.normal(size=(40, 30))
    row, place = decide(images.mean(axis=1), 0.01, images=images)
    assert row["verdict"] == "inconclusive" and place == 0 and sequential.is_bound(row)
    narrow = rng.normal(0, 0.001, 30) + rng.normal(0, 1, (40, 1)) + np.zeros((40, 30))
    assert not sequential.is_bound(decide(narrow.mean(axis=1), 0.01, images=narrow)[0])


@pytest.mark.parametrize(("relation", "effect"), [(">", 0.0), (">", 1.0), ("=", 0.5)])
def test_over_data_sets_few_studies_depend_or_find_one(relation, effect):
    """Each of three sets stops by itself; where effects are equal none depends on the set."""
    rng, repetitions, found = np.random.default_rng(4), 200, []
    for _ in range(repetitions):
        rows = [decide(rng.normal(effect, 1, 40), 0.5, relation)[0] for _ in range(3)]
        found.append(
            across.combine([{**row, "dataset": f"set{place}"} for place, row in enumerate(rows)])
        )
    error = 3 * math.sqrt(0.05 * 0.95 / repetitions)
    assert np.mean([own.verdict == "depends" for own in found]) <= 0.05 + error
    if effect == 0:
        assert np.mean([bool(own.holds) for own in found]) <= 0.05 + error
