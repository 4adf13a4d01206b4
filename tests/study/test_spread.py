"""A study on several data sets: each arm on each, a verdict on each, and one over all."""

import pytest

from cnnjax.config.knobs import ConfigError
from cnnjax.report import figures, listings, page, scoreboard, terminal
from cnnjax.report.console import open_console
from cnnjax.study import judge as judge_lib
from cnnjax.study.arms import make_base, make_configs, make_lanes
from cnnjax.study.claims import Claim, Comparison, Published, name_arms
from cnnjax.study.grids import make_study
from cnnjax.study.judge import describe_across, find_across, verdict_of
from cnnjax.study.spread import is_spread, spread
from tests.by_hand import AVG, GRID, MAX, SAME, STUDY, VALID, make_records

SETS = ("digits", "shapes")
SPREAD = spread(STUDY, SETS)


def judge(effects, study=SPREAD, seeds=8):
    """The study by records made by hand, with an effect of max pooling on each data set."""
    base, records = make_base(study, {}), []
    for name, effect in zip(study.datasets, effects, strict=True):
        own = STUDY._replace(base={**STUDY.base, "dataset": name})
        made = make_records(seeds, effects={"max": effect, "avg": 0.0}, own=own)
        records += [
            record._replace(
                id=f"{name} {record.id}", config={**record.config, "dataset": name},
                provenance={**record.provenance, "origin": {**record.provenance["origin"],
                                                            "data": name}},
            )
            for record in made
        ]  # fmt: skip
    return judge_lib.judge(study, base, records)


def test_every_arm_is_on_every_data_set():
    assert len(SPREAD.arms) == 2 * len(STUDY.arms) and is_spread(SPREAD)
    assert [arm["dataset"] for arm in SPREAD.arms] == ["digits"] * 4 + ["shapes"] * 4
    assert list(name_arms(SPREAD))[4] == "pool=max padding=SAME dataset=shapes"
    base = make_base(SPREAD, {})
    assert {config.dataset for config in make_configs(SPREAD, base).values()} == set(SETS)
    assert len(make_lanes(SPREAD, base, 3)) == 3 * 8
    assert spread(SPREAD) == SPREAD and spread(STUDY) == STUDY
    assert spread(STUDY._replace(datasets=SETS)) == SPREAD
    assert spread(STUDY._replace(datasets=("dot",)), SETS) == SPREAD


@pytest.mark.parametrize(
    ("study", "names", "said"),
    [
        (STUDY, ["digits", "digits"], "the data set digits is named 2 times"),
        (STUDY, ["digitz"], "did you mean digits"),
        (STUDY._replace(arms=({"dataset": "dot"},)), SETS, "leave --datasets out"),
        (STUDY._replace(base={"dataset": "dot"}), SETS, "leave --datasets out"),
        (make_study(GRID, choose=True), SETS, "--choose=validation is for one data set"),
        (STUDY._replace(published=(Published({**MAX, **SAME}, 0.9, "x"),)), SETS, "published"),
    ],
)
def test_what_cannot_be_spread_is_refused(study, names, said):
    with pytest.raises(ConfigError, match=said):
        spread(study, names)
    with pytest.raises(ConfigError, match="--dataset cannot be set here"):
        make_base(SPREAD, {"dataset": "dot"})


def test_each_data_set_has_its_own_family_and_verdict():
    rows = judge([0.02, 0.02]).verdicts
    assert [row["dataset"] for row in rows] == ["digits", "digits", "shapes", "shapes"]
    assert [row["role"] for row in rows] == ["headline", "secondary"] * 2
    assert [row["verdict"] for row in rows] == ["supported"] * 4
    assert all(row["p_adjusted"] == row["p"] for row in rows)  # one secondary on each


@pytest.mark.parametrize(
    ("effects", "verdict", "over"),
    [
        ([0.02, 0.02], "supported", "holds on 2 of 2"),
        ([0.02, -0.02], "depends", "holds on 1 of 2: digits"),
        ([-0.02, -0.02], "refuted", "holds on 0 of 2"),
        ([0.0, 0.0], "equivalent", "holds on 0 of 2"),
    ],
)
def test_a_claim_holds_where_it_holds_on_each(effects, verdict, over):
    judgement = judge(effects)
    (claim,) = judgement.study.claims
    assert verdict_of(claim, judgement.verdicts) == verdict
    assert describe_across(claim, judgement.verdicts) == over
    (row,) = scoreboard.list_study(judgement.study, judgement)
    assert (row["verdict"], row["over"], len(row["heads"])) == (verdict, over, 2)


def test_parts_are_each_over_all_sets():
    pairs = (Comparison(MAX, AVG, ">", "none"), Comparison(SAME, VALID, "=", "none"))
    study = spread(STUDY._replace(claims=(Claim("two", "Two.", pairs, parts=2),)), SETS)
    judgement = judge([0.02, -0.02], study)
    (claim,) = judgement.study.claims
    assert [own.verdict for own in find_across(claim, judgement.verdicts)] == [
        "depends", "supported"
    ]  # fmt: skip
    assert verdict_of(claim, judgement.verdicts) == "depends"
    assert describe_across(claim, judgement.verdicts) == "holds on 1 of 2: digits"


def test_every_table_and_figure_names_the_data_set_even_where_one_is_left(capsys):
    """As where runs on the others broke off."""
    judgement = judge([0.02], SPREAD._replace(datasets=SETS[:1], arms=SPREAD.arms[:4]))
    drawn = figures.draw_all(judgement)["differences"]
    assert "digits: pool=max" in drawn.alt.replace("Digits", "digits")
    terminal.print_judgement(judgement, open_console())
    assert "digits: pool=max − pool=avg" in capsys.readouterr().out
    page_text = page.render_page(judgement, {"differences": ""}, "", "")
    headline = "pool=max is ahead of pool=avg"
    assert page_text.count(f"digits: {headline}") == page_text.count(headline) > 0
    assert listings.show_verdicts(judgement)[0]["comparison"] == f"digits: {headline}"


def test_arms_are_marked_against_the_first_of_their_own_data_set():
    """Larger images cost more: that is no confound of what is compared within a data set."""
    judgement = judge([0.02, 0.0])
    for arm in judgement.arms:
        for record in arm.records:
            record.cost["macs"] = 9_000 if arm.config.dataset == SETS[1] else 2_000
    shown = page.render_page(judgement, {"differences": ""}, "", "")
    assert 'class="flag">9,000' not in shown and ">9,000<" in shown


def test_on_one_data_set_nothing_is_said_of_several():
    judgement = judge([0.02], spread(STUDY, ["digits"]))
    (claim,) = judgement.study.claims
    assert describe_across(claim, judgement.verdicts) == ""
    assert verdict_of(claim, judgement.verdicts) == "supported"
