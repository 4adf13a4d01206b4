"""What to train next follows from what is recorded, whoever recorded it and in what order."""

import numpy as np

from cnnjax.config.config import to_json
from cnnjax.measures.packing import pack_values
from cnnjax.records.record import Record
from cnnjax.study import wanted
from cnnjax.study.arms import make_base, make_lanes, make_tuning_lanes
from cnnjax.study.claims import Tuning
from tests.by_hand import AVG, MAX, STUDY

TUNED = STUDY._replace(
    arms=(MAX, AVG), claims=(), tuning=Tuning({"learning_rate": (0.001, 0.01, 0.1)}, seeds=(7, 8))
)
BASE = make_base(TUNED, {})


def make_record(lane):
    """A run whose learning rate is all that its validation images tell; max likes it high."""
    share = lane.learning_rate if lane.pool == "max" else 0.2 - lane.learning_rate
    right = np.arange(100) < round(100 * (0.5 + share))
    scores = {
        "failed": False, "validation_loss": 0.5, "validation_accuracy": float(right.mean()),
        "by_image": {"validation_accuracy": pack_values(right)},
    }  # fmt: skip
    return Record("id", to_json(lane), scores, [], {}, {"date": "2026-01-01", "origin": {}})


def test_fixed_lanes_are_wanted_until_they_are_recorded():
    lanes = make_lanes(STUDY, make_base(STUDY, {}), 3)
    ask = wanted.fixed(lanes)
    assert ask([]) == lanes
    assert ask([make_record(lane) for lane in lanes[2:]]) == lanes[:2]
    assert ask([make_record(lane) for lane in reversed(lanes)]) == []


def test_a_tuned_study_wants_its_trials_and_then_the_seeds_of_the_settings_that_won():
    ask = wanted.of_study(TUNED, BASE, 3)
    trials = make_tuning_lanes(TUNED, BASE)
    assert ask([]) == trials and len(trials) == 2 * 3 * 2
    records = [make_record(lane) for lane in trials]
    assert ask(records[:-1]) == trials[-1:]
    seeds = ask(records)
    assert [(lane.pool, lane.learning_rate, lane.seed) for lane in seeds] == [
        (pool, rate, seed) for pool, rate in (("max", 0.1), ("avg", 0.001)) for seed in range(3)
    ]
    records += [make_record(lane) for lane in seeds]
    assert ask(records) == ask(records[::-1]) == []


def test_without_tuning_a_study_wants_each_arms_seeds():
    base = make_base(STUDY, {})
    assert wanted.of_study(STUDY, base, 2)([]) == make_lanes(STUDY, base, 2)
