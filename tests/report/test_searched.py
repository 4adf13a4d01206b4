"""What a report shows of a search: sentences, tables, figures, and every trial as CSV."""

import csv
import re
import warnings

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from cnnjax.report import page, searched, slices
from cnnjax.report.drawing import STYLE, render_svg
from tests.browser import browse, find_browser
from tests.by_hand import judge, make_records
from tests.searches import SPACE, Axis, make_search
from tests.study.test_optimism import chose, validate

ARM = "pool=max padding=SAME"
SIX = {**SPACE, "dropout": Axis(0, 0.5), "momentum": Axis(0.5, 0.999)}
HALVED = make_search("halving", 27, num_failed=2, arm=ARM)
HALVED = HALVED._replace(
    trials=tuple(own._replace(whole=own.number > 20) for own in HALVED.trials), chosen=21
)


def report(*searches, form="html"):
    return judge(make_records(4))._replace(searched=searches)


def write(tmp_path, *searches, form="html"):
    return page.write_report(report(*searches), tmp_path, "command", form=form)


def test_the_page_says_how_was_searched_and_what_was_found(tmp_path):
    html = write(tmp_path, make_search(num_trials=48, num_failed=2, arm=ARM)).read_text()
    for words in (
        f"The search for {ARM}",
        "Random search tried 48 settings for pool=max padding=SAME on 3 seeds each, in 14,400"
        " optimiser steps; 2 failed. It chose learning_rate=0.0",
        "in part the luckiest", "drawn of these without replacement", "What each knob explains",
        'href="trials.csv"', "<code>trials.csv</code>",
    ):  # fmt: skip
        assert words in html, words
    rows = re.findall(r"<tr><td>(\w+)</td><td>[^<]*</td><td>5</td>", html)
    assert rows[0] == "learning_rate" and set(rows) == set(SPACE) - {"pool"}
    assert html.count("<svg") == 4 and len(html.encode()) < 200_000
    figures = tmp_path / "made-by-hand" / "figures"
    assert {path.name for path in figures.glob("*-1.*")} == {
        "budget-1.svg", "budget-1.pdf", "slices-1.svg", "slices-1.pdf"
    }  # fmt: skip


def test_without_a_search_nothing_is_said_of_one(tmp_path):
    path = write(tmp_path)
    assert "trials.csv" not in path.read_text() and "The search" not in path.read_text()
    assert not path.with_name("trials.csv").exists()


def test_a_large_search_keeps_the_page_small(tmp_path):
    large = make_search(num_trials=512, num_failed=20, space=SIX, arm=ARM)
    assert len(write(tmp_path, large).read_bytes()) < 200_000


def test_a_page_of_many_searches_has_no_slices_but_links_to_them(tmp_path):
    one = make_search(num_trials=24)
    few, many = (
        write(tmp_path / str(number), *[one._replace(arm=f"pool={at}") for at in range(number)])
        .read_text()
        for number in (2, 3)
    )  # fmt: skip
    assert few.count("Each trial by one knob at a time, whatever") == 2
    assert "whatever the others were. Ringed" not in many
    assert [f'href="figures/slices-{place}.svg"' in many for place in (1, 2, 3)] == [True] * 3


def test_every_trial_is_a_row_of_csv(tmp_path):
    other = make_search("tpe", 6, space={"steps": Axis(choices=(100, 200))}, arm="pool=avg")
    failed = make_search(num_trials=5, num_failed=2, arm=ARM)
    path = write(tmp_path, failed, other).with_name("trials.csv")
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert len(rows) == 11 and [row["score"] for row in rows[:2]] == ["", ""]
    last, trial = rows[4], failed.trials[4]
    assert float(last["learning_rate"]) == trial.setting["learning_rate"]  # to the last bit
    assert float(last["score"]) == trial.score and last["steps_spent"] == "300"
    assert (last["seeds"], last["whole"], last["batch"]) == ("3", "True", "0")
    assert {row["steps"] for row in rows[5:]} <= {"100", "200"} and rows[0]["steps"] == ""
    assert [row["number"] for row in rows if row["chosen"] == "True"] == [
        str(failed.chosen), str(other.chosen)
    ]  # fmt: skip


def test_the_supplement_has_the_same_as_tables(tmp_path):
    path = write(tmp_path, make_search(num_trials=20, arm=ARM), HALVED, form="md")
    told = path.with_name("report.md").read_text()
    assert told.count("## The search for pool=max padding=SAME") == 2
    for words in (
        "| trials | steps | expected best | 10% to 90% |", "| trials | steps | best so far |",
        "| knob | values | groups | share | p | p adj. | important |", "| 16 | 4,800 |",
        "(figures/budget-1.svg)", "(figures/slices-2.svg)", "[trials.csv](trials.csv)",
    ):  # fmt: skip
        assert words in told, words


def test_what_was_stopped_early_is_said():
    said = searched.describe_search(HALVED)
    assert said.startswith("Successive halving tried 27 settings") and "; 19 were stopped" in said
    about = searched.list_sections(report(HALVED))[0]
    assert searched.BY_RANK in about.about_knobs and about.about_best == searched.AS_IT_CAME


def test_a_method_that_learns_is_read_with_care():
    (own,) = searched.list_sections(report(make_search("tpe", 24, arm=ARM)))
    assert searched.IN_BATCHES in own.about_knobs and "10% to 90%" not in own.best[0]
    (plain,) = searched.list_sections(report(make_search("random", 24, arm=ARM)))
    assert plain.about_knobs == searched.SHARES and "10% to 90%" in plain.best[0]


def test_fresh_seeds_say_how_far_the_search_flatters_its_choice():
    own = report()._replace(arms=validate((0.90, 0.92, 0.91, 0.93)))
    said = searched.describe_optimism(chose({}, 0.95), own)
    assert said == (
        "On 4 fresh seeds, its validation accuracy is 91.50% in the mean: that of the search is"
        " 3.50 points better, 95% interval [+1.45, +5.55] (over fresh seeds, paired with nothing)."
    )
    assert "2.00 points worse" in searched.describe_optimism(chose({}, 0.895), own)


def test_a_knob_that_was_not_found_is_not_called_unimportant():
    rows = {own["knob"]: own for own in searched.list_importance(make_search(num_trials=64))}
    assert rows["learning_rate"]["important"] == "yes"
    assert rows["weight_decay"]["important"] == "not shown"
    assert rows["pool"]["values"] == "max,avg,stride"


def test_a_search_in_which_all_failed_is_shown_without_figures(tmp_path):
    failed = make_search(num_trials=4, arm=ARM)
    failed = failed._replace(
        trials=tuple(own._replace(score=np.nan) for own in failed.trials), chosen=None, second=None
    )
    html = write(tmp_path, failed).read_text()
    assert "4 failed. Nothing speaks for one of them." in html and "luckiest" not in html
    assert "What each knob explains" not in html and "budget-1" not in html


def test_a_halving_of_which_nothing_was_finished_has_knobs_and_no_best(tmp_path):
    stopped = HALVED._replace(trials=tuple(own._replace(whole=False) for own in HALVED.trials))
    html = write(tmp_path, stopped, form="md").read_text()
    assert "What each knob explains" in html and searched.AS_IT_CAME not in html
    assert html.count("<svg") == 3


SEARCHES = [
    make_search(num_trials=64, num_failed=4, space=SIX, arm=ARM),
    HALVED,
    make_search(num_trials=1, space={"pool": Axis(choices=tuple(f"option-{i}" for i in range(5)))}),
    make_search(num_trials=9, metric="test_loss"),
]


@pytest.mark.parametrize("own", SEARCHES)
def test_no_text_of_the_slices_lies_over_another(own):
    with matplotlib.rc_context(STYLE):
        drawing = slices.draw_searches([own])["slices-1"]
        canvas = FigureCanvasAgg(drawing.figure)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            canvas.draw()
    renderer, whole = canvas.get_renderer(), drawing.figure.bbox
    boxes = [axes.get_tightbbox(renderer) for axes in drawing.figure.axes if axes.get_visible()]
    assert len(boxes) == len(own.space)
    for place, box in enumerate(boxes):
        assert whole.x0 - 1 <= box.x0 and box.x1 <= whole.x1 + 1
        assert not any(box.overlaps(other) for other in boxes[:place])


def test_the_chosen_one_is_ringed_where_it_stands():
    own = make_search(num_trials=30)
    with matplotlib.rc_context(STYLE):
        drawing = slices.draw_searches([own])["slices-1"]
    chosen = own.winner
    for axes, knob in zip(drawing.figure.axes, list(SPACE)[:3], strict=False):
        (x,), (y,) = axes.lines[-1].get_data()
        assert (x, y) == pytest.approx((chosen.setting[knob], 100 * chosen.score))
    assert drawing.figure.axes[0].get_xscale() == "log"
    pool = drawing.figure.axes[3]
    assert [own.get_text() for own in pool.get_xticklabels()] == ["max", "avg", "stride"]


def test_each_trial_is_a_dot_of_the_panel():
    own = make_search(num_trials=30, num_failed=3)
    with matplotlib.rc_context(STYLE):
        drawing = slices.draw_searches([own])["slices-1"]
        sound, _, failed, _ = drawing.figure.axes[0].lines
        assert [len(line.get_xdata()) // 3 for line in (sound, failed)] == [30, 3]
        assert render_svg(drawing).count("<use") < 60  # marks are no element each


def test_a_value_beyond_the_space_is_left_out():
    """As that of a default that is tried first, and is none of the choices."""
    own = make_search(num_trials=10, space={"pool": Axis(choices=("max", "avg"))})
    first = own.trials[0]._replace(setting={"pool": "stride"})
    drawings = slices.draw_searches([own._replace(trials=(first, *own.trials[1:]))])
    assert set(drawings) == {"budget-1", "slices-1"}


@pytest.mark.skipif(find_browser() is None, reason="no Chromium on this machine")
def test_page_is_no_wider_than_a_phone(tmp_path):
    path = write(tmp_path, SEARCHES[0])
    assert browse(path, tmp_path) == [
        "requests: 0", "wider: false", *["first column: stays"] * 3
    ]  # fmt: skip
