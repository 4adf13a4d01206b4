"""Methods in sentences, each from the study's own data."""

import numpy as np
import pytest

from cnnjax.measures.packing import pack_values
from cnnjax.report import chosen, methods, page, reach
from cnnjax.study.claims import Claim, Comparison, Tuning
from cnnjax.study.looks import LOOKS
from cnnjax.study.spread import spread
from tests.by_hand import AVG, MAX, STUDY, fail, judge, make_records

TUNED = STUDY._replace(
    tuning=Tuning({"learning_rate": (0.001, 0.01)}),
    settings={"pool=max padding=SAME": {"learning_rate": 0.01}},
)


def tell(own=STUDY, records=None, **given):
    found = judge(make_records(own=own) if records is None else records, own)
    return methods.describe(found._replace(**given))


def test_a_study_in_sentences():
    said = tell()
    assert [*said] == ["Data", "Training", "Comparison", "Decision", "Software and hardware"]
    for heading, words in (
        ("Data", "digits (scikit-learn, load_digits): 300 training images, 1,000 test images"),
        ("Data", "50% of a pool of 600 images. Draws keep the shares of the classes."),
        ("Training", "4 arms, which differ in pool and padding, was trained with 20 seeds"),
        ("Training", "the initial weights, the order of the batches and the training images"),
        ("Training", "400 steps of 32 images by adam at a learning rate of 0.003"),
        ("Comparison", "The interval is Student's t over seeds."),
        ("Comparison", "none of 80 runs did"),
        ("Decision", "0.5 points in test accuracy: the margin that the metric has"),
        ("Decision", "headline is held against 5%"),
        ("Software and hardware", "jax 0.10.2; 2026-01-01 to 2026-01-02"),
    ):
        assert words in said[heading], (heading, said[heading])


def test_a_margin_of_the_study_is_called_its_own():
    claim = Claim("own", "Alike.", (Comparison(MAX, AVG, "=", "none", margin=0.02),))
    said = tell(STUDY._replace(claims=(claim,)))["Decision"]
    assert "2 points in test accuracy: the study's own margin" in said
    assert "every study" not in said and "predicted" not in said


def test_a_number_to_be_passed_has_no_margin():
    claim = Claim("border", "Far ahead.", (Comparison(MAX, AVG, ">", "none", threshold=0.01),))
    said = tell(STUDY._replace(claims=(claim,)))["Decision"]
    assert methods.BEYOND in said and "Taken not to matter" not in said


@pytest.mark.parametrize(
    ("adjustment", "words"),
    [("bonferroni", "The 2 comparisons beside it share 5% (Bonferroni)"),
     ("benjamini-hochberg", "The 2 comparisons beside it share a rate of false findings of 5%")],
)  # fmt: skip
def test_how_comparisons_share_their_level(adjustment, words):
    pairs = (*STUDY.claims[0].comparisons, Comparison(AVG, MAX, "!=", "none"))
    claims = (STUDY.claims[0]._replace(comparisons=pairs),)
    assert words in tell(STUDY._replace(claims=claims, adjustment=adjustment))["Decision"]


def test_tuning_says_its_budget_seeds_and_split():
    said = methods.describe(judge(make_records(), STUDY)._replace(study=TUNED))["Training"]
    for words in (
        "the same 2 settings of learning_rate (0.001, 0.01), at equal budget",
        "3 seeds (1000, 1001 and 1002)", "by the validation images alone",
    ):  # fmt: skip
        assert words in said, said
    assert "within one standard error of the best, paired by image, the one of least" in said
    area = TUNED._replace(tuning=TUNED.tuning._replace(metric="validation_area"))
    said = methods.describe(judge(make_records(), STUDY)._replace(study=area))["Training"]
    assert "alone: that of the highest mean validation accuracy, mean over training." in said
    assert "standard error" not in said
    kept = TUNED._replace(tuning=TUNED.tuning._replace(seeds=()))
    said = methods.describe(judge(make_records(), STUDY)._replace(study=kept))["Training"]
    assert "what was chosen is kept, and was given" in said


def test_arms_that_fix_what_others_tune_have_no_equal_budget():
    uneven = TUNED._replace(tuning=Tuning({"padding": ("SAME", "VALID"), "learning_rate": (1e-3,)}))
    uneven = uneven._replace(arms=(MAX, {**AVG, "padding": "SAME"}))
    said = chosen.describe_tuning(uneven)[0]
    assert "1 to 2 settings" in said and "equal budget" not in said


def test_failed_runs_and_fixed_seeds_are_told():
    records = make_records()
    records[0] = fail(records[0])
    assert "1 of 80 runs did" in tell(records=records)["Comparison"]
    fixed = STUDY._replace(base={**STUDY.base, "seed_init": 7})
    assert "draw the initial weights by a seed of that part alone" in tell(fixed)["Training"]


def test_looks_and_data_sets_are_told():
    several = spread(STUDY, ["digits", "dot"])
    found = judge(make_records(own=several), several)
    said = methods.describe(found)["Decision"]
    assert "The 2 data sets are a fixed list" in said and "Welch's F" in said
    looking = STUDY._replace(looks=LOOKS[:2])
    said = tell(looking, make_records(num_seeds=10, own=looking))["Decision"]
    assert "5 and 10 seeds at two-sided levels of 0.5 and 1%" in said


def test_images_and_their_clusters_are_told():
    rng = np.random.default_rng(0)
    clusters = np.arange(1000) // 25  # 40 of equal size
    records = make_records()
    for record in records:
        right = (rng.random(1000) < record.scores["test_accuracy"]).astype(np.float32)
        record.scores["test_accuracy"] = float(right.mean())
        record.scores["by_image"] = {
            "test_accuracy": pack_values(right), "cluster": pack_values(clusters)
        }  # fmt: skip
    said = tell(records=records)
    assert "come in 40 clusters, which stand in place of single images" in said["Data"]
    assert "two-way layout in which seeds and test images" in said["Comparison"]
    assert "over seeds." not in said["Comparison"]


@pytest.mark.parametrize(
    ("num_seeds", "spread", "words"),
    [
        (20, 0.003, "lower, at +0.36 points, and its interval as wide, it would be equivalent"),
        (5, 0.02, "About 23 seeds would decide it (supported)"),
        (2, 0.003, "Nothing could be found: 3 seeds are needed"),
    ],
)
def test_what_would_change_a_verdict(num_seeds, spread, words):
    (row,) = reach.list_reach(judge(make_records(num_seeds=num_seeds, spread=spread)))
    assert words in f"{row['power']} {row['change']}"


def test_the_page_has_both(tmp_path):
    html = page.write_report(judge(make_records()), tmp_path, "command").read_text()
    for words in ("<h2>Methods</h2>", "Power reached", "20 paired seeds tell a difference of"):
        assert words in html
