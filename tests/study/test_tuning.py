"""Which setting an arm takes, by its validation images."""

import numpy as np
import pytest

from cnnjax.config.config import to_json
from cnnjax.config.knobs import ConfigError
from cnnjax.measures.packing import pack_values
from cnnjax.records.record import Record
from cnnjax.study import tuning
from cnnjax.study.arms import (
    LARGEST_SEED,
    keep_apart,
    list_seeds,
    make_base,
    make_lanes,
    make_tuning_lanes,
)
from cnnjax.study.claims import Tuning
from tests.by_hand import AVG, MAX, STUDY

TUNED = STUDY._replace(
    arms=(MAX, {**AVG, "learning_rate": 0.1}),
    tuning=Tuning({"learning_rate": (0.001, 0.01), "momentum": (0.5, 0.9)}, seeds=(7, 8)),
    base={"optimizer": "momentum"},
    claims=(),
)


def try_settings(own, right_of, loss_of=lambda lane: 0.5, failed=()):
    """Records of a study's tuning; `right_of` gives right answers by validation image."""
    base = make_base(own, {})
    records = {}
    for lane in make_tuning_lanes(own, base):
        correct = np.asarray(right_of(lane))
        scores = {
            "failed": lane in failed, "validation_loss": loss_of(lane),
            "validation_accuracy": float(correct.mean()),
            "by_image": {"validation_accuracy": pack_values(correct)},
        }  # fmt: skip
        records[lane] = Record("id", to_json(lane), scores, [], {}, {})
    return tuning.choose_settings(own, base, records)


def front(share):
    """100 validation images, that share of them right."""
    return np.arange(100) < round(100 * share)


def test_what_tuning_tries_is_measured_for_its_own_metric_alone():
    own = TUNED._replace(metric="shift_consistency")
    base = make_base(own, {})
    assert {lane.measure for lane in make_lanes(own, base, 1)} == {("robustness",)}
    assert {lane.measure for lane in make_tuning_lanes(own, base)} == {()}
    by_it = own._replace(tuning=own.tuning._replace(metric="shift_consistency"))
    assert {lane.measure for lane in make_tuning_lanes(by_it, base)} == {("robustness",)}


def test_tuning_takes_each_arms_best_setting_on_validation():
    chosen, _ = try_settings(TUNED, lambda lane: front(lane.momentum - 40 * lane.learning_rate))
    assert chosen.settings == {
        "pool=max": {"learning_rate": 0.001, "momentum": 0.9},
        "pool=avg learning_rate=0.1": {"momentum": 0.5},
    }
    lanes = make_lanes(chosen, make_base(TUNED, {}), 2)
    assert {(lane.pool, lane.learning_rate, lane.momentum) for lane in lanes} == {
        ("max", 0.001, 0.9), ("avg", 0.1, 0.5)
    }  # fmt: skip


RATES = STUDY._replace(
    arms=(MAX,), claims=(), tuning=Tuning({"learning_rate": (0.001, 0.01, 0.1)}, seeds=(7, 8))
)


RISING = {0.001: front(0.5), 0.01: front(0.6), 0.1: front(0.9)}


def choose_rate(right, losses=None, failed=()):
    losses = losses or {}
    chosen, notes = try_settings(
        RATES,
        lambda lane: right[lane.learning_rate],
        lambda lane: losses.get(lane.learning_rate, 0.5),
        failed,
    )
    return chosen.settings.get("pool=max", {}).get("learning_rate"), notes


def test_of_settings_within_one_standard_error_the_one_of_least_loss_is_taken():
    losses = {0.001: 0.1, 0.01: 0.3, 0.1: 0.4}
    best, far = front(0.94), front(0.86)  # 8 images behind: a deficit of 8 points, its error 2.7
    near = np.roll(front(0.93), 2)  # 2 images lost and 1 won: a deficit of 1 point, its error 1.7
    assert choose_rate({0.001: far, 0.01: near, 0.1: best}, losses)[0] == 0.01
    assert choose_rate({0.001: far, 0.01: far, 0.1: best}, losses)[0] == 0.1
    assert choose_rate({0.001: best, 0.01: near, 0.1: best}, losses)[0] == 0.001


def test_of_equal_settings_the_one_in_the_middle_is_taken():
    assert choose_rate(dict.fromkeys((0.001, 0.01, 0.1), front(0.9))) == (0.01, [])


def test_the_edge_of_the_grid_is_noted():
    rate, notes = choose_rate(RISING)
    assert rate == 0.1 and "learning_rate=0.1, at the edge of its grid" in notes[0]


def test_a_setting_in_which_a_seed_failed_is_out():
    base = make_base(RATES, {})
    lanes = make_tuning_lanes(RATES, base)
    best = [lane for lane in lanes if lane.learning_rate == 0.1]
    assert choose_rate(RISING, failed=best[:1])[0] == 0.01
    rate, notes = choose_rate(RISING, failed=lanes)
    assert rate is None and "a seed failed in every setting" in notes[0]


def test_a_flag_that_the_study_tunes_is_refused():
    with pytest.raises(ConfigError, match="--momentum cannot be set here: .* tunes it"):
        make_base(TUNED, {"momentum": 0.5})


@pytest.mark.parametrize(
    ("first", "count", "tuned_on"),
    [
        (0, 1000, (1000, 1001, 1002)),
        (0, 1001, (1001, 1002, 1003)),
        (0, 2000, (2000, 2001, 2002)),
        (1002, 10, (1012, 1013, 1014)),
        (1003, 10, (1000, 1001, 1002)),
    ],
)
def test_an_arm_is_never_judged_on_the_seeds_that_tuned_it(first, count, tuned_on):
    own = RATES._replace(tuning=Tuning({"learning_rate": (0.001, 0.01)}))
    seeds = list_seeds(own, count, first)
    apart = keep_apart(own, seeds)
    assert apart.tuning.seeds == tuned_on and not set(tuned_on) & set(seeds)
    assert apart._replace(tuning=own.tuning) == own


def test_at_the_last_seed_tuning_takes_those_before():
    own = RATES._replace(tuning=Tuning({"learning_rate": (0.001, 0.01)}, seeds=(LARGEST_SEED,)))
    seeds = list_seeds(own, 10, LARGEST_SEED - 9)
    assert keep_apart(own, seeds).tuning.seeds == (LARGEST_SEED - 10,)
    with pytest.raises(ConfigError, match="--first_seed=4294967287 and 10 seeds from there go bey"):
        list_seeds(own, 10, LARGEST_SEED - 8)


def test_by_another_metric_the_highest_is_taken():
    """Right answers of single images in the end say nothing of how soon they came."""
    own = RATES._replace(tuning=RATES.tuning._replace(metric="validation_area"))
    base, records = make_base(own, {}), {}
    for lane in make_tuning_lanes(own, base):
        sooner = {0.001: 0.1, 0.01: 0.12, 0.1: 0.11}[lane.learning_rate]
        scores = {"failed": False, "validation_loss": 1 / sooner, "validation_accuracy": 0.9,
                  "by_image": {"validation_accuracy": pack_values(front(0.9))}}  # fmt: skip
        curve = [{"step": 10, "validation_accuracy": sooner}]
        records[lane] = Record("id", to_json(lane), scores, curve, {}, {})
    chosen, _ = tuning.choose_settings(own, base, records)
    assert chosen.settings["pool=max"] == {"learning_rate": 0.01}
