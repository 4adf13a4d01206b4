"""The report's files, from records made by hand: everything is there and nothing is fetched."""

import csv
import json
import re

import matplotlib
import pytest
from matplotlib import figure

from cnnjax.config import register
from cnnjax.config.config import to_json
from cnnjax.report import drawing, page, tables, terminal, text
from cnnjax.report.drawing import pick_colors
from cnnjax.study import claims
from cnnjax.study.arms import make_base, make_lanes
from cnnjax.study.claims import Claim, Comparison, Lead, Published, Tuning
from tests.browser import browse, find_browser
from tests.by_hand import AVG, GRID, MAX, SAME, STUDY, fail, judge, make_records

VERDICT_KEYS = """claim dataset metric a b num_seeds mean_a mean_b difference interval
interval_seeds confidence degrees p p_adjusted p_sign_flip effect_size wins pair_correlation margin
threshold role finding verdict num_failed predicted warnings""".split()
COMMAND = "python launch.py made & by <hand>"
ALL_KINDS = STUDY._replace(
    claims=(
        *STUDY.claims,
        Claim(
            "all-kinds",
            "Every kind of comparison.",
            (
                Comparison(Lead({**MAX, **SAME}, {**AVG, **SAME}), 0.0, ">", "none"),
                Comparison(MAX, AVG, "<", "faster", metric="steps_to_90"),
                Comparison(MAX, AVG, "<", "none", metric="test_loss"),
            ),
            tried_as="Something else.",
        ),
    ),
    controls=({"padding": "VALID"},),
    published=(Published({**MAX, **SAME}, 0.93, "a paper"),),
    tuning=Tuning({"learning_rate": (0.001, 0.01)}),
    settings={"pool=max padding=SAME": {"learning_rate": 0.01}},
)


def judge_all_kinds():
    base = make_base(ALL_KINDS, {})
    records = []
    for record, config in zip(make_records(), make_lanes(ALL_KINDS, base, 20), strict=True):
        curve = {"strengths": [0.0, 1.0], "accuracy": [0.9, 0.5]}
        extra = {"robustness": {"salt": curve}, "auc_salt": 0.7, "initial_loss": 2.3}
        records.append(record._replace(config=to_json(config), scores={**record.scores, **extra}))
    return judge(records, ALL_KINDS)


@pytest.fixture
def written(tmp_path):
    return page.write_report(judge(make_records()), tmp_path, COMMAND)


def test_files(written):
    folder = written.parent
    assert written == folder / "report.html"
    verdicts = json.loads((folder / "verdicts.json").read_text())
    assert len(verdicts) == 2 and all(set(VERDICT_KEYS) <= set(row) for row in verdicts)
    with open(folder / "records.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 80
    assert {row["arm"] for row in rows} == {
        f"pool={p} padding={q}" for p in GRID["pool"] for q in GRID["padding"]
    }
    assert {path.name for path in (folder / "figures").iterdir()} == {
        "curves.svg", "curves.pdf", "differences.svg", "differences.pdf"
    }  # fmt: skip
    assert (folder / "figures" / "curves.pdf").read_bytes().startswith(b"%PDF")
    latex = (folder / "verdicts.tex").read_text()
    assert latex.count(r" \\") == 3 and r"\toprule" in latex and "pool=max" in latex
    assert r"\begin{tabularx}{\textwidth}{" in latex  # as wide as the page, and no wider


def test_csv_has_plain_numbers_and_a_column_a_bound(written):
    raw = (written.parent / "verdicts.csv").read_text()
    assert raw.isascii()
    rows = list(csv.DictReader(raw.splitlines()))
    verdicts = json.loads((written.parent / "verdicts.json").read_text())
    for row, verdict in zip(rows, verdicts, strict=True):
        bounds = [float(row["interval_low"]), float(row["interval_high"])]
        assert bounds == pytest.approx(verdict["interval"])
        assert float(row["difference"]) == pytest.approx(verdict["difference"])
        assert row["verdict"] == verdict["verdict"]


def test_a_failed_run_has_empty_scores_and_its_arm_is_flagged(tmp_path):
    """Also where all runs of the arm that is named first failed, so that it has no score at all."""
    records = [
        fail(r) if r.config["pool"] == "max" and r.config["padding"] == "SAME" else r
        for r in make_records()
    ]
    path = page.write_report(judge(records), tmp_path, COMMAND)
    rows = list(csv.DictReader((path.parent / "records.csv").read_text().splitlines()))
    failed = [row for row in rows if row["failed"] == "True"]
    assert len(failed) == 20 and all(row["test_accuracy"] == "" for row in failed)
    assert "all 20 runs failed" in path.read_text()


@pytest.mark.parametrize("order", [1, -1])
def test_arms_may_have_unlike_scores_and_data(tmp_path, order):
    """A grid over data sets, or over --measure, has columns and figures of what is there."""
    grid = claims.cross(
        {"dataset": ("digits", "dot")[::order], "measure": ((), ("robustness",))[::order]}
    )
    own = STUDY._replace(arms=grid, claims=claims.make_factorial_claims(
        {"dataset": ("digits", "dot"), "measure": ((), ("robustness",))}
    ))  # fmt: skip
    records = make_records(effects={"max": 0.0}, own=own)
    for record in records:
        record.provenance["data_fingerprint"] = record.config["dataset"]
        if record.config["measure"]:
            curve = {"strengths": [0.0, 1.0], "accuracy": [0.9, 0.5]}
            record.scores.update(robustness={"salt": curve}, auc_salt=0.7)
    path = page.write_report(judge(records, own), tmp_path, COMMAND)
    rows = list(csv.DictReader((path.parent / "records.csv").read_text().splitlines()))
    assert {row["auc_salt"] for row in rows} == {"", "0.7"}
    html = path.read_text()
    for word in ("main effect of dataset", "interaction of dataset and measure", "Robustness"):
        assert word in html, word


def test_labels_keep_their_capitals(tmp_path, monkeypatch):
    own = register.CHOICES["metric"]["test_accuracy"]
    own = own._replace(traits={**own.traits, "label": "macro F1"})
    monkeypatch.setitem(register.CHOICES["metric"], "test_accuracy", own)
    path = page.write_report(judge_all_kinds(), tmp_path, COMMAND)
    for file in (path, path.parent / "arms.tex"):
        assert "macro F1" in file.read_text() and "f1" not in file.read_text()


def test_a_draw_of_much_of_the_pool_speaks_of_this_pool(written, tmp_path):
    assert "for draws from this pool of 600 images" in written.read_text()
    records = make_records()
    for record in records:
        record.scores["num_pool_examples"] = 60_000
    small = page.write_report(judge(records), tmp_path / "small", COMMAND).read_text()
    assert "this pool" not in small
    for record in records:
        record.scores["drawn_by_seed"] = False
    same = page.write_report(judge(records), tmp_path / "same", COMMAND).read_text()
    assert "All seeds train on the same images" in same


def test_page_holds_everything_and_fetches_nothing(written):
    html = written.read_text()
    for word in (
        "python launch.py made &amp; by &lt;hand&gt;", "Supported", "planted", "20 seeds",
        "1,000 test images", "differ in parameters", "jax 0.10.2",
    ):  # fmt: skip
        assert word in html, word
    assert html.count("<svg") == 2 and 'role="img" aria-label="' in html
    assert not re.search(r"<(script|link|img|iframe)\b|@import|url\(http|src=", html)


def test_nothing_of_the_page_is_folded_away_on_paper(written):
    html = written.read_text()
    assert "<details" not in html and "The numbers behind the verdicts" in html


def test_the_same_records_give_the_same_files(written, tmp_path):
    again = page.write_report(judge(make_records()), tmp_path / "again", COMMAND)
    for path in written.parent.rglob("*.*"):
        assert (again.parent / path.relative_to(written.parent)).read_bytes() == path.read_bytes()


def test_page_of_every_kind_of_comparison(tmp_path):
    html = page.write_report(
        judge_all_kinds(), tmp_path, COMMAND, scoreboard="scoreboard"
    ).read_text()
    for word in (
        "lead of pool=max padding=SAME over pool=avg padding=SAME", "steps to 90%", "control",
        "published 93%", "lies in", "a paper", "What tuning chose", "learning_rate=0.01",
        "Robustness", "../scoreboard/report.html", "Tried as: Something else.", " nats",
    ):  # fmt: skip
        assert word in html, word
    assert html.count("<svg") == 4


@pytest.mark.parametrize("width", [80, 120])
def test_terminal_shows_every_verdict_whole(width, capsys):
    from rich.console import Console

    judgement = judge_all_kinds()
    terminal.print_judgement(judgement, Console(width=width))
    shown = capsys.readouterr().out
    verdicts = {row["verdict"] for row in judgement.verdicts}
    for word in (*verdicts, "planted", "pool=max − pool=avg"):
        assert word in shown
    assert "…" not in shown and max(map(len, shown.splitlines())) <= width


def test_latex_escapes_what_is_special():
    assert tables.escape("50% of a_b & c − d") == r"50\% of a\_b \& c $-$ d"
    assert tables.escape("a\x1b[2J") == r"a\textbackslash{}x1b[2J"
    rows = tables.write_latex([{"arm": "x"}, {"arm": "*"}, {"arm": "[1cm]"}]).splitlines()
    assert r"{}* \\" in rows and r"{}[1cm] \\" in rows  # after \\ they would mean something


def test_a_name_in_a_figure_is_text():
    """Matplotlib takes what stands between dollars for a formula, and refuses a wrong one."""
    with matplotlib.rc_context(drawing.STYLE):
        picture = figure.Figure()
        picture.subplots().plot([1, 2], label=r"$\frac$ <script>alert(1)</script>")
        picture.legend()
    svg = drawing.render_svg(drawing.Drawing(picture, "<script>"))
    assert r"$\frac$ &lt;script&gt;alert(1)&lt;/script&gt;" in svg and "<script" not in svg


@pytest.mark.parametrize(
    ("value", "metric", "signed", "shown"),
    [
        (0.9609, "test_accuracy", False, "96.09"),
        (-0.00123, "test_accuracy", True, "−0.12"),
        (2.30258, "initial_loss", False, "2.303"),
        (123.4, "steps_to_90", True, "+123.4"),
        (float("nan"), "test_loss", False, "–"),
        (None, "test_accuracy", False, "–"),
    ],
)
def test_numbers_are_shown_as_their_metric_wants(value, metric, signed, shown):
    assert text.score(value, metric, signed) == shown


def test_many_lines_have_an_order_of_colours():
    assert len(pick_colors(3)) == 3 and len({*map(tuple, pick_colors(13))}) == 13


@pytest.mark.skipif(find_browser() is None, reason="no Chromium on this machine")
def test_page_is_no_wider_than_a_phone(tmp_path):
    path = page.write_report(judge_all_kinds(), tmp_path, COMMAND)
    assert browse(path, tmp_path) == [
        "requests: 0", "wider: false", *["first column: stays"] * 2
    ]  # fmt: skip
