"""The report in Markdown: what the page says, and names that are no markup."""

import pathlib
import re

import pytest

from cnnjax.config.errors import ConfigError
from cnnjax.report import folders, page, supplement, tables
from cnnjax.study.claims import Claim, Comparison
from tests.by_hand import AVG, MAX, STUDY, judge, make_records

HOSTILE = "| *a* <script>alert(1)</script> [x](y) `c` $m$ &lt; # _u_"


def write(tmp_path, num_seeds=5, form="md"):
    own = judge(make_records(num_seeds=num_seeds))
    return page.write_report(own, tmp_path, "command", form=form).with_name("report.md")


def test_it_lies_beside_the_page_and_links_its_figures(tmp_path):
    path = write(tmp_path)
    told = path.read_text()
    for words in (
        "# Which?", "## planted", "> Max beats average by far.", "**Supported.**",
        "Predicted before the first run: two points.", "## Methods", "**Data.** digits",
        "| comparison | verdict |", "| arm | test accuracy |", "## Power reached",
        "```\ncommand\n```",
    ):  # fmt: skip
        assert words in told, words
    links = re.findall(r"!\[.+?\]\((.+?)\)", told)
    assert links == ["figures/differences.svg", "figures/curves.svg"]
    assert all((path.parent / link).exists() for link in links)
    assert "report.md" in path.with_name("report.html").read_text()


def test_names_are_text():
    """Of a claim, a class, an arm: in a sentence, a heading, an item and a cell of a table."""
    claim = Claim(HOSTILE, HOSTILE, (Comparison(MAX, AVG, ">", HOSTILE, about=HOSTILE),))
    own = STUDY._replace(claims=(claim,), question=HOSTILE, name=HOSTILE)
    found = judge(make_records(num_seeds=3, own=own), own)
    found.verdicts[0]["warnings"].append(HOSTILE)
    told = supplement.render(found, (), "python launch.py '```' <b>")
    body, _, command = told.partition("## Command")
    assert not re.findall(r"(?<!\\)(?:\\\\)*[`<$&]", body.replace("```", ""))  # but fences
    assert "````\npython launch.py '```' <b>\n````" in command
    rows = [line for line in body.splitlines() if line.startswith("| \\|")]
    assert rows and all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in rows)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("|", r"\|"), ("*", r"\*"), ("<script>", r"\<script>"), ("a_b", r"a\_b"),
        ("1. one", r"1\. one"), ("12)", r"12\)"), ("0.004", "0.004"), ("- x", r"\- x"),
        ("--- ", r"\---"), ("===", r"\==="), ("+1.73", "+1.73"), ("# x", r"\# x"), ("> x", r"\> x"),
        ("a\nb", r"a\\x0ab"), ("    code", "code"), ("\\", r"\\"), ("&lt;", r"\&lt;"),
    ],
)  # fmt: skip
def test_a_value_is_one_line_of_text(value, shown):
    assert tables.escape_markdown(value) == shown


def test_an_older_one_goes_with_its_report(tmp_path):
    """The same command without it leaves no figures of runs that the page no longer shows."""
    path = write(tmp_path)
    assert write(tmp_path, form="html") == path and not path.exists()


def test_what_somebody_wrote_there_is_kept_and_never_replaced(tmp_path):
    path = write(tmp_path)
    path.write_text(path.read_text().replace("Which?", "What?"))
    with pytest.raises(ConfigError, match="move it away, or leave --format=md out"):
        folders.check(path.parent, "md")
    folders.check(path.parent, "html")
    write(tmp_path, form="html")
    assert "What?" in path.read_text()


def test_another_report_takes_it_below(tmp_path):
    write(tmp_path, num_seeds=3)
    write(tmp_path, num_seeds=5, form="html")
    (below,) = pathlib.Path(tmp_path).glob("*/earlier-*/report.md")
    assert "with 3 seeds" in below.read_text()
