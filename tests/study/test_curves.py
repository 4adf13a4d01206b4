"""Metrics of how a run went: its learning curve, its loss before training, its rate."""

import math

import pytest

from cnnjax.config.config import Config, to_json
from cnnjax.records.record import Record
from cnnjax.study import metrics
from cnnjax.study.claims import Slope, cross, name_side
from tests.by_hand import STUDY, compare, fail, make_records


def make(curve=(), scores=None, classes=(), **config):
    lines = [{"step": step, "validation_accuracy": own} for step, own in curve]
    own = {"failed": False, **(scores or {})}
    return Record("id", to_json(Config(**config)), own, lines, {}, {"class_names": [*classes]})


def test_the_area_is_the_mean_over_steps_and_sooner_is_more():
    read = metrics.find("validation_area").read
    assert read(make([(10, 0.2), (20, 0.6), (40, 1.0)])) == pytest.approx((2 + 6 + 20) / 40)
    assert read(make([(10, 0.9), (20, 0.9)])) > read(make([(10, 0.1), (20, 0.9)]))
    assert math.isnan(read(fail(make([(10, 0.1)]))))


def test_a_run_that_stops_before_took_no_more_steps_to_a_target_that_it_never_reached():
    own = metrics.find("steps_to_80")
    for config, steps in (({}, 400), ({"stop_at": 100}, 100)):
        run = make([(100, 0.5)], **config)
        assert own.read(run) == steps
        older = {name: value for name, value in run.config.items() if name != "stop_at"}
        assert own.read(run._replace(config=older)) == 400


def test_the_first_loss_is_seen_against_a_guess_among_as_many_classes():
    read = metrics.find("initial_loss_ratio").read
    for count in (2, 12):
        scores = {"initial_loss": 2 * math.log(count)}
        run = make(scores=scores, classes=map(str, range(count)))
        assert read(run) == pytest.approx(2)
        assert read(run._replace(scores={**scores, "failed": True})) == pytest.approx(2)


def test_a_rate_is_beyond_the_limit_by_the_curvature_that_a_failed_run_still_has():
    read = metrics.find("beyond_limit").read
    assert metrics.find("beyond_limit").measure == "largest_eigenvalue"
    for rate, beyond in ((0.09, 0), (0.11, 1)):
        run = make(scores={"largest_eigenvalue": 20.0}, learning_rate=rate)
        assert read(run) == beyond
        assert read(run._replace(scores={**run.scores, "failed": True})) == beyond


def test_a_slope_may_be_over_some_levels():
    arms = cross({"batch_size": (16, 32, 64, 128)})
    own = STUDY._replace(arms=arms)
    records = make_records(effects={"max": 0.0}, own=own)
    for record in records:  # falls up to 64, then jumps
        size = record.config["batch_size"]
        record.scores["test_accuracy"] -= 0.01 * math.log2(size) if size < 128 else -0.05
    slope = Slope({}, "batch_size", (16, 32, 64))
    row = compare(slope, 0.0, "<", records=records, arms=arms)
    assert row["verdict"] == "supported" and row["difference"] == pytest.approx(-0.01, abs=0.002)
    assert compare(Slope({}, "batch_size"), 0.0, ">", records=records, arms=arms)["difference"] > 0
    assert name_side(slope) == "per doubling of batch_size from 16 to 64"


def test_an_interval_of_a_slope_of_failures_has_width_though_all_seeds_agree():
    arms = cross({"batch_size": (16, 32, 64)})
    records = make_records(effects={"max": 0.0}, own=STUDY._replace(arms=arms))
    failed = [fail(own) if own.config["batch_size"] == 64 else own for own in records]
    row = compare(Slope({}, "batch_size"), 0.0, ">", "failed", records=failed, arms=arms)
    low, high = row["interval"]
    assert row["difference"] == pytest.approx(0.5) and row["verdict"] == "supported"
    # Weights -1/2, 0, 1/2 a doubling; over 20 seeds a spread of sqrt(1/2) / sqrt(2) / sqrt(6).
    assert (low, high) == pytest.approx((0.5 - 0.0955, 0.5 + 0.0955), abs=2e-4)
