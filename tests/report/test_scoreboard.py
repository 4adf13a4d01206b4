"""The scoreboard: every statement, its verdict, and what chance could do."""

import json
import re

import pytest

from cnnjax.report import scoreboard
from cnnjax.study import decision
from experiments import claims, readme
from experiments import scoreboard as collecting
from experiments.checks import Outcome
from experiments.claims import article, known_answers
from tests.browser import browse, find_browser
from tests.by_hand import judge, make_records

COMMAND = "python launch.py made & by <hand>"
ROWS = [
    {"id": "relu-formula", "statement": "ReLU is max(0, x).", "kind": "known answer",
     "verdict": "supported", "finding": "true of 1,000 & more numbers"},
    {"id": "first-layer-edges", "statement": "Edges.", "kind": "experiment",
     "verdict": "not yet run", "finding": ""},
]  # fmt: skip


def make_rows():
    judgement = judge(make_records())
    head, other = judgement.verdicts
    row = {"id": "planted", "statement": "Max beats average by far.", "kind": "experiment",
           "verdict": head["verdict"], "finding": "", "study": "made-by-hand", "tried_as": "",
           "heads": [head], "others": {other["verdict"]: 1}}  # fmt: skip
    return [*ROWS, row], [judgement]


@pytest.fixture
def board(tmp_path):
    return scoreboard.write_scoreboard(*make_rows(), tmp_path, COMMAND)


def test_scoreboard_has_every_statement_its_verdict_and_its_evidence(board):
    html = board.read_text()
    for word in (
        "ReLU is max(0, x).", "true of 1,000 &amp; more numbers", "not yet run", "supported",
        'href="../made-by-hand/report.html"', "two points", "1 supported",
        "judged by data", "survives Holm",
    ):  # fmt: skip
        assert word in html, word
    assert not re.search(r"<(link|img|iframe)\b|@import|url\(http|src=", html)
    saved = json.loads((board.parent / "scoreboard.json").read_text())
    assert [row["id"] for row in saved["rows"]] == ["relu-formula", "first-layer-edges", "planted"]
    for suffix in ("csv", "tex", "md"):
        assert "planted" in (board.parent / f"scoreboard.{suffix}").read_text()


def test_every_statement_has_its_rows_in_the_order_of_the_article():
    outcomes = {known.id: Outcome("supported", "yes") for known in known_answers.KNOWN_ANSWERS}
    planted = judge(make_records())
    study = claims.STUDIES["padding"]
    rows = collecting.collect([study, claims.STUDIES["stride"]], {}, outcomes)
    places = [article.ORDER.index(row["id"]) for row in rows]
    assert places == sorted(places)
    found = {row["id"]: row["verdict"] for row in rows}
    assert (found["relu-formula"], found["stride"]) == ("supported", "failed")
    assert found["visual-cortex"] == "not testable here"
    (row,) = scoreboard.list_study(planted.study, planted)
    assert {"heads": row["heads"], "others": row["others"]} == {
        key: value for key, value in make_rows()[0][-1].items() if key in ("heads", "others")
    }


def test_the_board_says_what_chance_could_do():
    (*_, row), _ = make_rows()
    weak = {**row["heads"][0], "p_adjusted": 0.04}
    rows = [{**row, "id": f"claim-{place}", "heads": [weak]} for place in range(4)]
    odds = scoreboard.weigh([*ROWS, row, *rows])
    assert (odds.num_judged, odds.expected_false) == (5, 0.25)
    assert odds.survivors == ("planted made-by-hand",)  # 0.04 does not survive five
    both = {**row, "heads": [row["heads"][0], weak]}  # all parts must hold
    assert not scoreboard.weigh([both, *rows]).survivors
    bound = {**row, "heads": [{**weak, "warnings": [decision.BOUND]}]}
    assert scoreboard.weigh([bound]).bound_by_images == ("planted made-by-hand",)


def test_what_was_tried_is_the_text_of_a_row():
    (*_, row), _ = make_rows()
    shown = scoreboard.list_row({**row, "tried_as": "Something else."}, scoreboard.weigh([row]))
    assert shown["statement"] == (
        "planted: Something else. (The article: Max beats average by far.)"
    )


def test_readme_takes_the_scoreboard_between_its_markers(board, tmp_path):
    target = tmp_path / "README.md"
    target.write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n")
    arguments = ["readme", f"--runs={tmp_path}", f"--readme={target}"]
    # What is missing from provenance made by hand.
    saved = json.loads((board.parent / "scoreboard.json").read_text())
    saved["facts"]["python"] = "3.11"
    (board.parent / "scoreboard.json").write_text(json.dumps(saved))
    for _ in range(2):  # again gives the same
        readme.main(arguments, None)
        found = target.read_text()
    assert found.startswith(f"before\n{readme.BEGIN}\n") and found.endswith(
        f"{readme.END}\nafter\n"
    )
    assert "old" not in found and "| planted: Max beats average by far. | supported\\* |" in found
    assert found.count("made & by <hand>") == 1


@pytest.mark.skipif(find_browser() is None, reason="no Chromium on this machine")
def test_it_sorts_filters_and_asks_for_nothing_in_a_browser(board, tmp_path):
    assert browse(board, tmp_path) == [
        "requests: 0", "wider: false", "sorted: first-layer-edges planted relu-formula",
        "again: relu-formula planted first-layer-edges", "filtered: relu-formula planted",
        "2 of 3 rows shown",
    ]  # fmt: skip
