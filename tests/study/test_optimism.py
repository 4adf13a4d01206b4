"""What a search says of its choice beyond what fresh seeds do."""

import numpy as np
import pytest

from cnnjax.study import optimism, statistics
from cnnjax.study.trials import Searched, Tried
from tests.by_hand import fail, judge, make_records
from tests.searches import make_search

FRESH = (0.90, 0.92, 0.91, 0.93)


def validate(scores, arm="pool=max padding=SAME"):
    """Arms made by hand, one of which has these validation accuracies; NaN where a run failed."""
    records = make_records(len(scores))
    for place, record in enumerate(records):
        score = scores[record.seed]
        if f"pool={record.config['pool']} padding={record.config['padding']}" == arm:
            record.scores["validation_accuracy"] = score
            records[place] = fail(record) if score != score else record
    return judge(records).arms


def chose(setting, score, arm="pool=max padding=SAME", **given):
    trial = Tried(0, 0, setting, (0.5,), score, 1.0, 300, 3, whole=True)
    return Searched(
        arm, "random", {"learning_rate": None}, (trial,), 0, None, "validation_accuracy", **given
    )


def test_it_is_the_search_less_the_mean_of_fresh_seeds():
    own = optimism.find_optimism(chose({"learning_rate": 0.003}, 0.95), validate(FRESH))
    low, high = statistics.mean_interval(FRESH)
    assert own[:-1] == pytest.approx((0.95, 0.915, 4, 0, 0.035))
    assert own.interval == pytest.approx((0.95 - high, 0.95 - low))


def test_failed_seeds_are_counted_apart_and_few_have_no_interval():
    own = optimism.find_optimism(chose({}, 0.95), validate((0.9, np.nan, 0.92, np.nan)))
    assert (own.num_seeds, own.num_failed) == (2, 2) and own.fresh == pytest.approx(0.91)
    assert np.isnan(own.interval).all()


def test_only_runs_of_the_chosen_setting_count():
    assert optimism.find_optimism(chose({"learning_rate": 0.1}, 0.95), validate(FRESH)) is None
    assert optimism.find_optimism(chose({}, 0.95, arm="pool=avg"), validate(FRESH)) is None
    arms = validate(FRESH)
    found = optimism.find_fresh(chose({"learning_rate": 0.003}, 0.95, arm="pool=max"), arms)
    assert found is not None and found.name.startswith("pool=max")


def test_the_best_of_many_is_optimistic_and_fresh_seeds_say_by_how_much():
    """Of 48 settings that are all alike the winner is the luckiest: by about 2.2 deviations."""
    found = []
    for seed in range(40):
        alike = make_search("random", 48, seed=seed, space={}, noise=0.01)  # around 0.95
        won = max(trial.score for trial in alike.trials)
        fresh = 0.95 + 0.01 * np.random.default_rng(1000 + seed).normal(size=8)
        found.append(optimism.find_optimism(chose({}, won), validate(tuple(fresh))))
    mean = np.mean([own.difference for own in found])
    assert mean == pytest.approx(0.022, abs=0.004)
