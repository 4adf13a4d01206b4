"""The words of a report: each comparison in the sentence that was judged."""

import math

import pytest

from cnnjax.report import text
from cnnjax.study import metrics

ROW = {
    "metric": "test_accuracy", "a": "pool=max", "b": "pool=avg", "relation": ">", "about": "",
    "difference": -0.0027, "interval": [-0.0044, -0.0009], "confidence": 0.95, "margin": 0.005,
    "threshold": None, "finding": "behind", "verdict": "refuted", "num_seeds": 20,
    "image_error": None, "warnings": [],
}  # fmt: skip


def say(**fields):
    return text.describe_verdict({**ROW, **fields})


@pytest.mark.parametrize(
    ("fields", "claim"),
    [
        ({}, "pool=max is ahead of pool=avg"),
        ({"relation": "<"}, "pool=max is behind pool=avg"),
        ({"threshold": 0.02}, "pool=max is more than 2 points ahead of pool=avg"),
        ({"relation": "<", "threshold": -0.02}, "pool=max is more than 2 points behind pool=avg"),
        ({"relation": "="}, "pool=max and pool=avg are within 0.5 points of each other"),
        ({"relation": "!="}, "pool=max and pool=avg differ"),
        ({"b": "0.95", "threshold": 0.95}, "pool=max is above 95.00%"),
        ({"metric": "steps_to_90", "relation": "<"}, "pool=max is below pool=avg in steps to 90%"),
        ({"a": "lead of x=1 over x=2", "b": "lead of x=3 over x=4"},
         "the lead of x=1 over x=2 is above the lead of x=3 over x=4"),
        ({"about": "main effect of pool", "relation": "!="},
         "main effect of pool: pool=max and pool=avg differ"),
        ({"metric": "initial_loss", "a": "all arms", "b": "4.605", "threshold": 4.605},
         "all arms is above 4.605 nats in loss before training"),
    ],
)  # fmt: skip
def test_the_claim_in_words(fields, claim):
    assert text.describe_claim({**ROW, **fields}) == claim


def test_a_difference_of_percentages_is_in_points_and_never_in_per_cent():
    said = say(threshold=0.02)
    assert said == (
        "pool=max is more than 2 points ahead of pool=avg: refuted, it is 0.27 points behind,"
        " 95% interval [−0.44, −0.09], over 20 paired seeds."
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"finding": "equivalent", "verdict": "equivalent"}, "less than 0.5 points"),
        ({"finding": "open", "verdict": "inconclusive", "interval": [-0.01, 0.004]}, "chance"),
        ({"relation": "=", "verdict": "inconclusive"}, "whether one of 0.5 points is open"),
        ({"interval": [-0.02, -0.01]}, "more than 0.5 points"),
        ({"confidence": 1 - 0.05 / 7}, "99.3% interval"),
        ({"image_error": 0.001}, "20 paired seeds and test images"),
        ({"difference": 0.0, "interval": [-0.001, 0.001]}, "there is no difference"),
        ({"difference": math.nan, "interval": [math.nan] * 2, "verdict": "inconclusive",
          "warnings": ["inconclusive: 20 of 20 failed"]}, "20 of 20 failed"),
        ({"num_seeds": 1, "interval": [None, None], "verdict": "inconclusive",
          "warnings": ["inconclusive: 3 seeds are needed"]},
         "3 seeds are needed, over 1 paired seed."),
    ],
)  # fmt: skip
def test_what_was_found_in_words(fields, words):
    assert words in say(**fields)


def test_a_score_is_shown_beside_what_it_has_to_pass():
    row = {**ROW, "metric": "initial_loss", "a": "all arms", "b": "4.605", "threshold": 4.605,
           "difference": 2.59, "interval": [2.5, 2.7]}  # fmt: skip
    assert text.describe_effect(row) == "2.590 nats [2.500, 2.700]; more than 4.605 nats is claimed"
    lead = text.describe_effect({**ROW, "threshold": 0.02})
    assert lead == "−0.27 points [−0.44, −0.09]; more than +2.00 points is claimed"


@pytest.mark.parametrize("metric", [*metrics.list_names(), "test_recall_3"])
@pytest.mark.parametrize("relation", [">", "<", "=", "!="])
def test_every_metric_and_relation_has_its_sentence(metric, relation):
    said = say(metric=metric, relation=relation)
    assert said.startswith("pool=max") and "None" not in said and "nan" not in said
    label = metrics.find(metric).label
    assert metric == "test_accuracy" or label in said


def test_one_score_against_a_number_is_no_difference():
    row = {**ROW, "b": "0.95", "threshold": 0.95, "difference": 0.96, "interval": [0.94, 0.98]}
    assert text.describe_difference(row) == "96.00%"
    assert text.describe_bounds(row) == "[94.00, 98.00]"
    assert text.describe_difference(ROW) == "−0.27 points"
    assert text.describe_bounds(ROW) == "[−0.44, −0.09]"
    lead = {**row, "a": "lead of x=1 over x=2", "b": "0", "threshold": 0.0, "difference": 0.01}
    assert text.describe_difference(lead) == "+1.00 points"


@pytest.mark.parametrize("none", [None, math.nan])
def test_what_is_not_known_is_a_dash_without_a_unit(none):
    row = {**ROW, "difference": none, "interval": [none, none]}
    assert text.describe_difference(row) == text.describe_bounds(row) == "–"
    assert text.measure(none, "test_accuracy") == "–"
    assert text.interval([none, none], "test_loss") == "–"
