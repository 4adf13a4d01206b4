"""Studies and boards from outside."""

import json
import subprocess
import sys

import pytest

import cnnjax.study
from cnnjax.config.errors import ConfigError
from cnnjax.report import scoreboard as report
from cnnjax.study import own
from cnnjax.study.claims import Claim, Comparison
from experiments import scoreboard
from tests.by_hand import STUDY, judge, make_records

OTHER = STUDY._replace(name="other", claims=(STUDY.claims[0]._replace(id="again"),))


@pytest.fixture(autouse=True)
def nothing_stays_declared(monkeypatch):
    for name in ("STUDIES", "STATEMENTS", "ORDERS"):
        monkeypatch.setattr(own, name, {})


def test_the_package_is_called_to_declare_a_study():
    assert cnnjax.study(STUDY) is STUDY  # pyright: ignore[reportCallIssue]
    assert own.STUDIES["made-by-hand"] == (STUDY, "", __file__)
    assert own.list_studies("mine") == []


def run_again(text, **names):
    """As a file that is loaded again, or a notebook's cell."""
    exec(text, {"own": own, "__file__": __file__, **names})


def test_a_study_is_declared_again_by_its_own_file_only():
    longer = STUDY._replace(question="Which one?")
    run_again("own.study(study)", study=STUDY)
    run_again("own.study(study)", study=longer)
    assert own.STUDIES[STUDY.name].study == longer
    with pytest.raises(ConfigError, match=r"study made-by-hand is there already, in .*test_own"):
        run_again("own.study(study)\nown.study(study)", study=STUDY)
    own.STUDIES[STUDY.name] = own.STUDIES[STUDY.name]._replace(source="there.py")
    with pytest.raises(ConfigError, match=r"study made-by-hand is there already, in there\.py"):
        own.study(STUDY)


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (STUDY._replace(name="all"), r"test_own\.py:\d+: study all cannot name a report's folder"),
        (STUDY._replace(name="a b"), "study a b cannot name"),
        (STUDY._replace(name="records"), "study records cannot name"),
        (STUDY._replace(controls=({"pool": "none"},)), r"test_own\.py:\d+: .* no arm has"),
    ],
)
def test_what_is_no_study_is_refused_with_its_file(study, message):
    with pytest.raises(ConfigError, match=message):
        own.study(study)


def test_a_board_has_claims_of_studies_and_other_statements_in_their_order(tmp_path):
    own.claim("first", "First.", board="mine", finding="Somebody 1998.")
    own.study(STUDY, board="mine")
    own.claim("sum", "1 + 1 = 2.", board="mine", check=lambda: (1 + 1 == 2, "It is 2."))
    own.claim("later", "Later.", board="mine", kind="experiment")
    own.study(OTHER, board="mine")
    own.claim("elsewhere", "Elsewhere.", board="another")
    done = {STUDY.name: judge(make_records())}
    rows = scoreboard.collect_board("mine", done, lacking=["other"])
    assert [(row["id"], row["verdict"]) for row in rows] == [
        ("first", "cited"), ("planted", "supported"), ("sum", "supported"),
        ("later", "not yet run"), ("again", "not yet run"),
    ]  # fmt: skip
    path = report.write_scoreboard(rows, [*done.values()], tmp_path, "a command", "mine")
    assert path.parent.name == "board-mine"
    html = path.read_text()
    for words in ("The statements of board mine", "Somebody 1998.", "It is 2."):
        assert words in html
    assert "article" not in html
    about = json.loads((path.parent / "about.json").read_text())
    assert about["question"] == "Every statement of board mine, tried and judged"


def test_a_claim_is_on_a_board_once():
    for statement in ("First.", "First, anew."):
        run_again("own.claim('first', statement, board='mine')", statement=statement)
    assert own.STATEMENTS["mine"]["first"].statement == "First, anew."
    there = own.STATEMENTS["mine"]["first"]._replace(source="there.py")
    own.STATEMENTS["mine"]["first"] = there
    with pytest.raises(ConfigError, match="claim first of board mine is there already, in there"):
        own.claim("first", "First.", board="mine")


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (lambda: True, "its check gives True: give whether it holds, and a sentence"),
        (lambda: (True, 3), "its check gives a tuple: give"),
        (lambda: 1 // 0, "ZeroDivisionError: "),
    ],
)
def test_a_check_that_says_nothing_is_told_with_its_place(check, words):
    own.claim("sum", "1 + 1 = 2.", board="mine", check=check)
    with pytest.raises(ConfigError, match=rf"test_own\.py:\d+: .*{words}"):
        scoreboard.collect_board("mine", {}, lacking=[])


def test_its_claims_are_listed_after_those_of_the_article():
    claim = Claim("mine", "Mine.", (Comparison({"pool": "max"}, {"pool": "avg"}, ">", ""),))
    listed = scoreboard.list_claims([STUDY._replace(claims=(claim,))])
    assert listed[-1] == {"id": "mine", "claim": "Mine.", "kind": "experiment",
                          "status": "in made-by-hand"}  # fmt: skip


def test_declaring_imports_no_jax():
    code = "import sys, cnnjax.study.own; print('jax' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.strip() == "False"
