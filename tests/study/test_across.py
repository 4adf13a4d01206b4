"""One comparison on several data sets: when it holds, when it depends, and how seldom by chance."""

import math

import numpy as np
import pytest

from cnnjax.study import across, decision

MARGIN = 1.0


def judge(contrasts, relation=">", margin=MARGIN, images=None, **given):
    """A row a data set, of differences [seeds] each, or of contrasts by image [seeds, images]."""
    rows = []
    for place, d in enumerate(contrasts):
        own = d.mean(axis=1) if images else d
        question = decision.Question(
            own, np.zeros(len(own)), relation, margin, role="headline",
            images=d if images else None, **given,
        )  # fmt: skip
        (row,) = decision.judge([question], "bonferroni")
        rows.append({**row, "dataset": f"set{place}"})
    return rows


def around(means, num_seeds=8, spread=0.5, seed=0):
    """Differences of exactly these means and standard deviation."""
    d = np.random.default_rng(seed).normal(size=(len(means), num_seeds))
    d = (d - d.mean(axis=1, keepdims=True)) / d.std(axis=1, ddof=1, keepdims=True)
    return spread * d + np.array(means, float)[:, None]


@pytest.mark.parametrize(
    ("relation", "means", "verdict", "holds"),
    [
        (">", [2, 3, 4], "supported", (0, 1, 2)),
        (">", [-2, -3, -4], "refuted", ()),
        (">", [0, 0.1, -0.1], "equivalent", ()),
        (">", [3, 3, -3], "depends", (0, 1)),
        (">", [3, 3, 0], "depends", (0, 1)),  # and by less than matters on the third
        ("<", [-2, -3, -4], "supported", (0, 1, 2)),
        ("<", [-3, 3, -3], "depends", (0, 2)),
        ("=", [0, 0.1, -0.1], "supported", (0, 1, 2)),
        ("=", [3, -3, 3], "refuted", ()),
        ("=", [0, 0, 3], "depends", (0, 1)),
        ("!=", [3, -3, 3], "supported", (0, 1, 2)),
        ("!=", [0, 0.1, -0.1], "refuted", ()),
        ("!=", [3, 0, 3], "depends", (0, 2)),
    ],
)
def test_the_first_that_holds_of_all_counts(relation, means, verdict, holds):
    rows = judge(around(means, spread=0.3), relation)
    found = across.combine(rows)
    assert found.verdict == verdict
    assert found.holds == tuple(f"set{place}" for place in holds)


def test_what_one_set_leaves_open_is_open():
    found = across.combine(judge(around([3, 3, 0.8], spread=1.2)))
    assert (found.verdict, found.holds) == ("inconclusive", ("set0", "set1"))


def test_by_more_than_a_threshold_there_is_no_margin():
    means = [5, 5, 1]
    found = across.combine(judge(around(means), threshold=2.0))
    assert (found.verdict, found.holds) == ("depends", ("set0", "set1"))
    assert across.combine(judge(around([5, 5, 6]), threshold=2.0)).verdict == "supported"


def test_it_is_said_on_how_many_sets_a_claim_holds():
    found = across.combine(judge(around([3, 3, 0])))
    assert across.describe(found, 3) == "holds on 2 of 3: set0, set1"
    assert across.describe(across.combine(judge(around([3, 3, 3]))), 3) == "holds on 3 of 3"
    assert across.describe(across.combine(judge(around([-3, -3, -3]))), 3) == "holds on 0 of 3"


def test_a_set_without_a_verdict_leaves_the_whole_open():
    rows = judge(around([3, 3, 3]))
    failed = judge([np.array([3.0, np.nan, np.nan, np.nan])])[0] | {"dataset": "bad"}
    found = across.combine([*rows, failed])
    assert found.verdict == "inconclusive" and math.isnan(found.p_differ)
    assert found.holds == ("set0", "set1", "set2")


def test_rows_of_several_comparisons_are_refused():
    with pytest.raises(ValueError, match="rows of one comparison"):
        across.combine([*judge(around([1])), *judge(around([1]), margin=2.0)])


def draw(rng, effects, num_seeds, num_images):
    """Contrasts by image: seeds and images vary, and what both do together."""
    return [
        effect
        + rng.normal(0, 1, (num_seeds, 1))
        + rng.normal(0, 15, (1, num_images))
        + rng.normal(0, 15, (num_seeds, num_images))
        for effect in effects
    ]


@pytest.mark.parametrize("num_seeds", [5, 8])
@pytest.mark.parametrize(("relation", "effect"), [(">", 0.0), (">", 2.0), ("=", 1.0)])
def test_where_effects_are_equal_few_studies_depend_or_find_one(relation, effect, num_seeds):
    """On three sets, images varying: "=" at its margin, and a lead where there is one."""
    rng, repetitions = np.random.default_rng(num_seeds), 400
    found = [
        across.combine(
            judge(draw(rng, [effect] * 3, num_seeds, 150), relation, margin=1.0, images=True)
        )
        for _ in range(repetitions)
    ]
    error = 3 * math.sqrt(0.05 * 0.95 / repetitions)
    assert np.mean([own.verdict == "depends" for own in found]) <= 0.05 + error
    if effect == 0:
        wrong = [own.verdict in ("supported", "refuted") for own in found]
        assert np.mean(wrong) <= 0.05 + error
        assert np.mean([bool(own.holds) for own in found]) <= 0.05 + error


def test_effects_that_differ_are_found_to():
    rng, repetitions = np.random.default_rng(1), 100
    found = [
        across.combine(judge(draw(rng, [8.0, 8.0, -8.0], 8, 150), images=True)).verdict
        for _ in range(repetitions)
    ]
    assert found.count("depends") >= 0.82 * repetitions
